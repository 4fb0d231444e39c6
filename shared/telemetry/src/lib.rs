//! Logs and trace context.
