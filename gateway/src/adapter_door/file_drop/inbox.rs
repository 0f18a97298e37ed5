//! Commands: claim, execute, answer, move away.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use schakel_adapters::{Inbound, Inlet, No, Rejection, Subject};
use schakel_domain::command::{CareAct, Command, PageOf, Read, ReadAct};
use schakel_domain::id::{CaseId, Hash, OrgId, RequestId};
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Reason, Refusal};
use schakel_domain::view::{Answer, Direction, HandoverState};

use super::{FileDropDoor, Folders, blocking};
use crate::adapter_door::{blocks_all, comes_later, folder};
use crate::desk::Reply;

/// Longest name of a file that is taken, in bytes: the names of its answer and reason still fit.
const LONGEST_NAME: usize = 180;
/// How often a command without a version is decided again when the thing changed meanwhile.
const TRIES: usize = 5;
/// Most pages of handovers read to find who led before.
const MOST_PAGES: usize = 10;

/// What one look into the folder did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scanned {
    /// Executed and answered.
    pub done: usize,
    /// Refused, with the reason beside them.
    pub refused: usize,
    /// Kept, to be tried again.
    pub waiting: usize,
    /// There is more to take at once.
    pub more: bool,
}

/// How many old files were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Of those that were executed.
    pub done: usize,
    /// Of those that were refused, and their reasons.
    pub refused: usize,
}

/// What became of one file.
enum Outcome {
    Done(RequestId, Answer),
    Refused(Rejection),
    Waiting(RequestId, Refusal),
}

impl FileDropDoor {
    /// Takes what is in the folder now, in order of names; a bounded number of files.
    ///
    /// # Errors
    /// When files cannot be read, written or moved. Nothing is lost: the next look goes on from there.
    pub async fn scan(&self) -> io::Result<Scanned> {
        let (folders, most) = (self.folders.clone(), self.config.files_per_scan);
        let (claimed, ignored) = blocking(move || claim(&folders, most)).await?;
        for name in ignored {
            self.say_ignored(&name).await?;
        }
        let mut scanned = Scanned { more: claimed.len() >= most, ..Scanned::default() };
        let mut after = String::new();
        loop {
            let (work, from) = (self.folders.work.clone(), after.clone());
            let names = blocking(move || folder::names(&work, most, &from, |name, _| is_command(name))).await?;
            let Some(last) = names.last().cloned() else { return Ok(scanned) };
            for name in names {
                if !self.handle(&name, &mut scanned).await? {
                    return Ok(Scanned { more: false, ..scanned });
                }
            }
            after = last;
        }
    }

    /// Handles one claimed file; whether to go on with the next.
    async fn handle(&self, name: &str, scanned: &mut Scanned) -> io::Result<bool> {
        let (path, most) = (self.folders.work.join(name), self.adapter.max_bytes());
        let bytes = match blocking(move || folder::read(&path, most)).await {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(Refusal::field("file", "not a regular file")),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(Refusal::field("file", "the gateway may not read it")),
            Err(error) => return Err(error),
        };
        let outcome = match bytes.as_deref() {
            Ok(bytes) => self.decide(bytes).await,
            Err(refusal) => Outcome::Refused(Rejection::unread(refusal.clone())),
        };
        let hash = Hash::sha256(bytes.as_deref().unwrap_or_default());
        match outcome {
            Outcome::Done(request, answer) => {
                self.settle_done(name, hash, self.adapter.answer(request, &answer)).await?;
                scanned.done += 1;
                self.status.worked();
            }
            Outcome::Refused(rejection) => {
                tracing::warn!(request = ?rejection.request, reason = rejection.refusals[0].reason.code(), "file drop: command refused");
                self.settle_refused(name, hash, &rejection).await?;
                scanned.refused += 1;
                self.status.worked();
            }
            Outcome::Waiting(request, refusal) => {
                self.say_waiting(name, request, &refusal).await?;
                scanned.waiting += 1;
                return Ok(!blocks_all(&refusal));
            }
        }
        Ok(true)
    }

    async fn decide(&self, bytes: &[u8]) -> Outcome {
        let inbound = match self.adapter.translate(bytes) {
            Ok(inbound) => inbound,
            Err(rejection) => return Outcome::Refused(rejection),
        };
        let request = inbound.request;
        match self.execute(inbound).await {
            Ok(reply) => Outcome::Done(request, reply.answer),
            Err(refusal) if comes_later(&refusal) => Outcome::Waiting(request, refusal),
            Err(refusal) => Outcome::Refused(Rejection { request: Some(request), refusals: vec![refusal] }),
        }
    }

