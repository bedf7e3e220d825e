//! A hit allocates nothing. A binary of its own, for it counts what every thread allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::clock::{Clock, SystemClock, Tick};
use cache_core::fence::Fence;
use cache_core::key::{Tag, Tags};
use cache_core::memory::{BindingId, MemoryEngine, MemoryEntry, Probe};
use cache_memory::{Memory, Policy};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed on to the system's allocator as it is.
#[allow(unsafe_code, reason = "an allocator cannot be counted otherwise")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the same contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const NODES: u64 = 1000;
const HITS: u64 = 1_000_000;

/// A node that would have to allocate to be copied.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Name(String);

#[test]
fn a_million_hits_allocate_nothing() {
    for policy in Policy::ALL {
        let memory = Memory::builder().max_entries(NODES * 2).policy(policy).build();
        let memory: Arc<dyn MemoryEngine> = memory.expect("a valid bound").into();
        let (fence, clock, hasher) = (Fence::new(), SystemClock, RandomState::new());
        let names: Vec<Name> = (0..NODES).map(|id| Name(format!("user {id}"))).collect();
        let probe = |id: usize| {
            let name = &names[id];
            Probe { hash: hasher.hash_one(name), binding: BindingId(1), node: name }
        };
        let tags = Tags::new(vec![Tag::new("p", "users").expect("a valid tag")]);
        let ends = [Tick::NEVER, clock.monotonic().after(Duration::from_secs(3600))];
        for id in 0..names.len() {
            let (value, end) = (Some(Arc::new(id) as _), ends[id % 2]);
            let tags = tags.clone();
            let created = clock.wall();
            let entry = MemoryEntry::new(value, created, end, end, None, 1, id as u64, 1, tags);
            memory.insert(&probe(id), entry, &fence, &clock);
        }
        memory.maintain();

        let mut hits = 0;
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        assert!(before > NODES, "the allocator is not counted");
        for hit in 0..HITS {
            hits += u64::from(black_box(memory.get(&probe((hit % NODES) as usize))).is_some());
        }
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert_eq!(hits, HITS, "{policy}");
        assert_eq!(allocations, 0, "{policy}");
    }
}
