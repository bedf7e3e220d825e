/// Why a call is not answered, before it is said in an exchange's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Asked too often; whoever waits so many seconds is answered.
    RateLimited { retry_after: u32 },
    /// Asked on after that.
    Banned { retry_after: u32 },
    /// Out of order for a while.
    Unavailable,
    /// There is no such symbol.
    UnknownSymbol,
    /// There are no candles of such a length.
    UnknownInterval,
    /// A parameter that has to be there is not.
    Missing(&'static str),
    /// A parameter that cannot be read.
    Malformed(&'static str),
    /// One that only this exchange knows, or that a test has written.
    Own { status: u16, code: i64, message: String, retry_after: Option<u32> },
}