    /// Executes, after filling in what the sender left to us. Who wrote no version wants the command judged by the state of now, so it is
    /// judged again when that moved between our reading and the decision.
    async fn execute(&self, mut inbound: Inbound) -> Result<Reply, Refusal> {
        if inbound.to_previous_lead {
            let previous = self.previous_lead(&inbound).await?;
            inbound.fill_receiver(previous);
        }
        for _ in 1..TRIES {
            match self.attempt(inbound.clone()).await {
                Err(refusal) if refusal.reason == Reason::StaleEtag && inbound.wants_version().is_some() => {}
                decided => return decided,
            }
        }
        self.attempt(inbound).await
    }

    async fn attempt(&self, mut inbound: Inbound) -> Result<Reply, Refusal> {
        let mut unread = None;
        if let Some(subject) = inbound.wants_version() {
            match self.version(&inbound.actor, subject).await {
                Ok(version) => inbound.fill_version(version),
                Err(refusal) if comes_later(&refusal) => return Err(refusal),
                // It may have been executed before a crash and be beyond reading now. Only the desk knows; version 0 fits nothing else.
                Err(refusal) => unread = Some(refusal),
            }
        }
        let decided = self.execute.execute(&self.config.caller, Command::Care(inbound.into_write())).await;
        match (decided, unread) {
            (Err(refusal), Some(unread)) if !comes_later(&refusal) => Err(unread),
            (decided, _) => decided,
        }
    }

    async fn read(&self, actor: &Actor, what: Read) -> Result<Answer, Refusal> {
        let command = Command::Read(ReadAct { actor: actor.clone(), within: None, what });
        self.execute.execute(&self.config.caller, command).await.map(|reply| reply.answer)
    }

    async fn version(&self, actor: &Actor, subject: Subject) -> Result<u64, Refusal> {
        let what = match subject {
            Subject::Case(id) => Read::Case { id, full: false },
            Subject::Consultation(id) => Read::Consultation { id, full: false },
            Subject::Handover(id) => Read::Handover { id, full: false },
        };
        match self.read(actor, what).await? {
            Answer::Case(view) => Ok(view.version),
            Answer::Consultation(view) => Ok(view.version),
            Answer::Handover(view) => Ok(view.version),
            _ => Err(Refusal::new(schakel_domain::refusal::Stage::Door, Reason::Internal)),
        }
    }

    /// Who handed the case over to us last.
    async fn previous_lead(&self, inbound: &Inbound) -> Result<OrgId, Refusal> {
        let CareAct::Offer(offer) = &inbound.act else {
            return Err(Refusal::field("command", "only a case can be returned"));
        };
        let mut last = None;
        let mut after = String::new();
        for _ in 0..MOST_PAGES {
            let (handovers, next) = self.handovers(&inbound.actor, offer.case.id, after).await?;
            let ours = handovers.into_iter().filter(|h| h.direction == Direction::Incoming && h.state == HandoverState::Completed);
            last = ours.map(|h| (h.facts.received, h.id, h.from)).chain(last).max();
            match next {
                Some(next) => after = next,
                None => break,
            }
        }
        last.map(|row| row.2).ok_or_else(|| Refusal::field("case", "nobody handed this case over to us; offer it to a named organisation"))
    }

    async fn handovers(
        &self,
        actor: &Actor,
        case: CaseId,
        after: String,
    ) -> Result<(Vec<schakel_domain::view::HandoverView>, Option<String>), Refusal> {
        let page = PageOf { open_only: false, after, size: 200 };
        match self.read(actor, Read::Handovers { case: Some(case), page }).await? {
            Answer::Handovers(handovers, next) => Ok((handovers, next)),
            _ => Err(Refusal::new(schakel_domain::refusal::Stage::Door, Reason::Internal)),
        }
    }

    /// The answer first and the move last: whoever sees the file gone finds the answer.
    async fn settle_done(&self, name: &str, hash: Hash, answer: Vec<u8>) -> io::Result<()> {
        let (folders, name) = (self.folders.clone(), name.to_owned());
        blocking(move || {
            folder::write(&folders.answers, &format!("{}.answer.json", stem(&name)), &answer)?;
            folder::remove(&folders.answers.join(waiting_name(&name)))?;
            folder::keep_private(&folders.work.join(&name))?;
            folder::shift(&folders.work, &name, &folders.done, &free_name(&folders.done, &name, hash))
        })
        .await
    }

    async fn settle_refused(&self, name: &str, hash: Hash, rejection: &Rejection) -> io::Result<()> {
        let (folders, name) = (self.folders.clone(), name.to_owned());
        let reason = self.no(rejection.request, &rejection.refusals, false);
        blocking(move || {
            folder::write(&folders.refused, &format!("{}.reason.json", stem(&name)), &reason)?;
            folder::remove(&folders.answers.join(waiting_name(&name)))?;
            folder::keep_private(&folders.work.join(&name))?;
            folder::shift(&folders.work, &name, &folders.refused, &free_name(&folders.refused, &name, hash))
        })
        .await
    }

