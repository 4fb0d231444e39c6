//! The one shape all objects' types share.
//!
//! As in Go, an absent field is its zero value and a zero value is not written.
//! None of these types may use serde's `flatten`: it hides the field list that
//! the lenient decoder needs. Each type also tells its schema.

/// Whether `value` is what an absent field would give.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Declares structs in camelCase in which every field is optional on the wire.
macro_rules! record {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* pub $field:ident: $kind:ty, )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "crate::record::is_default")]
                pub $field: $kind,
            )*
        }

        impl crate::schema::Described for $name {
            fn describe(schemas: &mut crate::schema::Schemas) -> ::serde_json::Value {
                schemas.record(stringify!($name), &[$(stringify!($meta)),*], &[$((
                    crate::schema::FieldText {
                        name: stringify!($field),
                        attributes: &[$(stringify!($field_meta)),*],
                    },
                    <$kind as crate::schema::Described>::describe,
                )),*])
            }
        }
    )*};
}

/// Declares an enum of fixed words; the last word of its name is what errors call it.
macro_rules! words {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name {
            $( $(#[$variant_meta])* #[serde(rename = $word)] $variant, )*
        }

        impl $name {
            /// Every word, in the order of declaration.
            pub const WORDS: &[&str] = &[$($word),*];

            /// The word as it is written in YAML.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }

        impl crate::schema::Described for $name {
            fn describe(_: &mut crate::schema::Schemas) -> ::serde_json::Value {
                ::serde_json::json!({"type": "string", "enum": Self::WORDS})
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    )*};
}
