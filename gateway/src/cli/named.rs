//! A case as somebody names it on a command line.

use std::fmt;
use std::str::FromStr;

use schakel_domain::id::{CaseId, Label};

/// A case as somebody names it.
#[derive(Debug, Clone)]
pub enum Named {
    /// By its id.
    Id(CaseId),
    /// By its name for the telephone, which two cases may share.
    Label(Label),
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix("cases/").unwrap_or(text);
        match bare.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => Label::parse(bare).map(Self::Label).map_err(|invalid| invalid.problem),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Named::Id(id) => id.fmt(f),
            Named::Label(label) => label.fmt(f),
        }
    }
}
