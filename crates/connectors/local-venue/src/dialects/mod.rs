//! How exchanges ask and answer: a dialect each, all of them spoken at once over one venue.
//!
//! What is the same whatever is spoken stands here once: a call for candles is counted, weighed,
//! broken on demand and answered by [`call`], a connection of a feed is kept by [`feed`].
//!
//! Another dialect is a folder with `mod.rs` (its routes, and what is told of the clock and of
//! instruments, by [`call::other`]), `candles.rs` and `feed.rs`:
//!
//! 1. `candles.rs` implements [`Candles`]: what a call's parameters say (`asked`), which rows of the
//!    book that means (`wanted`), how rows are written (`answer`, to which they come the oldest
//!    first), and how each [`Refusal`] is: with status 200 and a code inside, where that is its way.
//!    `NAME`, `WEIGHT` and `WINDOW_MS` say how its calls are weighed. Words for intervals that are
//!    not Binance's are a table of [`words`]; parameters of the path and of the query are one map.
//! 2. `feed.rs` implements [`Feed`]: what a text of the client asks for (`hear`, with what is said
//!    in reply), how a row is told of (`tell`, or not at all), and what is special: a `greeting`,
//!    pings of text. Its route ends in [`feed::open`], with topics where the address names them.
//! 3. `router` below merges its routes; paths differ from exchange to exchange.
//!
//! What is not the same at two exchanges belongs into a dialect, and what is written in two
//! dialects belongs here.

mod binance;
mod bybit;
mod call;
mod coinbase;
mod feed;
mod kraken;
mod okx;
mod parameters;
mod refusal;
mod reply;
mod words;

use std::sync::Arc;

use axum::Router;

pub(crate) use call::{Candles, Found, Wanted};
pub(crate) use feed::{Feed, Heard, Told, Topic};
pub(crate) use parameters::Parameters;
pub(crate) use refusal::Refusal;
pub(crate) use reply::Reply;

use crate::venue::Inner;

/// The paths of all of them.
pub(crate) fn router(inner: Arc<Inner>) -> Router {
    Router::new()
        .merge(binance::router())
        .merge(bybit::router())
        .merge(coinbase::router())
        .merge(kraken::router())
        .merge(okx::router())
        .with_state(inner)
}
