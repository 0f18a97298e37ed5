//! A covenant with its signatures, and whether it binds anybody.
//!
//! The first version is in force when every party it names has signed; a later one when the parties its predecessor names for
//! that kind of change have, and always those who join. What the bundle holds and what is decided on are the same value: a
//! covenant that fails any of this still exists, and denies with a reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::check::first_blocking;
use super::document::{Change, Document, Party};
use super::name::{CovenantId, Who};
use crate::id::{Hash, OrgId};
use crate::refusal::{Lang, Reason, Refusal, Stage};
use crate::signature::{Jws, Kind, PublicKey, SecretKey};

/// Largest bundle that is read, in bytes: a document and its signatures.
pub const MAX_BUNDLE_BYTES: usize = 2 << 20;
/// Most signatures in a bundle.
const MAX_SIGNATURES: usize = 1000;

/// A version of a covenant by number and content.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CovenantRef {
    /// Which covenant.
    pub id: CovenantId,
    /// Which version.
    pub version: u32,
    /// Exactly which text.
    pub hash: Hash,
}

/// One party's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartySignature {
    /// Who says to have signed.
    pub party: OrgId,
    /// The signature over the document's canonical bytes.
    pub jws: Jws,
}

/// A covenant and its signatures in one JSON file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedCovenant {
    /// The agreement.
    pub document: Document,
    /// Who signed it so far.
    pub signatures: Vec<PartySignature>,
}

/// Whether a covenant binds. Dates are another matter: see [`super::book::Book`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Everybody who must sign has signed.
    InForce,
    /// Sound, but these parties have yet to sign.
    Waiting {
        /// Who has yet to sign, in the order of the covenant.
        missing: Vec<OrgId>,
    },
    /// Unreadable, altered, or at odds with its predecessor.
    Broken {
        /// What is wrong, in English, for the log.
        why: String,
    },
}

/// A version of a covenant as one gateway holds it: judged once, then asked often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covenant {
    /// The bundle; none when it could not be read.
    signed: Option<SignedCovenant>,
    hash: Hash,
    standing: Standing,
}

impl SignedCovenant {
    /// A document nobody has signed yet.
    #[must_use]
    pub fn unsigned(document: Document) -> Self {
        Self { document, signatures: Vec::new() }
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// `COVENANT_BROKEN` when it is too large or not a bundle.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Refusal> {
        let broken = |why: String| Refusal::new(Stage::Covenant, Reason::CovenantBroken).because(why);
        if bytes.len() > MAX_BUNDLE_BYTES {
            return Err(broken(format!("the bundle is larger than {MAX_BUNDLE_BYTES} bytes")));
        }
        // serde's message may quote the input; only its place is repeated.
        serde_json::from_slice(bytes)
            .map_err(|error| broken(format!("the bundle cannot be read at line {} column {}", error.line(), error.column())))
    }

