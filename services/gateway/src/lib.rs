//! The Kubernetes-style API over the objects.
