//! What says something of a person, or opens something: kept so that it cannot be shown by mistake.
//!
//! A [`Personal`] has no `Display`, and its `Debug` says only that there is something: a log line, a span, an error or a panic that holds
//! one gives nobody away. Whoever needs the content says so, with [`Personal::reveal`], and can be found by that word.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something of a person. It serializes as what it holds: into the seal, or onto the wire.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(T);

/// Words about a person, by a person.
pub type Words = Personal<String>;

impl<T> Personal<T> {
    /// Keeps it.
    #[must_use]
    pub const fn new(content: T) -> Self {
        Self(content)
    }

    /// The content, for whoever seals it, sends it, judges it, or answers it to somebody who may know. Never for a log line, a span, a
    /// metric, an error, or a clear part of the audit log.
    #[must_use]
    pub fn reveal(&self) -> &T {
        &self.0
    }

    /// The same, given away.
    #[must_use]
    pub fn into_revealed(self) -> T {
        self.0
    }
}

impl Personal<String> {
    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> From<T> for Personal<T> {
    fn from(content: T) -> Self {
        Self(content)
    }
}

impl From<&str> for Personal<String> {
    fn from(content: &str) -> Self {
        Self(content.to_owned())
    }
}

/// Comparing shows nothing.
impl PartialEq<&str> for Personal<String> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(personal)")
    }
}

/// `Debug` for types that hold free text about a person, or the bytes of a message: the name of the type, and nothing of what is in it.
/// `tests/architecture/main.rs` says which fields ask for it.
#[macro_export]
macro_rules! shows_its_name {
    ($($name:ident),+ $(,)?) => {
        $(impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })+
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_of_it_says_nothing() {
        let name = Words::from("KanarieVoornaam");

        assert_eq!(format!("{name:?} {:#?}", Some(&name)), "(personal) Some(\n    (personal),\n)");
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"KanarieVoornaam\"");
    }
}
