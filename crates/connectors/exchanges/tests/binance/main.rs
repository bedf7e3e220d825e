//! The connector against a venue on loopback that speaks as Binance does.

mod feeds;
mod pages;
mod refusals;
mod setup;
