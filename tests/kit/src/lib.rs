//! Helpers of the tests: disposable nats-server, tidemill processes, conditions.
