//! The only owner of the NATS client: streams, consumers, compare-and-set, schedules.
