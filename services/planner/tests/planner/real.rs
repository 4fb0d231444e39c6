//! The same on a real nats-server.
