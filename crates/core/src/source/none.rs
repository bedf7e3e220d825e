use super::{LoadError, Loaded, Source};
use crate::node::Node;

/// A source that has nothing: for node types whose values come from their callers, by
/// [`get_with`](crate::handle::Handle::get_with), [`refresh_with`](crate::handle::Handle::refresh_with)
/// or [`set`](crate::handle::Handle::set), alone.
///
/// What asks it nevertheless, as [`get`](crate::handle::Handle::get) does where no tier has the
/// value, gets a permanent error that says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSource;

impl<N: Node> Source<N> for NoSource {
    async fn load(&self, _: &N) -> Result<Loaded<N::Value>, LoadError> {
        Err(LoadError::message("this node type has no source: its callers bring the values")
            .permanent())
    }
}
