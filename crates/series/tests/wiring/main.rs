//! The cache over a venue, a clock and storages that do what a test says.

mod bounds;
mod bugs;
mod kill;
mod live;
mod model;
mod reads;
mod venue;
mod world;