    /// The bundle as a JSON file, indented, ending in a newline.
    ///
    /// # Panics
    /// Never: a bundle holds texts and small whole numbers only.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a bundle holds only maps with text keys, texts and integers");
        text.push('\n');
        text
    }

    /// Adds a party's signature, or renews it.
    ///
    /// # Errors
    /// When the document has problems, the party is not in it, or the key is not the party's root key. A party that leaves signs
    /// with [`SignedCovenant::sign_leaving`].
    pub fn sign(&mut self, party: &OrgId, key: &SecretKey) -> Result<(), Refusal> {
        if let Some(problem) = super::check::check(&self.document).first() {
            return Err(Refusal::new(Stage::Covenant, Reason::CovenantBroken).because(problem.text(Lang::En)));
        }
        let known = self.document.party(party).and_then(|entry| entry.root_key);
        if known.is_none() {
            return Err(Refusal::new(Stage::Covenant, Reason::UnknownPeer).because(format!("{party} is no party of this covenant")));
        }
        if known != Some(key.public()) {
            let why = format!("this is not the root key of {party} in the covenant");
            return Err(Refusal::new(Stage::Covenant, Reason::IdentityMismatch).because(why));
        }
        self.add(party, key);
        Ok(())
    }

    /// Adds the signature of a party that is in the predecessor alone, or that signs with the root key it had there.
    ///
    /// # Errors
    /// When this document does not follow the predecessor, the party is not in that, or the key is not the party's root key there. One
    /// signature that does not belong breaks the whole bundle, so none is added without this.
    pub fn sign_leaving(&mut self, party: &OrgId, key: &SecretKey, predecessor: &Covenant) -> Result<(), Refusal> {
        let refuse = |reason, why: String| Err(Refusal::new(Stage::Covenant, reason).because(why));
        let before = match before(&self.document, Some(predecessor)) {
            Ok(Some(before)) => before,
            Ok(None) => return refuse(Reason::CovenantBroken, "version 1 has no version before it, so nobody can leave".to_owned()),
            Err(why) => return refuse(Reason::CovenantBroken, why),
        };
        match before.party(party) {
            None => refuse(Reason::UnknownPeer, format!("{party} is no party of version {}", before.version)),
            Some(entry) if entry.root_key != Some(key.public()) => {
                refuse(Reason::IdentityMismatch, format!("this is not the root key of {party} in version {}", before.version))
            }
            Some(_) => {
                self.add(party, key);
                Ok(())
            }
        }
    }

    fn add(&mut self, party: &OrgId, key: &SecretKey) {
        let jws = key.sign_detached(Kind::Covenant, &self.document.canonical());
        let kid = key.public().key_id();
        self.signatures.retain(|old| old.party != *party || old.jws.claimed_key_id().as_ref() != Some(&kid));
        self.signatures.push(PartySignature { party: party.clone(), jws });
    }

    /// Takes over the signatures of another bundle of the same document that this one lacks.
    pub fn merge(&mut self, other: &SignedCovenant) {
        if other.document == self.document {
            let new = other.signatures.iter().filter(|signature| !self.signatures.contains(signature)).cloned();
            let new: Vec<_> = new.collect();
            self.signatures.extend(new);
        }
    }

    /// Whether this bundle binds, given the version before it.
    #[must_use]
    pub fn standing(&self, predecessor: Option<&Covenant>) -> Standing {
        self.missing(predecessor).map_or_else(
            |why| Standing::Broken { why },
            |missing| if missing.is_empty() { Standing::InForce } else { Standing::Waiting { missing } },
        )
    }

    fn missing(&self, predecessor: Option<&Covenant>) -> Result<Vec<OrgId>, String> {
        let document = &self.document;
        if self.signatures.len() > MAX_SIGNATURES {
            return Err(format!("more than {MAX_SIGNATURES} signatures"));
        }
        if let Some(problem) = first_blocking(document) {
            return Err(problem.text(Lang::En));
        }
        let before = before(document, predecessor)?;
        let required = required(document, before)?;
        let signed = self.verified(before)?;
        let has = |party: &OrgId, key: &Option<PublicKey>| key.is_some_and(|key| signed.contains(&(party.clone(), key)));
        let mut missing: Vec<OrgId> = Vec::new();
        for (party, key) in required {
            if !has(&party, &key) && !missing.contains(&party) {
                missing.push(party);
            }
        }
        Ok(missing)
    }

    /// Every signature, checked; a single one that does not hold makes the whole bundle suspect.
    fn verified(&self, before: Option<&Document>) -> Result<Vec<(OrgId, PublicKey)>, String> {
        let payload = self.document.canonical();
        let key_in = |document: &Document, party: &OrgId| document.party(party).and_then(|entry| entry.root_key);
        let mut signed = Vec::new();
        for PartySignature { party, jws } in &self.signatures {
            let keys = [key_in(&self.document, party), before.and_then(|before| key_in(before, party))];
            let claimed = jws.claimed_key_id();
            let key = keys.into_iter().flatten().find(|key| claimed.as_deref() == Some(&key.key_id()));
            let key = key.ok_or_else(|| format!("the signature of {party} is not made with a root key of that party"))?;
            jws.verify(Kind::Covenant, &payload, &key).map_err(|bad| format!("the signature of {party} does not hold: {bad}"))?;
            signed.push((party.clone(), key));
        }
        Ok(signed)
    }
}

