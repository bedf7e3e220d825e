//! Whether a source has a `load_many` of its own: the one by default makes a note when it is called.
//!
//! A trait cannot be asked which of its methods an implementation has left out, and a second method
//! that says so could be forgotten.

use std::any::TypeId;
use std::cell::Cell;

/// A source and the node that it was asked for: one that hands a batch on to another source is not
/// to be taken for that one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Asked {
    source: TypeId,
    node: TypeId,
}

thread_local! {
    /// Who is being asked on this thread; empty as well once the default has answered.
    static ASKED: Cell<Option<Asked>> = const { Cell::new(None) };
}

fn asked<S: ?Sized + 'static, N: 'static>() -> Asked {
    Asked { source: TypeId::of::<S>(), node: TypeId::of::<N>() }
}

/// Called by the `load_many` of the trait itself.
pub(super) fn note<S: ?Sized + 'static, N: 'static>() {
    if ASKED.get() == Some(asked::<S, N>()) {
        ASKED.set(None);
    }
}

/// What `call` gives, and whether the trait's own `load_many` for this source and node was called
/// meanwhile.
pub(super) fn noticed<S: 'static, N: 'static, T>(call: impl FnOnce() -> T) -> (T, bool) {
    /// The one before, for a panic and for a source that asks a cache on the way.
    struct Before(Option<Asked>);
    impl Drop for Before {
        fn drop(&mut self) {
            ASKED.set(self.0);
        }
    }
    let _before = Before(ASKED.replace(Some(asked::<S, N>())));
    let given = call();
    (given, ASKED.get().is_none())
}

#[cfg(test)]
mod tests {
    use crate::node::DynamicNode;
    use crate::source::{ErasedSource, LoadError, Loaded, NoSource, Source, source_fn};
    use bytes::Bytes;

    type Answers = Vec<Result<Loaded<Bytes>, LoadError>>;

    async fn load(_: DynamicNode) -> Result<Bytes, LoadError> {
        Ok(Bytes::new())
    }

    /// Hands batches on to a source that has no `load_many`, before anything is polled.
    struct Wrapping;

    impl Source<DynamicNode> for Wrapping {
        async fn load(&self, _: &DynamicNode) -> Result<Loaded<Bytes>, LoadError> {
            Ok(Loaded::absent())
        }

        fn load_many(&self, nodes: &[DynamicNode]) -> impl Future<Output = Answers> + Send {
            let inner = source_fn(load);
            let nodes = nodes.to_vec();
            drop(Source::<DynamicNode>::load_many(&NoSource, &nodes));
            async move { Source::load_many(&inner, &nodes).await }
        }
    }

    #[test]
    fn only_a_source_without_its_own_is_told_apart() {
        let none: &dyn ErasedSource<DynamicNode> = &NoSource;
        let closure: &dyn ErasedSource<DynamicNode> = &source_fn(load);
        let wrapping: &dyn ErasedSource<DynamicNode> = &Wrapping;
        for _ in 0..2 {
            assert!(none.load_many(&[]).is_none());
            assert!(wrapping.load_many(&[]).is_some());
            assert!(closure.load_many(&[]).is_none());
        }
    }

    #[tokio::test]
    async fn the_default_loads_all_for_whoever_calls_it() {
        let nodes = [DynamicNode::new("a"), DynamicNode::new("b")];
        assert_eq!(Source::load_many(&source_fn(load), &nodes).await.len(), 2);
        let wrapping: &dyn ErasedSource<DynamicNode> = &Wrapping;
        let answers = wrapping.load_many(&nodes).expect("it has its own").await;
        assert_eq!(answers.into_iter().filter_map(Result::ok).count(), 2);
    }
}
