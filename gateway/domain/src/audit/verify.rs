//! What an outsider checks of an exported log, with the files and the log's public key alone.
//!
//! The order is fixed, so that two implementations name the same fault: (1) key and checkpoint; (2) entry by entry: it is there, its
//! hash is the one in the level 0 tile, it has the form of an entry; (3) the upper tiles, from the lowest level up; (4) the root that was
//! signed, an earlier checkpoint when one is given, and the cosignatures when a policy is given; (5) the disclosed salts. The first fault ends it. Its index is the entry's own;
//! for a fault that covers several entries, the lowest of them.

use std::fmt;

use super::checkpoint::Checkpoint;
use super::commitment::Disclosure;
use super::entry::Entry;
use super::note::{Note, Vkey};
use super::policy::Policy;
use super::tiles::{MAX_BUNDLE, MAX_TILE, TILE_LEVELS, WIDTH, bundle_path, take_entry, tile_path, width_of};
use super::tree::{Frontier, leaf_hash};
use crate::canonical;
use crate::id::Hash;
use crate::refusal::Lang;

/// Largest `salts.jsonl` that is read, in bytes.
pub const MAX_SALTS: usize = 256 << 20;
const MAX_CHECKPOINT: usize = 1 << 16;
const MAX_VKEY: usize = 1 << 10;

/// Reads a file of the export by its relative path, at most so many bytes of it; `None` when there is no such file.
pub trait Source {
    /// The first `at_most` bytes of the file.
    ///
    /// # Errors
    /// When the file may exist but cannot be read; the text says why.
    fn read(&mut self, path: &str, at_most: usize) -> Result<Option<Vec<u8>>, String>;
}

impl<F: FnMut(&str, usize) -> Result<Option<Vec<u8>>, String>> Source for F {
    fn read(&mut self, path: &str, at_most: usize) -> Result<Option<Vec<u8>>, String> {
        self(path, at_most)
    }
}

/// The export cannot be judged at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unjudged {
    /// A file cannot be read.
    #[error("{path} cannot be read: {problem}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        problem: String,
    },
    /// The earlier checkpoint the auditor brought is not one of this log.
    #[error("the earlier checkpoint is not of this log: {0}")]
    Earlier(String),
    /// No checkpoint and no key: whatever this is, it is not an exported log.
    #[error("no checkpoint and no log.vkey here: this is not an exported log")]
    NoLog,
}

/// Which check failed. The codes are stable; other verifiers use them too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// `key`: `log.vkey` is not a key.
    Key,
    /// `checkpoint`: missing, malformed, or not signed by the log.
    Checkpoint,
    /// `bundle`: the entry is not in its bundle, or the bundle has more than its entries.
    Bundle,
    /// `tile`: the entry's hash is not in its tile, or the tile has more than its hashes.
    Tile,
    /// `leaf`: entry and hash disagree.
    Leaf,
    /// `entry`: a mandatory field is missing, or the bytes are not canonical.
    Entry,
    /// `upper-tile`: a tile above level 0 does not follow from the entries.
    UpperTile,
    /// `root`: the entries do not lead to the root that was signed.
    Root,
    /// `earlier`: the log does not extend the earlier checkpoint.
    Earlier,
    /// `cosigned`: no head here has the cosignatures that the policy asks for, or the log does not extend it.
    Cosigned,
    /// `disclosure`: a disclosed salt does not open its entry's commitment.
    Disclosure,
}

impl Check {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// What failed, in one sentence.
    #[must_use]
    pub fn sentence(self, lang: Lang) -> &'static str {
        let row = self.row();
        match lang {
            Lang::Nl => row.1,
            Lang::En => row.2,
        }
    }

    fn row(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Check::Key => ("key", "De sleutel van het logboek klopt niet.", "The log's key is not right."),
            Check::Checkpoint => (
                "checkpoint",
                "De stand ontbreekt of is niet door dit logboek ondertekend.",
                "The checkpoint is missing or not signed by this log.",
            ),
            Check::Bundle => {
                ("bundle", "De logregel ontbreekt, of er staat iets achter.", "The entry is missing, or something follows it.")
            }
            Check::Tile => (
                "tile",
                "De hash van de logregel ontbreekt, of er staat iets achter.",
                "The entry's hash is missing, or something follows it.",
            ),
            Check::Leaf => ("leaf", "De logregel en zijn hash horen niet bij elkaar.", "The entry and its hash do not belong together."),
            Check::Entry => (
                "entry",
                "De logregel mist een verplicht veld of is anders opgeschreven.",
                "The entry misses a mandatory field or is written otherwise.",
            ),
            Check::UpperTile => {
                ("upper-tile", "Een tussenhash volgt niet uit de logregels.", "An inner hash does not follow from the entries.")
            }
            Check::Root => {
                ("root", "De logregels leiden niet tot de ondertekende stand.", "The entries do not lead to the signed checkpoint.")
            }
            Check::Earlier => {
                ("earlier", "Het logboek bouwt niet voort op de eerdere stand.", "The log does not extend the earlier checkpoint.")
            }
            Check::Cosigned => (
                "cosigned",
                "Er is geen stand met de medeondertekeningen die het beleid vraagt, of het logboek bouwt er niet op voort.",
                "No head has the cosignatures that the policy asks for, or the log does not extend it.",
            ),
            Check::Disclosure => {
                ("disclosure", "Een vrijgegeven gegeven hoort niet bij zijn logregel.", "A disclosed value does not belong to its entry.")
            }
        }
    }
}