/// The document before this one, when there must be one and it fits.
fn before<'a>(document: &Document, predecessor: Option<&'a Covenant>) -> Result<Option<&'a Document>, String> {
    if document.version == 1 {
        return Ok(None);
    }
    let number = document.version - 1;
    let predecessor = predecessor.ok_or_else(|| format!("version {number}, the one before it, is not held"))?;
    let before = predecessor.in_force().ok_or_else(|| format!("version {number}, the one before it, is not in force"))?;
    if before.id != document.id || before.version != number {
        return Err(format!("its predecessor is version {} of {}, not version {number} of {}", before.version, before.id, document.id));
    }
    if document.predecessor != Some(predecessor.hash) {
        return Err(format!("it names another text as version {number} than the one held"));
    }
    if document.in_force_from < before.in_force_from {
        return Err(format!("it would begin before version {number}"));
    }
    Ok(Some(before))
}

/// Whose signature counts, and with which key. The same party stands twice when its root key changes: the old key agrees, the new one
/// proves that it exists.
fn required(document: &Document, before: Option<&Document>) -> Result<Vec<(OrgId, Option<PublicKey>)>, String> {
    let own = |party: &Party| (party.id.clone(), party.root_key);
    let Some(before) = before else {
        return Ok(document.parties.iter().map(own).collect());
    };
    let change = document.change.ok_or("it does not say what kind of change it is")?;
    confined(document, before, change)?;
    let signers = before.change_rules.signers(change);
    let mut required: Vec<_> = before.parties.iter().filter(|party| before.names(signers, party)).map(own).collect();
    for party in &document.parties {
        match before.party(&party.id) {
            None => required.push(own(party)),
            Some(old) if old.root_key != party.root_key => required.extend([own(old), own(party)]),
            Some(_) => {}
        }
    }
    Ok(required)
}

/// A change signed by few may change only what it says it changes.
fn confined(document: &Document, before: &Document, change: Change) -> Result<(), String> {
    let (larger, smaller) = match change {
        Change::Ordinary => return Ok(()),
        Change::Overlay => return Err("this gateway does not know overlays yet".to_owned()),
        Change::Accession => (document, before),
        Change::Withdrawal => (before, document),
    };
    let moved: Vec<OrgId> =
        larger.parties.iter().filter(|party| smaller.party(&party.id).is_none()).map(|party| party.id.clone()).collect();
    if moved.is_empty() {
        return Err("nobody joins or leaves, so it is an ordinary change".to_owned());
    }
    let same = essence(&without(larger, &moved)) == essence(smaller);
    same.then_some(()).ok_or_else(|| "it changes more than who takes part; that is an ordinary change".to_owned())
}

/// The document as if these parties had never been named.
fn without(document: &Document, parties: &[OrgId]) -> Document {
    let mut rest = document.clone();
    let gone: Vec<_> = rest.services.iter().filter(|service| parties.contains(&service.by)).map(|service| service.id.clone()).collect();
    let stays = |who: &Who| match who {
        Who::Party(id) => !parties.contains(id),
        Who::Service(id) => !gone.contains(id),
        Who::All | Who::Role(_) => true,
    };
    rest.parties.retain(|party| !parties.contains(&party.id));
    rest.services.retain(|service| !parties.contains(&service.by));
    for clause in &mut rest.grants {
        clause.order.retain(|id| !parties.contains(id));
        clause.from.retain(stays);
        clause.to.retain(stays);
    }
    let rules = &mut rest.change_rules;
    for signers in [&mut rules.ordinary, &mut rules.accession, &mut rules.withdrawal, &mut rules.overlay] {
        signers.retain(stays);
    }
    rest
}

