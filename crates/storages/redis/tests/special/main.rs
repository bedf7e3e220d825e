//! What is special to Redis: faults of servers and connections, failovers, what lies on the server.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod atomics;
mod backplane;
mod cluster;
mod common;
mod connections;
mod credentials;
mod events;
mod fence;
mod load;
mod memory;
mod replicas;
mod restart;
mod shape;
mod source;
mod tags;
mod trips;
