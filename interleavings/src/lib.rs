//! The engine under a checker of interleavings.
