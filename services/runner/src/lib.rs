//! Takes tasks and plays their pods on a backend.
