use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

/// Declares counters once: as atomics, as a snapshot, and how snapshots add up.
macro_rules! counters {
    ($($(#[$says:meta])* $name:ident,)+) => {
        /// What was counted for one series.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)+
        }

        /// What was counted since the cache was made, and what is in memory now: of one series, or
        /// of many together.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct SeriesStats {
            /// How many series.
            pub series: u64,
            /// How many chunks are in memory.
            pub memory_chunks: u64,
            /// How many rows are in memory.
            pub memory_rows: u64,
            /// How many bytes they take, about.
            pub memory_bytes: u64,
            $($(#[$says])* pub $name: u64,)+
        }

        impl Counters {
            pub(super) fn snapshot(&self) -> SeriesStats {
                SeriesStats {
                    series: 1,
                    $($name: self.$name.load(Ordering::Relaxed),)+
                    ..SeriesStats::default()
                }
            }
        }

        impl AddAssign for SeriesStats {
            fn add_assign(&mut self, other: Self) {
                self.series += other.series;
                self.memory_chunks += other.memory_chunks;
                self.memory_rows += other.memory_rows;
                self.memory_bytes += other.memory_bytes;
                $(self.$name += other.$name;)+
            }
        }
    };
}

counters! {
    /// Requests answered.
    reads,
    /// Requests that ended in an error.
    read_errors,
    /// Rows in answers that were in memory.
    rows_from_memory,
    /// Rows in answers that were read from the database.
    rows_from_database,
    /// Rows in answers that were asked for at the venue.
    rows_from_venue,
    /// Calls for pages made to the venue, those made again among them.
    page_calls,
    /// Calls for pages that failed.
    page_failures,
    /// Calls that were made again after a failure.
    page_retries,
    /// Times that a page was wanted which was already under way.
    page_joins,
    /// Calls for the symbol's listing.
    listing_calls,
    /// Milliseconds that calls waited for the venue's allowance.
    held_ms,
    /// Rows of the venue that were not taken.
    refused_rows,
    /// Round trips to the database for chunks.
    chunk_loads,
    /// Chunks read from it.
    chunks_loaded,
    /// Records of it that could not be read, and count as unknown.
    damaged_chunks,
    /// Chunks written to it.
    chunks_stored,
    /// Chunks that could not be written: what they hold is in memory only.
    store_failures,
    /// Chunks that went from memory.
    chunks_evicted,
    /// Messages of the venue's feed.
    feed_messages,
    /// Messages of it that told nothing.
    feed_refused,
    /// Connections to it that were made.
    feed_connections,
}

pub(super) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

pub(super) fn add(counter: &AtomicU64, many: u64) {
    counter.fetch_add(many, Ordering::Relaxed);
}