/// The first fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Index of the first entry that it puts in doubt; none when it is not about an entry.
    pub index: Option<u64>,
    /// Which check failed.
    pub check: Check,
    /// What exactly, in English, for whoever investigates.
    pub detail: String,
}

/// What the auditor brings: nothing of this comes from the export.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The log's key. Without it the export's own `log.vkey` is used, and then anybody can have made the whole export.
    pub log: Option<Vkey>,
    /// A checkpoint kept from an earlier time, as signed: the log must extend it.
    pub earlier: Option<Vec<u8>>,
    /// Whose cosignatures are demanded. When it names logs, this must be one of them.
    pub policy: Option<Policy>,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Name of the log; empty when not even the checkpoint holds.
    pub origin: String,
    /// Entries found good before the first fault; all of them when there is none.
    pub entries: u64,
    /// Entries the checkpoint covers; 0 when it does not hold.
    pub size: u64,
    /// The signed root, when the checkpoint holds.
    pub root: Option<Hash>,
    /// Size of the earlier checkpoint this log was found to extend.
    pub extends: Option<u64>,
    /// Entries up to the newest head that the policy believes; none without a policy, or without such a head.
    pub cosigned: Option<u64>,
    /// Salts that open their entry's commitment.
    pub disclosed: u64,
    /// The key came from the export itself.
    pub own_key: bool,
    /// The first fault; none when all is well.
    pub finding: Option<Finding>,
}

impl Report {
    /// Whether every check held.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.finding.is_none()
    }

    /// The verdict as one JSON object on one line, the same as other verifiers of this project print.
    #[must_use]
    pub fn json(&self) -> String {
        let index = self.finding.as_ref().and_then(|finding| finding.index).map_or("null".to_owned(), |index| index.to_string());
        let check = self.finding.as_ref().map_or("null".to_owned(), |finding| format!("\"{}\"", finding.check.code()));
        let cosigned = self.cosigned.map_or_else(String::new, |size| format!(",\"cosigned\":{size}"));
        format!("{{\"ok\":{},\"entries\":{},\"first_bad_index\":{index},\"check\":{check}{cosigned}}}", self.ok(), self.entries)
    }

    /// The verdict for people, what it does not show included.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        Words { report: self, lang }.to_string()
    }
}

impl Report {
    fn nothing_yet(trust: &Trust) -> Self {
        let own_key = trust.log.is_none();
        Self { origin: String::new(), entries: 0, size: 0, root: None, extends: None, cosigned: None, disclosed: 0, own_key, finding: None }
    }
}

/// Checks an export.
///
/// # Errors
/// When it cannot be judged; a fault in what can be read is no error but a [`Finding`].
pub fn verify(source: &mut dyn Source, trust: &Trust) -> Result<Report, Unjudged> {
    let mut run = Run { source, report: Report::nothing_yet(trust), upper: Vec::new(), frontier: Frontier::new() };
    match run.all(trust) {
        Ok(()) => {}
        Err(Stop::Fault(finding)) => run.report.finding = Some(finding),
        Err(Stop::Unjudged(unjudged)) => return Err(unjudged),
    }
    Ok(run.report)
}

/// Why a run ends before its end.
enum Stop {
    Fault(Finding),
    Unjudged(Unjudged),
}

fn fault(index: impl Into<Option<u64>>, check: Check, detail: impl fmt::Display) -> Stop {
    Stop::Fault(Finding { index: index.into(), check, detail: detail.to_string() })
}

struct Run<'a> {
    source: &'a mut dyn Source,
    report: Report,
    /// Hashes that the tiles above level 0 should have, from level 1 up, all recomputed from the entries.
    upper: Vec<Vec<Hash>>,
    frontier: Frontier,
}

