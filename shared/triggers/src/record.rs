//! The one shape the specs of all kinds share.
//!
//! As in Go, an absent field is its zero value and a zero value is not written.
//! None of these types may use serde's `flatten`: it hides the field list that
//! the lenient decoder needs.

/// Whether `value` is what an absent field would give.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Declares structs in camelCase in which every field is optional on the wire.
macro_rules! record {
    ($(
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$field_meta:meta])* $field_vis:vis $field:ident: $kind:ty, )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        $vis struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "crate::record::is_default")]
                $field_vis $field: $kind,
            )*
        }
    )*};
}
