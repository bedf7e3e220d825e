//! What every exchange's failures have in common, whatever their kinds are told by.

use cache_series::venue::{VenueError, VenueErrorKind};

use crate::http::{HttpError, Reply, preview};
use crate::parse::ParseError;
use crate::socket::SocketError;

/// A failure that says nothing but its status: a proxy's page, or nothing at all.
pub(crate) fn failed(venue: &str, reply: &Reply, kind: VenueErrorKind) -> VenueError {
    let Reply { status, body, .. } = reply;
    let said = preview(body);
    let message = format!("status {status} and no word of why: {said:?}");
    let error = VenueError::new(venue, kind, message);
    match reply.retry_after {
        Some(retry_after) => error.with_retry_after(retry_after),
        None => error,
    }
}

/// An answer that could not be read.
pub(crate) fn malformed(venue: &str, body: &[u8], error: ParseError) -> VenueError {
    let message = format!("{error}: {:?}", preview(body));
    VenueError::new(venue, VenueErrorKind::Malformed, message).with_source(error)
}

/// No reply.
pub(crate) fn unreached(venue: &str, error: HttpError) -> VenueError {
    let kind = match error {
        HttpError::Unreachable(_) => VenueErrorKind::Unavailable,
        HttpError::Timeout(_) => VenueErrorKind::Timeout,
        HttpError::Cut(_) | HttpError::TooLarge { .. } => VenueErrorKind::Malformed,
    };
    VenueError::new(venue, kind, error.to_string()).with_source(error)
}

/// No feed, or no more of it; `kind_of_status` is the exchange's own reading of a status.
pub(crate) fn feed_lost(
    venue: &str,
    error: SocketError,
    kind_of_status: fn(u16) -> VenueErrorKind,
) -> VenueError {
    let (kind, wait) = match &error {
        SocketError::Unreachable(_) | SocketError::Lost(_) | SocketError::Closed => {
            (VenueErrorKind::Unavailable, None)
        }
        SocketError::ConnectTimeout | SocketError::Silent(_) => (VenueErrorKind::Timeout, None),
        SocketError::Refused { status, retry_after } => (kind_of_status(*status), *retry_after),
    };
    let message = error.to_string();
    let error = VenueError::new(venue, kind, message).with_source(error);
    match wait {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}
