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
mod gate;
mod load;
mod memory;
mod moves;
mod pages;
mod replicas;
mod restart;
mod shape;
mod slots;
mod source;
mod tags;
mod trips;
