//! The covenants one gateway holds: every version, which of them applies, and what it refuses to take in.
//!
//! A version once in force is never replaced, so that an offer is judged to its end by the version it was made under. New questions are
//! judged by the newest version in force; the one before it stands beside it until the date the newer one states.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::document::{Act, Document};
use super::name::CovenantId;
use super::permit::{Decision, Question};
use super::signed::{Covenant, CovenantRef, SignedCovenant, Standing};
use crate::id::OrgId;
use crate::refusal::{Reason, Refusal, Stage};
use crate::signature::PublicKey;

/// Most versions of one covenant that are held.
const MAX_VERSIONS: u32 = 10_000;
/// Most covenants that are held.
const MAX_COVENANTS: usize = 100;
/// Most covenants together that peers proposed and we have not signed; the rest of [`MAX_COVENANTS`] stays free for what all signed.
const MAX_PROPOSED: usize = 50;
/// Most of those that carry the signature of one party.
const MAX_PROPOSED_BY_ONE: usize = 5;
/// Two gateways may differ this much on whether a version has begun.
const CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_mins(5);

/// The covenants of one organisation.
#[derive(Debug, Clone)]
pub struct Book {
    us: OrgId,
    our_keys: Vec<PublicKey>,
    covenants: BTreeMap<CovenantId, BTreeMap<u32, Covenant>>,
}

/// What became of a bundle that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    /// Everything in it was known already.
    Unchanged,
    /// A new version, or new signatures; this is its standing now.
    Changed(Standing),
}

/// What is held of one version: the bytes as stored.
#[derive(Debug, Clone)]
pub struct Stored<'a> {
    /// Under which covenant it was stored.
    pub id: CovenantId,
    /// Under which version.
    pub version: u32,
    /// The bundle.
    pub bundle: &'a [u8],
}

impl Book {
    /// An empty book of one organisation. `our_keys` are the root keys it has and has had: a covenant that names us under any other
    /// key was made by somebody else and is refused.
    #[must_use]
    pub fn new(us: OrgId, our_keys: Vec<PublicKey>) -> Self {
        Self { us, our_keys, covenants: BTreeMap::new() }
    }

