//! What is asked for, which slots that is, and how complete they are.

mod completeness;
mod select;
#[cfg(test)]
mod tests;
mod window;

pub use completeness::{Completeness, Report, SPANS_MAX, Verdict};
pub use select::Selection;
pub use window::{Request, RequestError, Window};
