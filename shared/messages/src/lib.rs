//! Subjects and payloads of everything that crosses JetStream.
