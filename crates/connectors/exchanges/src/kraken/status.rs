use serde::Deserialize;

use crate::parse::{ParseError, json};

/// How the exchange says that it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SystemStatus {
    /// It trades.
    Online,
    /// It is being maintained: nothing is traded.
    Maintenance,
    /// Orders may be cancelled and no more: nothing is traded.
    CancelOnly,
    /// Orders may be placed that wait: nothing is traded.
    PostOnly,
    /// Orders with a limit alone are taken.
    LimitOnly,
    /// A word that was not known when this was written.
    Other,
}

impl SystemStatus {
    /// Whether the exchange has said that candles come about as always.
    pub const fn is_online(self) -> bool {
        matches!(self, Self::Online)
    }

    pub(super) fn named(word: &str) -> Self {
        match word {
            "online" => Self::Online,
            "maintenance" => Self::Maintenance,
            "cancel_only" => Self::CancelOnly,
            "post_only" => Self::PostOnly,
            "limit_only" => Self::LimitOnly,
            _ => Self::Other,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    result: Stands,
}

#[derive(Debug, Deserialize)]
struct Stands {
    status: String,
}

/// Reads how the exchange stands.
pub(super) fn status(body: &[u8]) -> Result<SystemStatus, ParseError> {
    let Answer { result: Stands { status } } = json(body)?;
    Ok(SystemStatus::named(&status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_says_how_it_stands() {
        let of = |word: &str| {
            let body = format!(
                r#"{{"error":[],"result":{{"status":"{word}","timestamp":"2023-07-06T18:52:00Z"}}}}"#
            );
            status(body.as_bytes()).unwrap()
        };
        assert!(of("online").is_online());
        for (word, expected) in [
            ("maintenance", SystemStatus::Maintenance),
            ("cancel_only", SystemStatus::CancelOnly),
            ("post_only", SystemStatus::PostOnly),
            ("limit_only", SystemStatus::LimitOnly),
            ("on fire", SystemStatus::Other),
        ] {
            assert!(of(word) == expected && !of(word).is_online(), "{word}");
        }
        assert!(status(b"{}").is_err() && status(br#"{"result":{}}"#).is_err());
    }
}
