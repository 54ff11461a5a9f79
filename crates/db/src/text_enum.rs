//! Enums stored as text.

/// Declares an enum that is stored, printed and parsed as one word per variant, on both databases and in JSON.
///
/// ```
/// db::text_enum! {
///     /// How a parcel travels.
///     pub enum Carrier {
///         /// By road.
///         Road = "road",
///         /// By sea.
///         Sea = "sea",
///     }
/// }
/// assert_eq!("sea".parse::<Carrier>().unwrap(), Carrier::Sea);
/// assert_eq!(Carrier::Road.to_string(), "road");
/// ```
#[macro_export]
macro_rules! text_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$variant_meta:meta])* $variant:ident = $text:literal),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$variant_meta])* $variant),* }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word that stands for this variant.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::ColumnError;

            fn from_str(text: &str) -> ::std::result::Result<Self, $crate::ColumnError> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err($crate::ColumnError(format!(concat!("`{}` is no ", stringify!($name)), text))),
                }
            }
        }

        impl $crate::ToColumn for $name {
            type Stored = String;

            fn to_stored(&self) -> ::std::result::Result<String, $crate::ColumnError> {
                Ok(self.as_str().to_owned())
            }
        }

        impl $crate::FromColumn for $name {
            type Stored = String;

            fn from_stored(stored: String) -> ::std::result::Result<Self, $crate::ColumnError> {
                stored.parse()
            }
        }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self, D::Error> {
                let text = <String as $crate::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err($crate::serde::de::Error::custom)
            }
        }
    };
}