    /// Reads the book back from the store. What no longer holds stays in it as broken, and denies.
    #[must_use]
    pub fn load<'a>(us: OrgId, our_keys: Vec<PublicKey>, stored: impl IntoIterator<Item = Stored<'a>>) -> Self {
        let mut book = Self::new(us, our_keys);
        let mut entries: Vec<_> = stored.into_iter().collect();
        entries.sort_by(|a, b| (&a.id, a.version).cmp(&(&b.id, b.version)));
        for Stored { id, version, bundle } in entries {
            let covenant = book.reread(&id, version, bundle);
            book.covenants.entry(id).or_default().insert(version, covenant);
        }
        book
    }

    fn reread(&self, id: &CovenantId, version: u32, bundle: &[u8]) -> Covenant {
        let covenant = Covenant::read(bundle, self.before(id, version));
        let misplaced = covenant.reference().is_some_and(|held| held.id != *id || held.version != version);
        if misplaced {
            return covenant.condemned(format!("it was stored as version {version} of {id}, and is not that"));
        }
        match covenant.signed().map(|signed| self.names_us_rightly(&signed.document)) {
            Some(Err(refusal)) => covenant.condemned(refusal.detail),
            _ => covenant,
        }
    }

    /// Takes in a bundle that a peer offers. One that everybody signed proves itself; a proposal must concern us and carry that peer's own
    /// signature, and nobody can fill the book with them.
    ///
    /// # Errors
    /// As [`Book::install`]; `COVENANT_DENIED` for what is no concern of ours or not the peer's own, `QUOTA_EXCEEDED` for too many.
    pub fn install_from(&mut self, peer: &OrgId, offered: SignedCovenant) -> Result<Installed, Refusal> {
        let (id, version) = (offered.document.id.clone(), offered.document.version);
        let denied = |why: &str| Refusal::new(Stage::Covenant, Reason::CovenantDenied).because(why);
        let before = self.before(&id, version).and_then(Covenant::in_force);
        if !self.names_us(&offered.document) && !before.is_some_and(|document| self.names_us(document)) {
            return Err(denied("it does not name this organisation"));
        }
        let judged = Covenant::judge(offered.clone(), self.before(&id, version));
        let known = self.get(&id, version).is_some_and(|held| held.hash() == judged.hash());
        if let Standing::Waiting { .. } = judged.standing()
            && !known
        {
            // Judged and not broken: every signature in it holds.
            if !judged.signers().contains_key(peer) {
                return Err(denied("a proposal carries the signature of whoever offers it"));
            }
            let proposed = self.proposed();
            let by_peer = proposed.iter().filter(|covenant| covenant.signers().contains_key(peer)).count();
            if proposed.len() >= MAX_PROPOSED || by_peer >= MAX_PROPOSED_BY_ONE {
                return Err(Refusal::new(Stage::Covenant, Reason::QuotaExceeded).because("too many proposals that nobody here has signed"));
            }
        }
        self.install(offered)
    }

    /// What waits for signatures and has none of ours.
    fn proposed(&self) -> Vec<&Covenant> {
        let waits = |covenant: &&Covenant| matches!(covenant.standing(), Standing::Waiting { .. });
        let all = self.covenants.values().flat_map(BTreeMap::values).filter(waits);
        all.filter(|covenant| !covenant.signers().contains_key(&self.us)).collect()
    }

    /// Takes a bundle in: a new covenant, the next version, or more signatures on a version that waits.
    ///
    /// Who may offer one is for the caller: an operator, the configuration, or a peer by way of [`Book::install_from`].
    ///
    /// # Errors
    /// `COVENANT_OUTDATED` for an older version that is not held as it is offered; `COVENANT_BROKEN` for one that is altered, misses its predecessor,
    /// names us under another key, or is another text under a number in use.
    pub fn install(&mut self, offered: SignedCovenant) -> Result<Installed, Refusal> {
        let (id, version) = (offered.document.id.clone(), offered.document.version);
        self.room_for(&id, version)?;
        self.names_us_rightly(&offered.document)?;
        let offered = Covenant::judge(offered, self.before(&id, version));
        if let Standing::Broken { why } = offered.standing() {
            return Err(broken(why.clone()));
        }
        let next = match self.get(&id, version) {
            Some(held) if held.hash() == offered.hash() => self.merged(held, &offered),
            // What went bad gives way to what holds, and what was only proposed to what was signed by all.
            Some(held) if matches!(held.standing(), Standing::Broken { .. }) => offered,
            Some(held) if held.in_force().is_none() && offered.in_force().is_some() => offered,
            Some(_) if self.newest_number(&id) > Some(version) => return Err(outdated(version, self.newest_number(&id))),
            Some(held) => return Err(forked(version, held, &offered)),
            None => offered,
        };
        if self.get(&id, version) == Some(&next) {
            return Ok(Installed::Unchanged);
        }
        let standing = next.standing().clone();
        self.covenants.entry(id.clone()).or_default().insert(version, next);
        self.judge_again_after(&id, version);
        Ok(Installed::Changed(standing))
    }

    fn merged(&self, held: &Covenant, offered: &Covenant) -> Covenant {
        let (Some(mine), Some(theirs)) = (held.signed(), offered.signed()) else { return offered.clone() };
        let mut all = mine.clone();
        all.merge(theirs);
        if all == *mine {
            return held.clone();
        }
        // The held signatures were sound and so are the offered ones; a stored copy that went bad gives way.
        let both = Covenant::judge(all, self.before(&theirs.document.id, theirs.document.version));
        if matches!(both.standing(), Standing::Broken { .. }) { offered.clone() } else { both }
    }

    fn room_for(&self, id: &CovenantId, version: u32) -> Result<(), Refusal> {
        let new = !self.covenants.contains_key(id);
        if new && self.covenants.len() >= MAX_COVENANTS || version > MAX_VERSIONS {
            return Err(Refusal::new(Stage::Covenant, Reason::QuotaExceeded).because("too many covenants or versions"));
        }
        let newest = self.newest_number(id);
        if newest > Some(version) && self.get(id, version).is_none() {
            return Err(outdated(version, newest));
        }
        Ok(())
    }

    fn names_us_rightly(&self, document: &Document) -> Result<(), Refusal> {
        let foreign = document.party(&self.us).is_some_and(|party| party.root_key.is_none_or(|key| !self.our_keys.contains(&key)));
        if foreign { Err(broken(format!("it names {} under a root key that is not ours", self.us))) } else { Ok(()) }
    }

    /// A later version that was broken for want of this one may hold now.
    fn judge_again_after(&mut self, id: &CovenantId, version: u32) {
        let later: Vec<u32> =
            self.covenants.get(id).into_iter().flat_map(|versions| versions.range(version + 1..)).map(|entry| *entry.0).collect();
        for number in later {
            let bundle = self.get(id, number).filter(|held| matches!(held.standing(), Standing::Broken { .. }));
            let Some(bundle) = bundle.and_then(Covenant::signed).map(SignedCovenant::to_json) else { continue };
            let again = self.reread(id, number, bundle.as_bytes());
            self.covenants.entry(id.clone()).or_default().insert(number, again);
        }
    }

    fn names_us(&self, document: &Document) -> bool {
        document.party(&self.us).is_some()
    }

    /// One version, whatever its standing.
    #[must_use]
    pub fn get(&self, id: &CovenantId, version: u32) -> Option<&Covenant> {
        self.covenants.get(id)?.get(&version)
    }

    /// Every version held, by covenant and number.
    pub fn iter(&self) -> impl Iterator<Item = (&CovenantId, u32, &Covenant)> {
        self.covenants.iter().flat_map(|(id, versions)| versions.iter().map(move |(version, covenant)| (id, *version, covenant)))
    }

    /// The version by which new things are judged now.
    ///
    /// # Errors
    /// `COVENANT_BROKEN` when a version that was stored no longer holds: nobody knows then what was agreed last;
    /// `COVENANT_MISSING` when none is in force.
    pub fn current(&self, id: &CovenantId, now: Timestamp) -> Result<&Covenant, Refusal> {
        let versions = self.covenants.get(id).ok_or_else(|| missing(format!("no covenant {id} is held")))?;
        let mut newest_first = versions.values().rev();
        let first = newest_first.find(|covenant| match covenant.standing() {
            Standing::Broken { .. } => true,
            Standing::InForce => begun(covenant, now, SignedDuration::ZERO),
            Standing::Waiting { .. } => false,
        });
        let covenant = first.ok_or_else(|| missing(format!("no version of {id} is in force")))?;
        let document = covenant.binding()?;
        let ended = document.ends().is_some_and(|end| end <= now);
        if ended { Err(missing(format!("version {} of {id} ended", document.version))) } else { Ok(covenant) }
    }

    /// The version a message names, when it may still be used: for new things while it applies, for what is already open to its end.
    ///
    /// # Errors
    /// `COVENANT_MISSING` when it is not held or has not begun, `COVENANT_OUTDATED` when a newer one has taken its place,
    /// `COVENANT_BROKEN` when it does not hold or is another text than the one named.
    pub fn lookup(&self, named: &CovenantRef, now: Timestamp, for_open: bool) -> Result<&Covenant, Refusal> {
        let CovenantRef { id, version, hash } = named;
        let covenant = self.get(id, *version).ok_or_else(|| missing(format!("version {version} of {id} is not held")))?;
        let document = covenant.binding()?;
        if covenant.hash() != *hash {
            return Err(broken(format!("version {version} of {id} is held as another text")));
        }
        if !self.names_us(document) {
            return Err(missing(format!("version {version} of {id} does not name us")));
        }
        if for_open {
            return Ok(covenant);
        }
        if !begun(covenant, now, CLOCK_DIFFERENCE) {
            return Err(missing(format!("version {version} of {id} has not begun")));
        }
        if document.ends().is_some_and(|end| end <= now) {
            return Err(missing(format!("version {version} of {id} ended")));
        }
        if self.superseded(id, *version, now) {
            return Err(outdated(*version, self.newest_number(id)));
        }
        // A newer version that no longer holds may have ended this one.
        let newer = self.covenants.get(id).into_iter().flat_map(|versions| versions.range(version + 1..));
        newer
            .map(|(_, newer)| newer)
            .filter(|newer| matches!(newer.standing(), Standing::Broken { .. }))
            .try_for_each(|newer| newer.binding().map(drop))?;
        Ok(covenant)
    }

    /// Only neighbours stand beside each other: the next version ends this one at its stated date, the one after at once.
    fn superseded(&self, id: &CovenantId, version: u32, now: Timestamp) -> bool {
        let newer = |steps: u32| self.get(id, version.saturating_add(steps)).filter(|covenant| begun(covenant, now, SignedDuration::ZERO));
        let beside = newer(1).and_then(Covenant::in_force).is_some_and(|next| next.predecessor_ends() <= now);
        beside || newer(2).is_some()
    }

    /// The covenant under which one party asks another something: one with a clause that comes near, or else the first both signed.
    ///
    /// # Errors
    /// `COVENANT_BROKEN` when the only one there may be does not hold, `COVENANT_MISSING` when there is none.
    pub fn applicable(&self, from: &OrgId, to: &OrgId, act: Act, now: Timestamp) -> Result<&Covenant, Refusal> {
        let mut first = None;
        let mut refusal = missing(format!("no covenant in force names both {from} and {to}"));
        for id in self.covenants.keys() {
            let covenant = match self.current(id, now) {
                Ok(covenant) => covenant,
                Err(why) => {
                    if why.reason == Reason::CovenantBroken {
                        refusal = why;
                    }
                    continue;
                }
            };
            let Some(document) = covenant.in_force().filter(|document| self.names_us(document)) else { continue };
            let (Some(asker), Some(asked)) = (document.party(from), document.party(to)) else { continue };
            let clause = |clause: &super::document::Clause| {
                clause.act == act && document.names(&clause.from, asker) && document.names(&clause.to, asked)
            };
            if document.grants.iter().any(clause) {
                return Ok(covenant);
            }
            first = first.or(Some(covenant));
        }
        first.ok_or(refusal)
    }

    /// Decides a new question by the covenant that applies now.
    #[must_use]
    pub fn permits(&self, question: &Question, now: Timestamp) -> Decision {
        match self.applicable(&question.from, &question.to, question.act, now) {
            Ok(covenant) => covenant.permits(question, now),
            Err(refusal) => Decision::Deny(refusal),
        }
    }

    /// Decides what a peer asks under the version it names: `for_open` when it belongs to something already open.
    #[must_use]
    pub fn permits_under(&self, named: &CovenantRef, question: &Question, now: Timestamp, for_open: bool) -> Decision {
        match self.lookup(named, now, for_open) {
            Ok(covenant) => covenant.permits(question, now),
            Err(refusal) => Decision::Deny(refusal),
        }
    }

    /// The root keys that we have and have had.
    #[must_use]
    pub fn our_keys(&self) -> &[PublicKey] {
        &self.our_keys
    }

    /// The root keys under which a party's record is accepted: those of the versions in force now, and of one that has been signed but
    /// has yet to begin, for keys are changed ahead of the day. A covenant that does not name us says nothing to us.
    #[must_use]
    pub fn root_keys(&self, org: &OrgId, now: Timestamp) -> Vec<PublicKey> {
        let current = self.covenants.keys().filter_map(|id| self.current(id, now).ok());
        let coming = self.covenants.values().filter_map(|versions| versions.values().next_back());
        let mut keys: Vec<_> = current
            .chain(coming)
            .filter_map(|covenant| covenant.in_force().filter(|document| self.names_us(document))?.party(org)?.root_key)
            .collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Every other party of every covenant in force now.
    #[must_use]
    pub fn peers(&self, now: Timestamp) -> Vec<OrgId> {
        let current = self.covenants.keys().filter_map(|id| self.current(id, now).ok()?.in_force());
        let ours = current.filter(|document| self.names_us(document));
        let mut peers: Vec<_> =
            ours.flat_map(|document| &document.parties).map(|party| party.id.clone()).filter(|id| *id != self.us).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    fn before(&self, id: &CovenantId, version: u32) -> Option<&Covenant> {
        self.get(id, version.checked_sub(1)?)
    }

    fn newest_number(&self, id: &CovenantId) -> Option<u32> {
        self.covenants.get(id)?.keys().next_back().copied()
    }
}

fn begun(covenant: &Covenant, now: Timestamp, leeway: SignedDuration) -> bool {
    let from = now.checked_add(leeway).unwrap_or(now);
    covenant.in_force().is_some_and(|document| document.begins() <= from)
}

fn missing(why: String) -> Refusal {
    Refusal::new(Stage::Covenant, Reason::CovenantMissing).because(why)
}

fn broken(why: String) -> Refusal {
    Refusal::new(Stage::Covenant, Reason::CovenantBroken).because(why)
}

fn outdated(version: u32, newest: Option<u32>) -> Refusal {
    let newest = newest.map_or_else(|| "a newer one".to_owned(), |newest| format!("version {newest}"));
    Refusal::new(Stage::Covenant, Reason::CovenantOutdated).because(format!("version {version}; {newest} is held"))
}

fn forked(version: u32, held: &Covenant, offered: &Covenant) -> Refusal {
    broken(format!("version {version} is held as another text ({}) than this one ({})", held.hash(), offered.hash()))
}
