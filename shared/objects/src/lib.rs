//! Kubernetes' list and watch over the bus.
