//! How the engine behaves, seen from outside: cases, properties, pace.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod case;
mod cases;
mod expect;
mod facts;
mod model;
mod pace;
mod properties;
mod releases;
mod shape;
mod words;
mod world;
