//! One bounded GET: what every exchange's calls have in common.

mod client;
mod reply;

pub(crate) use client::{HttpClient, HttpError, HttpOptions};
pub(crate) use reply::{Reply, preview};
