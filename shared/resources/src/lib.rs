//! The kinds: types, defaulting, validation, conversion.
