//! What is wrong with a covenant, said to the person who writes it: where, what and what to do, in Dutch and English.

use std::fmt;

use crate::refusal::Lang;

/// The same words in both languages. Also how a covenant writes its titles.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Dutch.
    pub nl: String,
    /// English.
    pub en: String,
}

impl Words {
    /// The words in one language.
    #[must_use]
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::Nl => &self.nl,
            Lang::En => &self.en,
        }
    }

    /// Both texts at once.
    #[must_use]
    pub fn new(nl: impl Into<String>, en: impl Into<String>) -> Self {
        Self { nl: nl.into(), en: en.into() }
    }
}

/// What a problem stands in the way of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocks {
    /// The covenant cannot be used at all.
    Use,
    /// The text is sound, but parties cannot sign yet: a root key is missing.
    Signing,
}

/// One problem of a covenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a path in the document: `grants[3.2].dataset`.
    pub path: String,
    /// What is wrong.
    pub what: Words,
    /// What to do about it.
    pub remedy: Words,
    /// What it stands in the way of.
    pub blocks: Blocks,
}

impl Problem {
    /// Path, problem and remedy in one line.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        format!("{}: {} {}", self.path, self.what.get(lang), self.remedy.get(lang))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Lang::En))
    }
}
