//! What storages share in reading their URLs, so that every one takes the same units, refuses the
//! same mistakes and shows no password.

mod options;
mod secret;
mod value;

pub use options::UrlOptions;
pub use secret::{Secret, refuse_late_credentials, without_credentials};
pub use value::{parse_bytes, parse_duration};
