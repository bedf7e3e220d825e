use url::{Host, Url};

/// Reads the address of a service with one of these schemes, if it is one: with a host, and with
/// nothing behind the path, which would be lost behind the paths that are called.
pub fn address(text: &str, schemes: &[&str]) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    // A path is what a proxy may need; all else would be lost behind it.
    let plain = url.query().is_none() && url.fragment().is_none();
    (plain && schemes.contains(&url.scheme()) && url.host().is_some()).then_some(url)
}

/// Whether an address is that of this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// An address with a path behind what path it has.
pub fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let whole = format!("{}{path}", base.path().trim_end_matches('/'));
    url.set_path(&whole);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: &[&str] = &["http", "https"];

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "api.example.com", "ftp://x", "ws://x", "http://", "http://x/?a=1", "http://x/#a"]
        {
            assert_eq!(address(text, HTTP), None, "{text}");
        }
        assert!(address("wss://x:9443", &["ws", "wss"]).is_some());
    }

    #[test]
    fn a_path_of_a_proxy_stays() {
        let joined = |base: &str| join(&address(base, HTTP).unwrap(), "/api/v3/time").to_string();
        assert_eq!(joined("https://a.example"), "https://a.example/api/v3/time");
        assert_eq!(joined("https://a.example/binance/"), "https://a.example/binance/api/v3/time");
    }

    #[test]
    fn this_machine_is_known() {
        let known = |text: &str| is_loopback(&address(text, HTTP).unwrap());
        for text in ["http://127.0.0.1:1", "http://127.8.8.8", "http://[::1]:1", "http://localhost"]
        {
            assert!(known(text), "{text}");
        }
        for text in ["https://api.example.com", "http://10.0.0.1", "http://localhost.example.com"] {
            assert!(!known(text), "{text}");
        }
    }
}
