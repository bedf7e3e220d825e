use std::collections::VecDeque;
use std::time::Duration;

/// What goes wrong with a call for klines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A status with a refusal as the exchange writes them.
    Refusal {
        /// The status of HTTP.
        status: u16,
        /// The exchange's own code.
        code: i64,
        /// What it says.
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
    /// Asked too often: 429.
    pub fn rate_limited(retry_after: u32) -> Self {
        Self::Refusal {
            status: 429,
            code: -1003,
            message: "Too much request weight used.".to_owned(),
            retry_after: Some(retry_after),
        }
    }

    /// Asked on after that: 418.
    pub fn banned(retry_after: u32) -> Self {
        Self::Refusal {
            status: 418,
            code: -1003,
            message: "Way too much request weight used; IP banned.".to_owned(),
            retry_after: Some(retry_after),
        }
    }

    /// Overloaded: 503.
    pub fn unavailable() -> Self {
        Self::Refusal {
            status: 503,
            code: -1008,
            message: "Server is currently overloaded.".to_owned(),
            retry_after: None,
        }
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