    /// A command that waits is told so, once: a worker who hears nothing would think it was done.
    async fn say_waiting(&self, name: &str, request: RequestId, refusal: &Refusal) -> io::Result<()> {
        let text = self.no(Some(request), std::slice::from_ref(refusal), true);
        let (answers, name) = (self.folders.answers.clone(), waiting_name(name));
        blocking(move || {
            let told = folder::read(&answers.join(&name), text.len()).is_ok_and(|old| old.as_ref() == Some(&text));
            if told { Ok(()) } else { folder::write(&answers, &name, &text) }
        })
        .await
    }

    /// Says, once, why something in the folder is left alone.
    async fn say_ignored(&self, name: &str) -> io::Result<()> {
        let (refused, name) = (self.folders.refused.clone(), name.to_owned());
        let problem = Refusal::field("file", format!("ignored: not a regular file, or a name of more than {LONGEST_NAME} bytes"));
        let reason = self.no(None, &[problem], false);
        blocking(move || {
            let short = if name.len() > LONGEST_NAME { Hash::sha256(name.as_bytes()).to_string() } else { stem(&name).to_owned() };
            let reason_name = format!("{short}.reason.json");
            if refused.join(&reason_name).exists() { Ok(()) } else { folder::write(&refused, &reason_name, &reason) }
        })
        .await
    }

    fn no(&self, request: Option<RequestId>, refusals: &[Refusal], waiting: bool) -> Vec<u8> {
        self.adapter.refuse(&No { request, refusals, waiting, call: self.config.call.now().as_ref() })
    }

    /// Removes executed and refused files that were moved away long enough before `now`, a time since 1970.
    ///
    /// # Errors
    /// When a folder cannot be read or a file cannot be removed; the next sweep goes on.
    pub(super) async fn sweep(&self, now: Duration) -> io::Result<Swept> {
        let before = |keep: Duration| i64::try_from(now.saturating_sub(keep).as_secs()).map_err(io::Error::other);
        let (executed, rejected) = (before(self.config.keep_done)?, before(self.config.keep_refused)?);
        let folders = self.folders.clone();
        blocking(move || {
            let done = remove_moved_before(&folders.done, executed)?;
            Ok(Swept { done, refused: remove_moved_before(&folders.refused, rejected)? })
        })
        .await
    }
}

/// Moves what is complete into our own folder, where no sender can replace it under our hands; and names what never will be taken.
fn claim(folders: &Folders, most: usize) -> io::Result<(BTreeSet<String>, BTreeSet<String>)> {
    let fits = |name: &str| name.len() <= LONGEST_NAME;
    let ignored = folder::names(&folders.inbox, most, "", |name, kind| is_command(name) && !(kind.is_file() && fits(name)))?;
    let ready = folder::names(&folders.inbox, most, "", |name, kind| is_command(name) && kind.is_file() && fits(name))?;
    let mut claimed = BTreeSet::new();
    for name in ready {
        if folders.work.join(&name).symlink_metadata().is_ok() {
            // One of the same name is still being handled; this one waits for its turn.
            continue;
        }
        match folder::shift(&folders.inbox, &name, &folders.work, &name) {
            Ok(()) => drop(claimed.insert(name)),
            // Taken back by its sender, or a name that is not UTF-8.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok((claimed, ignored))
}

/// `*.json`, complete: not hidden. What is being written ends otherwise (`.tmp`, `.part`).
fn is_command(name: &str) -> bool {
    !name.starts_with('.') && name.len() > 5 && name.as_bytes()[name.len() - 5..].eq_ignore_ascii_case(b".json")
}

fn stem(name: &str) -> &str {
    name.get(..name.len().saturating_sub(5)).unwrap_or(name)
}

fn waiting_name(name: &str) -> String {
    format!("{}.waiting.json", stem(name))
}

/// The name to keep a file under: its own, or with a part of its hash when that is taken by an earlier one.
fn free_name(folder: &Path, name: &str, hash: Hash) -> String {
    if folder.join(name).symlink_metadata().is_err() {
        return name.to_owned();
    }
    let hash = hash.to_string();
    format!("{}.{}.json", stem(name), &hash[..12])
}

/// Removes files that came into this folder before a moment, in seconds since 1970; how many.
pub(super) fn remove_moved_before(folder: &Path, oldest: i64) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = fs::symlink_metadata(&path)?;
        // The change time, not the writing time: that one the sender can set.
        if metadata.is_file() && metadata.ctime() < oldest {
            folder::remove(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}
