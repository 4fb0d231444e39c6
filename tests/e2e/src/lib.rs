//! End-to-end tests and scenarios.
