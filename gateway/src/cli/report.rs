//! What a command leaves behind: one text for people or one object for programs, and whether anything was wrong.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use schakel_domain::refusal::{Lang, Refusal};
use serde_json::{Value, json};

use super::Globals;

/// A command that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Exit code 0.
    Fine,
    /// It found something wrong: exit code 3.
    Wrong,
}

/// Why a command could not run: exit code 1, or 2 when it was asked for in a wrong way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The refusal's code, when there is one.
    reason: Option<&'static str>,
    what: String,
    usage: bool,
}

impl Failure {
    /// A sentence for the person at the terminal: what, and what to do.
    pub fn new(what: impl fmt::Display) -> Self {
        Self { reason: None, what: what.to_string(), usage: false }
    }

    /// What the command line itself does not see: arguments that do not belong together, or to what was found.
    pub(super) fn usage(what: impl fmt::Display) -> Self {
        Self { usage: true, ..Self::new(what) }
    }

    /// The exit code of the program.
    #[must_use]
    pub fn code(&self) -> u8 {
        if self.usage { 2 } else { 1 }
    }

    /// A file that cannot be read or written.
    pub(super) fn file(path: &Path, error: &dyn fmt::Display) -> Self {
        Self::new(format_args!("{}: {error}", path.display()))
    }

    /// The same failure, with the file it is about before it.
    #[must_use]
    pub(super) fn about(self, path: &Path) -> Self {
        Self { what: format!("{}: {}", path.display(), self.what), ..self }
    }

    /// What a gateway could not do now, in the language of whoever asked.
    pub(super) fn told(refusal: &Refusal, lang: Lang) -> Self {
        let what = format!("{}. {} {}", refusal, refusal.sentence(lang), refusal.reason.remedy(lang));
        Self { reason: Some(refusal.reason.code()), ..Self::new(what) }
    }

    /// The failure as the object that `--json` promises.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "ok": false, "error": { "reason": self.reason, "message": self.what } })
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let remedy = refusal.reason.remedy(Lang::En);
        Self { reason: Some(refusal.reason.code()), ..Self::new(format_args!("{refusal}. {remedy}")) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// The result of a command.
#[derive(Debug, Clone)]
pub struct Report {
    text: String,
    json: Value,
    verdict: Verdict,
}

impl Report {
    /// A good result; `json` is an object, to which `ok` is added.
    #[must_use]
    pub fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, verdict: Verdict::Fine }
    }

    /// The same result when something is wrong with it.
    #[must_use]
    pub fn wrong_if(mut self, wrong: bool) -> Self {
        if wrong {
            self.verdict = Verdict::Wrong;
        }
        self
    }

    /// The result for people.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether anything was wrong.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The result as the object that `--json` promises.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = json!({ "ok": self.verdict == Verdict::Fine });
        if let (Some(into), Value::Object(fields)) = (object.as_object_mut(), &self.json) {
            into.extend(fields.clone());
        }
        object
    }

    /// Prints it in the form asked for.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn finish(self, globals: &Globals) -> Result<Verdict, Failure> {
        let text = if globals.json { format!("{}\n", self.to_json()) } else { self.text };
        print(&text)?;
        Ok(self.verdict)
    }
}

/// Writes a result to stdout. A reader that went away (`| head`) is no error.
///
/// # Errors
/// When stdout cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// The same for bytes.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format_args!("cannot write the result: {error}"))),
        _ => Ok(()),
    }
}