impl Run<'_> {
    fn all(&mut self, trust: &Trust) -> Result<(), Stop> {
        let log = self.key(trust)?;
        let (checkpoint, note) = self.checkpoint(&log)?;
        let believed = trust.policy.as_ref().map(|policy| self.believed(policy, &log, &checkpoint, &note)).transpose()?;
        let earlier = trust.earlier.as_deref().map(|signed| Checkpoint::open(signed, &log)).transpose();
        let earlier = earlier.map_err(|error| Stop::Unjudged(Unjudged::Earlier(error.to_string())))?;
        let mut then = (earlier.as_ref().is_some_and(|earlier| earlier.size == 0)).then(|| self.frontier.root());
        let mut witnessed = None;
        for bundle in 0..checkpoint.size.div_ceil(WIDTH) {
            self.bundle(bundle, width_of(bundle, checkpoint.size), |frontier| {
                if earlier.as_ref().is_some_and(|earlier| earlier.size == frontier.size()) {
                    then = Some(frontier.root());
                }
                if believed.as_ref().is_some_and(|believed| believed.size == frontier.size()) {
                    witnessed = Some(frontier.root());
                }
            })?;
        }
        self.upper_tiles()?;
        if self.frontier.root() != checkpoint.root {
            return Err(fault(0, Check::Root, "the root recomputed from the entries is not the signed one"));
        }
        if let Some(earlier) = earlier {
            self.report.extends = Some(extends(&earlier, then, checkpoint.size)?);
        }
        if let Some(believed) = believed {
            if witnessed != Some(believed.root) {
                return Err(fault(0, Check::Cosigned, "the log does not extend the head that was cosigned"));
            }
            self.report.cosigned = Some(believed.size);
        }
        self.disclosures()
    }

    /// The auditor's key, or else the export's own.
    fn key(&mut self, trust: &Trust) -> Result<Vkey, Stop> {
        if let Some(log) = &trust.log {
            return Ok(log.clone());
        }
        let Some(bytes) = self.read("log.vkey", MAX_VKEY)? else {
            return Err(match self.read("checkpoint", MAX_CHECKPOINT)? {
                None => Stop::Unjudged(Unjudged::NoLog),
                Some(_) => fault(0, Check::Key, "log.vkey is missing"),
            });
        };
        let text = String::from_utf8(bytes).ok();
        let line = text.as_deref().and_then(|text| text.strip_suffix('\n'));
        let line = line.ok_or_else(|| fault(0, Check::Key, "log.vkey is not one line"))?;
        line.parse().map_err(|error| fault(0, Check::Key, error))
    }

    /// The newest head here that the policy believes: the checkpoint itself, or the one in the file `cosigned`.
    fn believed(&mut self, policy: &Policy, log: &Vkey, checkpoint: &Checkpoint, note: &Note) -> Result<Checkpoint, Stop> {
        let missing = |detail: &dyn fmt::Display| fault(0, Check::Cosigned, detail);
        if !policy.logs().is_empty() && !policy.logs().contains(log) {
            return Err(missing(&"the policy does not name this log"));
        }
        if policy.judge(note).map_err(|error| missing(&error))?.quorum {
            return Ok(checkpoint.clone());
        }
        let bytes =
            self.read("cosigned", MAX_CHECKPOINT)?.ok_or_else(|| missing(&"no head here has the cosignatures the policy asks for"))?;
        let older = Checkpoint::open(&bytes, log).map_err(|error| missing(&error))?;
        let note = Note::parse(&bytes).map_err(|error| missing(&error))?;
        match policy.judge(&note) {
            Ok(standing) if standing.quorum && older.size <= checkpoint.size => Ok(older),
            Ok(standing) => Err(missing(&format_args!("{} of the policy's witnesses cosigned: no quorum", standing.cosigned.len()))),
            Err(error) => Err(missing(&error)),
        }
    }

    fn checkpoint(&mut self, log: &Vkey) -> Result<(Checkpoint, Note), Stop> {
        let bytes = self.read("checkpoint", MAX_CHECKPOINT)?;
        let bytes = bytes.ok_or_else(|| fault(0, Check::Checkpoint, "checkpoint is missing"))?;
        let checkpoint = Checkpoint::open(&bytes, log).map_err(|error| fault(0, Check::Checkpoint, error))?;
        let note = Note::parse(&bytes).map_err(|error| fault(0, Check::Checkpoint, error))?;
        self.report.origin.clone_from(&checkpoint.origin);
        self.report.size = checkpoint.size;
        self.report.root = Some(checkpoint.root);
        Ok((checkpoint, note))
    }

    /// One bundle beside its level 0 tile. `passed` is told after every entry that holds.
    fn bundle(&mut self, bundle: u64, width: u64, mut passed: impl FnMut(&Frontier)) -> Result<(), Stop> {
        let first = bundle * WIDTH;
        let (entries_path, hashes_path) = (bundle_path(bundle, width), tile_path(0, bundle, width));
        let entries = self.read(&entries_path, MAX_BUNDLE)?.unwrap_or_default();
        let hashes = self.read(&hashes_path, MAX_TILE)?.unwrap_or_default();
        let (mut entries, mut hashes) = (&entries[..], &hashes[..]);
        for index in first..first + width {
            let entry = take_entry(&mut entries).ok_or_else(|| fault(index, Check::Bundle, format!("{entries_path} ends before it")))?;
            let hash = take_hash(&mut hashes).ok_or_else(|| fault(index, Check::Tile, format!("{hashes_path} ends before it")))?;
            let leaf = leaf_hash(entry);
            if leaf != hash {
                return Err(fault(index, Check::Leaf, format!("the entry hashes to {leaf}, the tile says {hash}")));
            }
            Entry::parse(entry).map_err(|error| fault(index, Check::Entry, error))?;
            self.append(leaf);
            passed(&self.frontier);
        }
        let last = first + width - 1;
        if !entries.is_empty() {
            return Err(fault(last, Check::Bundle, format!("{entries_path} has {} bytes too many", entries.len())));
        }
        if !hashes.is_empty() {
            return Err(fault(last, Check::Tile, format!("{hashes_path} has {} bytes too many", hashes.len())));
        }
        Ok(())
    }

    fn append(&mut self, leaf: Hash) {
        let upper = &mut self.upper;
        self.frontier.push(leaf, |level, _, hash| {
            let Some(row) = (level / TILE_LEVELS).checked_sub(1).filter(|_| level % TILE_LEVELS == 0) else { return };
            if upper.len() == row as usize {
                upper.push(Vec::new());
            }
            upper[row as usize].push(hash);
        });
        self.report.entries += 1;
    }

    fn upper_tiles(&mut self) -> Result<(), Stop> {
        for (level, row) in (1_u32..).zip(std::mem::take(&mut self.upper)) {
            for (tile, expected) in (0_u64..).zip(row.chunks(256)) {
                let path = tile_path(level, tile, expected.len() as u64);
                let given = self.read(&path, MAX_TILE)?.unwrap_or_default();
                let mut rest = &given[..];
                let wrong = expected.iter().position(|hash| take_hash(&mut rest) != Some(*hash));
                let surplus = (!rest.is_empty()).then_some(expected.len() - 1);
                if let Some(at) = wrong.or(surplus) {
                    let first = (tile * WIDTH + at as u64) << (TILE_LEVELS * level);
                    return Err(fault(first, Check::UpperTile, format!("{path}, hash {at}")));
                }
            }
        }
        Ok(())
    }

    /// Salts the log's keeper disclosed: each must open the commitment of the entry it names.
    fn disclosures(&mut self) -> Result<(), Stop> {
        let Some(bytes) = self.read("salts.jsonl", MAX_SALTS)? else { return Ok(()) };
        let malformed = |line: usize, what: &str| fault(None, Check::Disclosure, format!("salts.jsonl line {line}: {what}"));
        let lines = bytes.strip_suffix(b"\n").ok_or_else(|| malformed(0, "the last line does not end"))?;
        let mut next = 0;
        let mut held: (u64, Vec<Vec<u8>>) = (u64::MAX, Vec::new());
        for (number, line) in (1..).zip(lines.split(|byte| *byte == b'\n')) {
            let salt = canonical::from_bytes(line).ok().and_then(|value| serde_json::from_value::<Disclosure>(value).ok());
            let salt = salt.ok_or_else(|| malformed(number, "not a disclosure"))?;
            if salt.index < next || salt.index >= self.report.size {
                return Err(malformed(number, "its index is not in order or not in the log"));
            }
            next = salt.index + 1;
            if held.0 != salt.index / WIDTH {
                held = (salt.index / WIDTH, self.bundle_entries(salt.index / WIDTH)?);
            }
            let entry = held.1.get((salt.index % WIDTH) as usize).and_then(|bytes| Entry::parse(bytes).ok());
            if !entry.and_then(|entry| entry.client).is_some_and(|commitment| salt.opens(commitment)) {
                return Err(fault(salt.index, Check::Disclosure, format!("salts.jsonl line {number} does not open its commitment")));
            }
            self.report.disclosed += 1;
        }
        Ok(())
    }

    fn bundle_entries(&mut self, bundle: u64) -> Result<Vec<Vec<u8>>, Stop> {
        let path = bundle_path(bundle, width_of(bundle, self.report.size));
        let bytes = self.read(&path, MAX_BUNDLE)?.unwrap_or_default();
        let mut rest = &bytes[..];
        Ok(std::iter::from_fn(|| take_entry(&mut rest).map(<[u8]>::to_vec)).collect())
    }

    /// Reads one byte more than may be there, so that a file that is too long shows.
    fn read(&mut self, path: &str, most: usize) -> Result<Option<Vec<u8>>, Stop> {
        let unreadable = |problem| Stop::Unjudged(Unjudged::Unreadable { path: path.to_owned(), problem });
        self.source.read(path, most + 1).map_err(unreadable)
    }
}

