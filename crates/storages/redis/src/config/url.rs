//! Options by URL.

use std::str::FromStr;

use cache_core::config::{UrlOptions, refuse_late_credentials, without_credentials};
use cache_core::error::ConfigError;
use percent_encoding::percent_decode_str;

use super::{Host, RedisOptions, Servers};
use crate::error::SCHEME;

/// What a scheme means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    One,
    Cluster,
    Sentinel,
}

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

impl RedisOptions {
    /// Reads a URL.
    ///
    /// | URL | servers |
    /// |---|---|
    /// | `redis://host:6379/2` | one server, database 2 |
    /// | `redis-cluster://host1:7000,host2:7001` | a cluster, of which these nodes are asked for the others |
    /// | `redis-sentinel://host1:26379,host2:26379/2?master=mymaster` | the master of a group |
    /// | `rediss://`, `rediss-cluster://`, `rediss-sentinel://` | the same by TLS |
    /// | `valkey://`, `valkeys://`, `valkey-cluster://`, .. | other names of them |
    ///
    /// User and password stand before the host, percent-encoded: `redis://user:password@host`,
    /// `redis://:password@host`. Ports may be left out. The query names options: `database` (or as
    /// the path), `key_prefix`, `buckets`, `pool_size` (or `max_connections`), `timeout`,
    /// `value_bytes_max`, `cleanup_interval`, `accept_tag_eviction`, `events_max`, `tls_ca`,
    /// `tls_cert`, `tls_key`, and for sentinels `master`, `sentinel_username`,
    /// `sentinel_password`. Times are seconds (`5`, `0.5`) or with a unit (`250ms`); sizes are bytes
    /// or with a unit (`8MiB`); `off` turns an interval off.
    ///
    /// # Errors
    /// [`ConfigError::Url`] if it is no such URL, [`ConfigError::Option`] for an option that is not
    /// known, given twice or out of its range. Neither shows a password.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let problem = |problem: &str| ConfigError::Url {
            url: without_credentials(url),
            problem: problem.to_owned(),
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| problem("it has no `://`"))?;
        let (kind, secure) = kind_of(scheme)
            .ok_or_else(|| problem("its scheme is none of `redis`, `redis-cluster`, .."))?;
        refuse_late_credentials(url)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        if place.contains('#') || query.contains('#') {
            return Err(problem("it has a `#`, to be written as `%23`"));
        }
        let (place, path) = place.split_once('/').unwrap_or((place, ""));
        let (credentials, hosts) = match place.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, place),
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from);
        let hosts = hosts
            .split(',')
            .map(|text| host(text, if kind == Kind::Sentinel { SENTINEL_PORT } else { PORT }))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| problem("a host is not of the form `host:port`"))?;
        let mut given = UrlOptions::of_query(SCHEME, query)?;
        let mut options = match (kind, hosts) {
            (Kind::One, hosts) => match <[Host; 1]>::try_from(hosts) {
                Ok([host]) => Self::at(Servers::One(host)),
                Err(_) => {
                    return Err(problem(
                        "it names several hosts; write `redis-cluster://` for a cluster",
                    ));
                }
            },
            (Kind::Cluster, hosts) => {
                Self::cluster(hosts.into_iter().map(|host| (host.name, host.port)))
            }
            (Kind::Sentinel, sentinels) => {
                let master = given.text("master").unwrap_or_default();
                Self::sentinel(sentinels.into_iter().map(|host| (host.name, host.port)), master)
            }
        };
        if secure {
            options = options.tls();
        }
        if let Some(credentials) = credentials {
            let (username, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            let not_text = |_| problem("user or password is not UTF-8");
            let (username, password) =
                (decoded(username).map_err(not_text)?, decoded(password).map_err(not_text)?);
            options.username = Some(username).filter(|username| !username.is_empty());
            if !password.is_empty() {
                options = options.password(password);
            }
        }
        if !path.is_empty() {
            options.database = path
                .trim_end_matches('/')
                .parse()
                .map_err(|_| problem("its path is not the number of a database"))?;
        }
        options = options.with(&mut given, !path.is_empty())?;
        given.finish()?;
        options.validate()?;
        Ok(options)
    }

    fn with(mut self, given: &mut UrlOptions, has_path: bool) -> Result<Self, ConfigError> {
        given.renamed("pool_size", "max_connections")?;
        given.renamed("database", "db")?;
        if let Some(database) = given.number("database")? {
            if has_path {
                return Err(given.refused("database", "is given in the path, too"));
            }
            self.database = database;
        }
        if let Some(key_prefix) = given.text("key_prefix") {
            self.key_prefix = key_prefix;
        }
        if let Some(buckets) = given.number("buckets")? {
            if !matches!(self.servers, Servers::Cluster(_)) {
                return Err(given.refused("buckets", "is an option of clusters"));
            }
            self.buckets = buckets;
        }
        self.pool_size = given.number("pool_size")?.unwrap_or(self.pool_size);
        self.timeout = given.duration("timeout")?.unwrap_or(self.timeout);
        self.value_bytes_max = given.bytes("value_bytes_max")?.unwrap_or(self.value_bytes_max);
        self.cleanup_interval =
            given.interval("cleanup_interval")?.unwrap_or(self.cleanup_interval);
        self.accept_tag_eviction =
            given.flag("accept_tag_eviction")?.unwrap_or(self.accept_tag_eviction);
        self.events_max = given.number("events_max")?.unwrap_or(self.events_max);
        for name in ["tls_ca", "tls_cert", "tls_key"] {
            let Some(path) = given.text(name) else { continue };
            let Some(tls) = &mut self.tls else {
                return Err(given.refused(name, "is an option of `rediss` and its kind"));
            };
            let file = match name {
                "tls_ca" => &mut tls.ca_file,
                "tls_cert" => &mut tls.certificate_file,
                _ => &mut tls.key_file,
            };
            *file = Some(path.into());
        }
        if matches!(self.servers, Servers::Sentinel { .. }) {
            let username = given.text("sentinel_username");
            match given.text("sentinel_password") {
                Some(password) => self = self.sentinel_credentials(username.as_deref(), password),
                None if username.is_some() => {
                    return Err(given.refused("sentinel_username", "is given without a password"));
                }
                None => {}
            }
        }
        Ok(self)
    }
}

