//! What is wrong with a configuration, said to the person who runs the gateway: where, what and what to do, in Dutch and English.

use std::fmt;

use schakel_domain::covenant::Words;
use schakel_domain::refusal::Lang;
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It works today; act soon.
    Warning,
    /// The gateway does not start.
    Error,
}

/// One problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where: `care.issuers[0].jwks`.
    pub path: String,
    /// The line in the file, when it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub what: Words,
    /// What to do about it.
    pub remedy: Words,
}

impl Problem {
    /// An error: path, what and remedy, each first in Dutch.
    pub(super) fn error(path: impl Into<String>, what: (&str, &str), remedy: (&str, &str)) -> Self {
        let (what, remedy) = (Words::new(what.0, what.1), Words::new(remedy.0, remedy.1));
        Self { path: path.into(), line: None, severity: Severity::Error, what, remedy }
    }

    /// The same, as a warning.
    pub(super) fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// The same, with its line.
    pub(super) fn on(self, line: Option<usize>) -> Self {
        Self { line, ..self }
    }

    /// One line: place, what and remedy.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        let line = self.line.map_or_else(String::new, |line| match lang {
            Lang::Nl => format!(" (regel {line})"),
            Lang::En => format!(" (line {line})"),
        });
        format!("{}{line}: {} {}", self.path, self.what.get(lang), self.remedy.get(lang))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Lang::En))
    }
}
