use std::collections::VecDeque;
use std::time::Duration;

use crate::dialects::Refusal;

/// What goes wrong with a call for candles, whichever exchange's dialect it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Asked too often, in the exchange's own words.
    RateLimited {
        /// After so many seconds it answers again; told where the exchange tells it.
        retry_after: u32,
    },
    /// Asked on after that, in the exchange's own words.
    Banned {
        /// After so many seconds it answers again; told where the exchange tells it.
        retry_after: u32,
    },
    /// Overloaded, in the exchange's own words.
    Unavailable,
    /// A status with a refusal in the form in which the exchange writes them.
    Refusal {
        /// The status of HTTP.
        status: u16,
        /// The exchange's own code, where it has numbers for codes.
        code: i64,
        /// What it says, with its code where that is a word.
        message: String,
        /// The header of that name, in seconds.
        retry_after: Option<u32>,
    },
    /// A page of HTML, as a proxy answers it, with this status.
    Html {
        /// The status of HTTP.
        status: u16,
    },
    /// The connection breaks off after half of the reply.
    HalfReply,
    /// Half of the reply, sent as if it were whole.
    HalfText,
    /// The connection is closed without a word.
    Disconnect,
    /// The reply comes so much later.
    Delay(Duration),
    /// No reply comes.
    Silence,
    /// An empty list, although there are rows.
    EmptyList,
}

impl Fault {
    /// Asked too often: Binance says so with 429, Bybit and OKX with 200 and a code.
    pub fn rate_limited(retry_after: u32) -> Self {
        Self::RateLimited { retry_after }
    }

    /// Asked on after that: Binance says so with 418, Bybit and OKX with 403.
    pub fn banned(retry_after: u32) -> Self {
        Self::Banned { retry_after }
    }

    /// Overloaded: Binance and OKX say so with 503, Bybit with 200 and a code.
    pub fn unavailable() -> Self {
        Self::Unavailable
    }

    /// What the exchange says for it in its own words, if it says anything.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::RateLimited { retry_after } => Refusal::RateLimited { retry_after: *retry_after },
            Self::Banned { retry_after } => Refusal::Banned { retry_after: *retry_after },
            Self::Unavailable => Refusal::Unavailable,
            Self::Refusal { status, code, message, retry_after } => Refusal::Own {
                status: *status,
                code: *code,
                message: message.clone(),
                retry_after: *retry_after,
            },
            Self::Html { .. }
            | Self::HalfReply
            | Self::HalfText
            | Self::Disconnect
            | Self::Delay(_)
            | Self::Silence
            | Self::EmptyList => return None,
        })
    }
}

/// Faults that are still to come.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    next: VecDeque<Fault>,
    /// Calls that touch a span fail for as long as it is here.
    spans: Vec<(i64, i64, Fault)>,
}

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) {
        self.next.push_back(fault);
    }

    pub(crate) fn push_span(&mut self, from_ms: i64, to_ms: i64, fault: Fault) {
        self.spans.push((from_ms, to_ms, fault));
    }

    pub(crate) fn clear(&mut self) {
        self.next.clear();
        self.spans.clear();
    }

    /// What goes wrong with a call for moments from one to another, both included.
    pub(crate) fn take(&mut self, from_ms: i64, to_ms: i64) -> Option<Fault> {
        let touched = self.spans.iter().find(|(from, to, _)| from_ms < *to && *from <= to_ms);
        touched.map(|(_, _, fault)| fault.clone()).or_else(|| self.next.pop_front())
    }
}