impl FromStr for RedisOptions {
    type Err = ConfigError;

    /// As [`RedisOptions::from_url`].
    fn from_str(url: &str) -> Result<Self, ConfigError> {
        Self::from_url(url)
    }
}

fn kind_of(scheme: &str) -> Option<(Kind, bool)> {
    let (server, kind) = match scheme.split_once('-') {
        None => (scheme, Kind::One),
        Some((server, "cluster")) => (server, Kind::Cluster),
        Some((server, "sentinel")) => (server, Kind::Sentinel),
        Some(_) => return None,
    };
    match server {
        "redis" | "valkey" => Some((kind, false)),
        "rediss" | "valkeys" => Some((kind, true)),
        _ => None,
    }
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
fn host(text: &str, default_port: u16) -> Option<Host> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, rest) = rest.split_once(']')?;
            let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
            (name, port)
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
        None => default_port,
    };
    (!name.is_empty()).then(|| Host::new(name, port))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn options(url: &str) -> RedisOptions {
        RedisOptions::from_url(url).unwrap()
    }

    fn problem(url: &str) -> String {
        RedisOptions::from_url(url).unwrap_err().to_string()
    }

    #[test]
    fn servers_are_read_as_documented() {
        let one = |name: &str, port| Servers::One(Host::new(name, port));
        assert_eq!(options("redis://localhost").servers, one("localhost", 6379));
        assert_eq!(options("valkey://h:1/").servers, one("h", 1));
        assert_eq!(options("redis://[::1]:7").servers, one("::1", 7));
        assert_eq!(options("redis://[::1]").servers, one("::1", 6379));
        let nodes = vec![Host::new("a", 1), Host::new("b", 6379)];
        assert_eq!(options("redis-cluster://a:1,b").servers, Servers::Cluster(nodes));
        let sentinel = options("valkey-sentinel://a,b:2/3?master=m&sentinel_password=x");
        assert_eq!(sentinel.database, 3);
        let Servers::Sentinel { sentinels, master, password, .. } = sentinel.servers else {
            panic!("no sentinels");
        };
        assert_eq!(sentinels, [Host::new("a", 26379), Host::new("b", 2)]);
        assert_eq!((master.as_str(), password.unwrap().reveal()), ("m", "x"));
    }

    #[test]
    fn schemes_with_an_s_speak_tls() {
        for scheme in ["rediss", "valkeys", "rediss-cluster", "valkeys-cluster"] {
            assert!(options(&format!("{scheme}://h")).tls.is_some(), "{scheme}");
        }
        assert!(options("rediss-sentinel://h?master=m").tls.is_some());
        assert!(options("redis://h").tls.is_none());
        let tls = options("rediss://h?tls_ca=a&tls_cert=b&tls_key=c").tls.unwrap();
        assert_eq!(tls.ca_file.unwrap().to_str(), Some("a"));
        assert_eq!(tls.certificate_file.unwrap().to_str(), Some("b"));
        assert_eq!(tls.key_file.unwrap().to_str(), Some("c"));
    }

    #[test]
    fn credentials_are_decoded_and_never_shown() {
        let given = options("redis://us%3Aer:p%40ss%2F@h");
        assert_eq!(given.username.as_deref(), Some("us:er"));
        assert_eq!(given.password.as_ref().unwrap().reveal(), "p@ss/");
        assert!(!format!("{given:?}").contains("p@ss"));
        let given = options("redis://:word@h");
        assert_eq!((given.username, given.password.unwrap().reveal()), (None, "word"));
    }

    #[test]
    fn every_option_can_be_given() {
        let given = options(
            "redis-cluster://h?key_prefix=p&buckets=16&pool_size=3&timeout=250ms\
             &value_bytes_max=1MiB&cleanup_interval=off&accept_tag_eviction=true&events_max=500",
        );
        assert_eq!((given.key_prefix.as_str(), given.buckets, given.pool_size), ("p", 16, 3));
        assert_eq!(given.timeout, Duration::from_millis(250));
        assert_eq!((given.value_bytes_max, given.cleanup_interval), (1 << 20, None));
        assert!(given.accept_tag_eviction);
        assert_eq!(given.events_max, 500);
        assert_eq!(options("redis://h?db=4").database, 4);
        assert_eq!(options("redis://h?max_connections=9").pool_size, 9);
        assert_eq!((options("redis://h").buckets, options("redis-cluster://h").buckets), (1, 256));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("mysql://h", "its scheme"),
            ("redis-ring://h", "its scheme"),
            ("redis:h", "`://`"),
            ("redis://", "`host:port`"),
            ("redis://h:x", "`host:port`"),
            ("redis://h:0", "`host:port`"),
            ("redis://a,b", "several hosts"),
            ("redis://h/x", "number of a database"),
            ("redis://h/1?database=2", "in the path, too"),
            ("redis://h#1", "`#`"),
            ("redis-cluster://h/1", "a cluster has one only"),
            ("redis-sentinel://h", "`master`"),
            ("redis://h?buckets=2", "option of clusters"),
            ("redis-cluster://h?buckets=0", "1 to 4096"),
            ("redis://h?pool_size=0", "1 to 64"),
            ("redis://h?timeout=0", "larger than zero"),
            ("redis://h?events_max=0", "larger than zero"),
            ("redis://h?key_prefix=a{b", "`{`"),
            ("redis://h?key_prefix=", "1 to 64 bytes"),
            ("redis://h?value_bytes_max=1GiB", "500 MiB"),
            ("redis://h?tls_ca=x", "`rediss`"),
            ("rediss://h?tls_key=x", "together"),
            ("redis://user@h", "without a password"),
            ("redis-sentinel://h?master=m&sentinel_username=u", "without a password"),
            ("redis://h?master=m", "`master` is not an option"),
            ("redis://h?colour=red", "`colour` is not an option"),
            ("redis://user:12?word@h", "late `@`"),
        ] {
            assert!(problem(url).contains(part), "{url}: {}", problem(url));
        }
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(
            scheme in "(redis|rediss-cluster|valkey-sentinel)",
            password in "[a-z0-9@/?#:%&=]{0,8}SECRET[a-z0-9/?#:%&=]{0,8}",
            option in "(|\\?(timeout|pool_size|master)=)",
        ) {
            let url = format!("{scheme}://user:1{option}{password}@host/1");
            let shown = match RedisOptions::from_url(&url) {
                Ok(options) => format!("{options:?}"),
                Err(refused) => format!("{refused} {refused:?}"),
            };
            prop_assert!(!shown.contains("SECRET"), "{shown}");
        }

        #[test]
        fn no_password_stands_in_an_error(rest in "[a-z0-9@/?#:,&=]{0,20}") {
            let url = format!("redis://u:SECRET@{rest}");
            if let Err(problem) = RedisOptions::from_url(&url) {
                prop_assert!(!problem.to_string().contains("SECRET"), "{problem}");
            }
        }
    }
}
