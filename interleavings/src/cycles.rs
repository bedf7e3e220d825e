//! Loads that ask for one another: an error, never a standstill.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cache_core::error::Error;
use cache_core::handle::Handle;
use cache_core::node::Node;
use cache_core::source::{LoadError, Loaded, Source};

use crate::check::check;
use crate::world::{Item, all, all_landed, bytes_of, only_memory, task};

/// Loads of the items 0, 1 and 2 ask for the next one of them, loads of others for nothing.
#[derive(Clone, Default)]
struct Ring(Arc<OnceLock<Handle<Item>>>);

impl Source<Item> for Ring {
    async fn load(&self, item: &Item) -> Result<Loaded<Bytes>, LoadError> {
        if item.0 < 3 {
            let items = self.0.get().expect("set before the first load");
            items.get(&Item((item.0 + 1) % 3)).await?;
        }
        Ok(Loaded::new(bytes_of(item.0)))
    }
}

#[test]
fn a_ring_of_loads_ends_in_an_error() {
    check(|| async {
        let source = Ring::default();
        let (cache, items) = only_memory(Item::definition(), source.clone());
        assert!(source.0.set(items.clone()).is_ok());
        let ask = |item| {
            task(&items, move |items| async move {
                let error = items.get(&item).await.expect_err("a ring");
                assert!(matches!(error, Error::Load { .. }), "{error:?}");
            })
        };
        all([ask(Item(0)), ask(Item(1)), ask(Item(2))]).await;
        assert!(items.get(&Item(3)).await.is_ok());
        all_landed(&cache).await;
    });
}