/// The size of the earlier checkpoint, when its root is the one this log had at that size.
fn extends(earlier: &Checkpoint, root_then: Option<Hash>, size: u64) -> Result<u64, Stop> {
    match root_then {
        None => Err(fault(size, Check::Earlier, format!("it had {} entries, now {size}", earlier.size))),
        Some(root) if root == earlier.root => Ok(earlier.size),
        Some(_) => Err(fault(0, Check::Earlier, format!("its first {} entries are not those of then", earlier.size))),
    }
}

fn take_hash(tile: &mut &[u8]) -> Option<Hash> {
    let (hash, rest) = tile.split_first_chunk::<32>()?;
    *tile = rest;
    Some(Hash(*hash))
}

/// The report as text for people.
struct Words<'a> {
    report: &'a Report,
    lang: Lang,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        if !report.origin.is_empty() {
            self.line(f, ("logboek", "log"), &report.origin)?;
        }
        if let Some(root) = report.root {
            self.line(f, ("stand", "checkpoint"), &format!("{} {root}", report.size))?;
        }
        self.line(f, ("regels goed", "entries good"), &format!("{} / {}", report.entries, report.size))?;
        if let Some(size) = report.extends {
            self.line(f, ("bouwt voort op", "extends"), &format!("{size} → {}", report.size))?;
        }
        if let Some(size) = report.cosigned {
            self.line(f, ("medeondertekend", "cosigned"), &format!("{size} / {}", report.size))?;
        }
        if report.disclosed > 0 {
            self.line(f, ("vrijgegeven", "disclosed"), &report.disclosed.to_string())?;
        }
        match &report.finding {
            Some(finding) => self.fault(f, finding)?,
            None => self.line(
                f,
                ("uitkomst", "result"),
                self.say("heel en ongewijzigd tot en met deze stand", "whole and unchanged up to this checkpoint"),
            )?,
        }
        if report.own_key {
            let note = self.say(
                "Let op: de sleutel komt uit de export zelf. Geef --vkey met een sleutel die u van de organisatie kreeg; anders kan iedereen deze export hebben gemaakt.",
                "Note: the key comes from the export itself. Give --vkey with a key you had from the organisation; otherwise anybody can have made this export.",
            );
            writeln!(f, "{note}")?;
        }
        let limits = self.say(
            "Niet aangetoond: dat alles is vastgelegd; dat de persoon achter een account die persoon was; wat na deze stand gebeurde.",
            "Not shown: that everything was recorded; that the person behind an account was that person; what happened after this checkpoint.",
        );
        writeln!(f, "{limits}")
    }
}

impl Words<'_> {
    fn say<'t>(&self, nl: &'t str, en: &'t str) -> &'t str {
        match self.lang {
            Lang::Nl => nl,
            Lang::En => en,
        }
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, name: (&str, &str), value: &str) -> fmt::Result {
        writeln!(f, "{:<16}{value}", self.say(name.0, name.1))
    }

    fn fault(&self, f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
        let index = finding.index.map_or("-".to_owned(), |index| index.to_string());
        self.line(f, ("eerste foute", "first bad"), &index)?;
        self.line(f, ("controle", "check"), &format!("{}: {}", finding.check.code(), finding.check.sentence(self.lang)))?;
        self.line(f, ("bijzonderheden", "detail"), &finding.detail)?;
        self.line(
            f,
            ("uitkomst", "result"),
            self.say("NIET HEEL: dit logboek is veranderd of onvolledig", "NOT WHOLE: this log was changed or is incomplete"),
        )
    }
}
