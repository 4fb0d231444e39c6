//! Layered settings, one typed struct a service.
