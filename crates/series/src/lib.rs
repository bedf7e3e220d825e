//! A range cache over time: rows at fixed intervals, candles first, with what is known of the
//! places where there is none.
//!
//! A history is cut into slots, one row at most in each. Whether a slot has a row and what is known
//! of it are two things: of an empty slot a cache has to know whether nobody has asked yet, the
//! venue failed, nothing was traded, the market was closed or the symbol not listed, or it asks
//! for ever. So [`Coverage`](coverage::Coverage) stands beside rows, and a stored
//! [`Chunk`](chunk::Chunk) holds both in one record, true by itself.
//!
//! All rooms but [`store`], [`venue`], [`cache`] and [`transfer`] are pure: no I/O, no clock. Time is passed in,
//! records are bytes.
//!
//! ```text
//! request ── select ── plan ──▶ pages ──▶ (a venue) ──▶ admit ──▶ chunks ──▶ directory ──▶ view
//!                                                                            │  report, fill, resample
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | [`time`], [`session`] | moments, timeframes and their slots; when a market is open |
//! | [`key`] | what a series is: venue, environment, market, price, symbol, timeframe, adjustment |
//! | [`row`] | what a row is: columns of fixed types; candles |
//! | [`coverage`] | what is known of which slots, apart from which rows there are |
//! | [`chunk`], [`head`] | what is stored: rows with their coverage, and what is known of the whole |
//! | [`record`] | what can be wrong with stored bytes |
//! | [`store`] | records in any storage, changed by compare-and-put: the one room that does I/O |
//! | [`view`] | what is in memory, and snapshots of it that cost nothing to take |
//! | [`request`] | what is asked for, which slots that is, how complete they are |
//! | [`plan`], [`admit`] | which pages a venue is asked for, and what its answers prove |
//! | [`venue`] | what a connector has to do: pages, listings, feeds, limits, errors |
//! | [`live`] | the row that is growing, rows that have just closed, and who has seen what |
//! | [`cache`] | all of it put together: requests answered from memory, database and venue |
//! | [`transfer`] | histories brought in from elsewhere, and taken out: rows; CSV, Arrow and Parquet by features |
//! | [`fill`], [`resample`] | rows made of rows: in empty slots, and of a longer timeframe |

pub mod admit;
pub mod cache;
pub mod chunk;
pub mod coverage;
pub mod fill;
#[cfg(doctest)]
mod guide;
pub mod head;
pub mod key;
pub mod live;
pub mod plan;
pub mod record;
pub mod request;
pub mod resample;
pub mod row;
pub mod session;
pub mod store;
pub mod time;
pub mod transfer;
pub mod venue;
pub mod view;
