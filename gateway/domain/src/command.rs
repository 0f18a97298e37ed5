//! Everything one may ask of a gateway: the doors make a [`Command`] of what came in, the desk executes it.
//!
//! A command is already parsed: ids, bounds and formats are right. Whether it is allowed and possible is the desk's to say.

mod agreement;
mod care;
mod log;
mod operation;

pub use self::agreement::{AgreementAct, CovenantQuestion};
pub use self::care::{About, Ask, CareAct, Offer, Read, ReadAct};
pub use self::log::LogAct;
pub use self::operation::{OperateAct, Operation, OperationsRead};
use crate::caller::Act;
use crate::id::{CaseId, RequestId};
use crate::person::Actor;

/// A write: the caller's own key makes it one effect, the actor answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write<T> {
    /// The caller's own key.
    pub request: RequestId,
    /// SHA-256 of the canonical request, to tell a repetition from a reuse of the key.
    pub body: crate::id::Hash,
    /// The person who answers for it.
    pub actor: Actor,
    /// The case in whose name the thing was named; none when it was named alone. Under another case it does not exist.
    pub within: Option<CaseId>,
    /// What is asked.
    pub act: T,
}

/// A write to something that exists: refused when it changed since the caller read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<T> {
    /// The thing.
    pub id: T,
    /// Its version as read; a door turns the etag into this.
    pub version: u64,
}

/// One thing asked of the desk about care. What operators do is an [`Operation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A write by a person, or by a system on a person's behalf.
    Care(Write<CareAct>),
    /// A read of care data; it is logged before it is answered.
    Read(ReadAct),
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf {
    /// Only what still asks for attention.
    pub open_only: bool,
    /// After this id; empty: from the start.
    pub after: String,
    /// 1 to 200.
    pub size: u32,
}

impl Command {
    /// The act, for the permission table.
    #[must_use]
    pub fn act(&self) -> Act {
        match self {
            Command::Care(write) => write.act.act(),
            Command::Read(read) => read.what.act(),
        }
    }
}

impl Command {
    /// The person who answers for it.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        match self {
            Command::Care(write) => &write.actor,
            Command::Read(read) => &read.actor,
        }
    }

    /// The case in whose name the thing was named.
    #[must_use]
    pub fn within(&self) -> Option<CaseId> {
        match self {
            Command::Care(write) => write.within,
            Command::Read(read) => read.within,
        }
    }

    /// The one thing it is about, for the log: its kind and id.
    #[must_use]
    pub fn about(&self) -> Option<(&'static str, String)> {
        match self {
            Command::Care(write) => write.act.about(),
            Command::Read(read) => read.what.about(),
        }
    }
}
