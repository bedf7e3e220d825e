//! A read of a hot node allocates nothing, with TTL and statistics on.
//!
//! In a program of its own, for it counts what the whole program allocates.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tiers::prelude::*;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "article:{name}", value = String, tiers(memory(ttl = "1h"), sqlite(ttl = "1d")))]
struct Article {
    name: String,
}

const HITS: u64 = 1_000_000;

/// On the machine's own clock, as in production.
#[test]
fn a_million_hits_allocate_nothing() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = tiers::sqlite::SqliteOptions::new(folder.path().join("cache.db"));
        let memory = Memory::builder().max_entries(1000).build().expect("a valid memory");
        let cache = Cache::builder()
            .storage("memory", memory)
            .storage("sqlite", file.open().await.expect("opens"))
            .build()
            .expect("a valid cache");
        let source = |node: Article| async move { Ok::<_, LoadError>(node.name.repeat(2)) };
        let articles = cache.bind::<Article>(source_fn(source)).expect("binds");
        let node = Article { name: "an article".to_owned() };
        for _ in 0..1000 {
            articles.get(&node).await.expect("loads");
        }
        // Whatever the storage does in the background after the fill is done by now.
        tokio::time::sleep(Duration::from_millis(50)).await;

        let mut least = u64::MAX;
        // The eviction policy and background threads may allocate now and then on their own; of
        // the hits themselves not one does. Several rounds tell the two apart.
        for _ in 0..5 {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            for _ in 0..HITS / 5 {
                articles.get(&node).await.expect("is there");
            }
            least = least.min(ALLOCATIONS.load(Ordering::Relaxed) - before);
        }
        assert_eq!(least, 0, "allocations in {} hits", HITS / 5);
        assert_eq!(articles.stats().hits, HITS + 999);
        cache.close().await.expect("closes");
    });
}