/// What two adjacent versions have in common when only the parties differ: all but number, link and dates.
fn essence(document: &Document) -> Document {
    let mut essence = document.clone();
    essence.version = 0;
    essence.change = None;
    essence.predecessor = None;
    essence.predecessor_until = None;
    essence.in_force_from = jiff::civil::Date::ZERO;
    essence
}

impl Covenant {
    /// Judges a bundle. Never fails: what does not hold becomes a broken covenant.
    #[must_use]
    pub fn judge(signed: SignedCovenant, predecessor: Option<&Covenant>) -> Self {
        let standing = signed.standing(predecessor);
        Self { hash: signed.document.hash(), standing, signed: Some(signed) }
    }

    /// Reads and judges a bundle. Never fails: bytes that cannot be read become a broken covenant.
    #[must_use]
    pub fn read(bytes: &[u8], predecessor: Option<&Covenant>) -> Self {
        match SignedCovenant::from_json(bytes) {
            Ok(signed) => Self::judge(signed, predecessor),
            Err(refusal) => Self::broken(Hash::sha256(bytes), refusal.detail),
        }
    }

    /// A covenant that cannot be used, for this reason.
    #[must_use]
    pub fn broken(hash: Hash, why: impl Into<String>) -> Self {
        Self { signed: None, hash, standing: Standing::Broken { why: why.into() } }
    }

    /// The same covenant, no longer to be used, for this reason.
    pub(super) fn condemned(mut self, why: String) -> Self {
        self.standing = Standing::Broken { why };
        self
    }

    /// Whether it binds.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Hash of the document.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The bundle, also of a covenant that waits or is broken; none when it could not be read.
    #[must_use]
    pub fn signed(&self) -> Option<&SignedCovenant> {
        self.signed.as_ref()
    }

    /// The document when it binds. The only way by which a decision reads it.
    #[must_use]
    pub fn in_force(&self) -> Option<&Document> {
        self.signed.as_ref().filter(|_| self.standing == Standing::InForce).map(|signed| &signed.document)
    }

    /// Number and content of this version; none when it could not be read.
    #[must_use]
    pub fn reference(&self) -> Option<CovenantRef> {
        let document = &self.signed.as_ref()?.document;
        Some(CovenantRef { id: document.id.clone(), version: document.version, hash: self.hash })
    }

    /// The document when it binds, or why it does not.
    ///
    /// # Errors
    /// `COVENANT_BROKEN`, or `COVENANT_MISSING` while signatures are missing.
    pub fn binding(&self) -> Result<&Document, Refusal> {
        match (&self.standing, &self.signed) {
            (Standing::InForce, Some(signed)) => Ok(&signed.document),
            (Standing::Waiting { missing }, _) => {
                let missing: Vec<_> = missing.iter().map(OrgId::as_str).collect();
                let why = format!("not yet signed by {}", missing.join(", "));
                Err(Refusal::new(Stage::Covenant, Reason::CovenantMissing).because(why))
            }
            (Standing::Broken { why }, _) => Err(Refusal::new(Stage::Covenant, Reason::CovenantBroken).because(why.clone())),
            (Standing::InForce, None) => Err(Refusal::new(Stage::Covenant, Reason::CovenantBroken).because("nothing was read")),
        }
    }

    /// Who has signed, with the key each signature names.
    #[must_use]
    pub fn signers(&self) -> BTreeMap<OrgId, String> {
        let signatures = self.signed.iter().flat_map(|signed| &signed.signatures);
        signatures.filter_map(|signature| Some((signature.party.clone(), signature.jws.claimed_key_id()?))).collect()
    }
}
