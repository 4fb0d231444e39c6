//! The Kubernetes backend against an API that says what a test wants.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod adoption;
mod api;
mod deaths;
mod kept;
mod kit;
mod life;
mod reasons;
