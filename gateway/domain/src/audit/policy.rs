//! Whose cosignatures make a head believable: the file format C2SP tlog-policy, read, judged and written.
//!
//! A policy comes from a trusted hand, never from the export it judges: it names logs, witnesses, groups of them, and the quorum.

use std::collections::BTreeMap;

use super::note::{KeyType, Note, NoteError, Vkey};

/// Largest policy that is read, in bytes.
pub const MAX_POLICY: usize = 1 << 16;
/// Most logs, witnesses and groups of each kind.
const MAX_LINES: usize = 256;

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy line {line}: {problem}")]
pub struct PolicyError {
    /// Line, from 1; 0 when it is about the whole.
    pub line: usize,
    /// What is wrong.
    pub problem: &'static str,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Vkey>,
    witnesses: Vec<(String, Vkey)>,
    /// Members and how many of them; a member is a witness or a group named before.
    groups: Vec<(String, usize, Vec<String>)>,
    quorum: String,
}

/// What a policy says of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The witnesses that cosigned it, by name in the policy, with the time of each cosignature in Unix seconds.
    pub cosigned: BTreeMap<String, u64>,
    /// Whether that is a quorum.
    pub quorum: bool,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`] with the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let whole = |problem| PolicyError { line: 0, problem };
        if bytes.len() > MAX_POLICY {
            return Err(whole("larger than 64 KiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| whole("not UTF-8"))?;
        let mut draft = Self { logs: Vec::new(), witnesses: Vec::new(), groups: Vec::new(), quorum: String::new() };
        for (line, text) in (1..).zip(text.split('\n')) {
            let words: Vec<&str> = text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            if words.first().is_some_and(|word| !word.starts_with('#')) {
                draft.line(&words).map_err(|problem| PolicyError { line, problem })?;
            }
        }
        if draft.quorum.is_empty() { Err(whole("there is no quorum line")) } else { Ok(draft) }
    }

    fn line(&mut self, words: &[&str]) -> Result<(), &'static str> {
        if self.logs.len().max(self.witnesses.len()).max(self.groups.len()) >= MAX_LINES {
            return Err("more than 256 lines of a kind");
        }
        match words {
            ["log", vkey] | ["log", vkey, _] => {
                let vkey = key(vkey, KeyType::Ed25519)?;
                if self.logs.iter().any(|known| known.public() == vkey.public()) {
                    return Err("this log is named twice");
                }
                self.logs.push(vkey);
            }
            ["witness", name, vkey] | ["witness", name, vkey, _] => {
                let vkey = key(vkey, KeyType::Cosignature)?;
                self.fresh(name)?;
                if self.witnesses.iter().any(|(_, known)| known.public() == vkey.public()) {
                    return Err("this witness is named twice");
                }
                self.witnesses.push(((*name).to_owned(), vkey));
            }
            ["group", name, count, members @ ..] if !members.is_empty() => {
                self.fresh(name)?;
                if !members.iter().all(|member| self.knows(member)) {
                    return Err("a member is not named on an earlier line");
                }
                let taken = |member: &&&str| self.groups.iter().any(|(_, _, of)| of.iter().any(|known| known == **member));
                let twice = members.iter().enumerate().any(|(at, member)| members[..at].contains(member));
                if twice || members.iter().any(|member| taken(&member)) {
                    return Err("a member counts in one group only");
                }
                let count = match *count {
                    "all" => members.len(),
                    "any" => 1,
                    number => number
                        .parse()
                        .ok()
                        .filter(|k| (1..=members.len()).contains(k))
                        .ok_or("all, any, or 1 up to the number of members")?,
                };
                self.groups.push(((*name).to_owned(), count, members.iter().map(|member| (*member).to_owned()).collect()));
            }
            ["quorum", name] if !self.quorum.is_empty() => return Err(if name.is_empty() { "empty" } else { "a second quorum line" }),
            ["quorum", name] if *name == "none" || self.knows(name) => self.quorum = (*name).to_owned(),
            ["quorum", _] => return Err("the quorum is not named on an earlier line"),
            _ => return Err("expected log, witness, group or quorum"),
        }
        Ok(())
    }

    fn knows(&self, name: &str) -> bool {
        self.witnesses.iter().any(|(known, _)| known == name) || self.groups.iter().any(|(known, _, _)| known == name)
    }

    fn fresh(&self, name: &str) -> Result<(), &'static str> {
        if name == "none" || self.knows(name) { Err("this name is taken") } else { Ok(()) }
    }

    /// The logs it speaks of; empty: any.
    #[must_use]
    pub fn logs(&self) -> &[Vkey] {
        &self.logs
    }

    /// Whose cosignatures are under this note, and whether they are a quorum. Lines of unknown keys are passed over.
    ///
    /// # Errors
    /// [`NoteError::Signature`] when a line of a known witness does not fit: such a note is refused as a whole.
    pub fn judge(&self, note: &Note) -> Result<Standing, NoteError> {
        let mut cosigned = BTreeMap::new();
        for (name, vkey) in &self.witnesses {
            match vkey.verify_cosignature(note) {
                Ok(time) => drop(cosigned.insert(name.clone(), time)),
                Err(NoteError::Unsigned) => {}
                Err(error) => return Err(error),
            }
        }
        let quorum = self.quorum == "none" || self.holds(&self.quorum, &cosigned);
        Ok(Standing { cosigned, quorum })
    }

    fn holds(&self, name: &str, cosigned: &BTreeMap<String, u64>) -> bool {
        match self.groups.iter().find(|(known, _, _)| known == name) {
            // Members are named before their group: this ends.
            Some((_, count, members)) => members.iter().filter(|member| self.holds(member, cosigned)).count() >= *count,
            None => cosigned.contains_key(name),
        }
    }

    /// The text of a policy: this log, and so many of these witnesses.
    #[must_use]
    pub fn text(log: &Vkey, witnesses: &[Vkey], quorum: usize) -> String {
        let mut text = format!("log {log}\n");
        for witness in witnesses {
            text.push_str(&format!("witness {} {witness}\n", witness.name()));
        }
        if witnesses.is_empty() || quorum == 0 {
            return text + "quorum none\n";
        }
        let names: Vec<&str> = witnesses.iter().map(Vkey::name).collect();
        text + &format!("group peers {quorum} {}\nquorum peers\n", names.join(" "))
    }
}

fn key(text: &str, expected: KeyType) -> Result<Vkey, &'static str> {
    let vkey: Vkey = text.parse().map_err(|_| "not a verifier key")?;
    if vkey.key_type() == expected { Ok(vkey) } else { Err("a key of another type than this line needs") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::note::Signer;

    fn signer(name: &str, key_type: KeyType, seed: u8) -> Signer {
        Signer::from_seed(name, key_type, &[seed; 32]).unwrap()
    }

    fn witness(seed: u8) -> Signer {
        signer(&format!("schakel/ura:9000000{seed}"), KeyType::Cosignature, seed)
    }

    fn note(by: &[u8]) -> Note {
        let mut note = signer("schakel/ura:90000009", KeyType::Ed25519, 9).sign("schakel/ura:90000009\n1\nx\n").unwrap();
        let lines: Vec<_> = by.iter().map(|seed| witness(*seed).cosign(&note, 100 + u64::from(*seed)).unwrap()).collect();
        note.signatures.extend(lines);
        note
    }

    #[test]
    fn a_quorum_is_so_many_of_the_named_witnesses_and_nobody_else() {
        let log = signer("schakel/ura:90000009", KeyType::Ed25519, 9);
        let witnesses: Vec<Vkey> = [1, 2, 3].map(|seed| witness(seed).vkey().clone()).into();
        let policy = Policy::parse(Policy::text(log.vkey(), &witnesses, 2).as_bytes()).unwrap();

        for (by, quorum) in [(&[][..], false), (&[1], false), (&[1, 4, 5], false), (&[1, 3], true), (&[1, 2, 3], true)] {
            assert_eq!(policy.judge(&note(by)).unwrap().quorum, quorum, "{by:?}");
        }
        assert_eq!(policy.judge(&note(&[3, 7])).unwrap().cosigned, BTreeMap::from([("schakel/ura:90000003".to_owned(), 103)]));
        assert_eq!(policy.logs(), [log.vkey().clone()]);
        let mut spoilt = note(&[1, 2]);
        spoilt.signatures[1].payload[9] ^= 1;
        assert_eq!(policy.judge(&spoilt), Err(NoteError::Signature));
    }

    #[test]
    fn groups_of_groups_hold_as_the_specification_says() {
        let lines: String = [1, 2, 3, 4].map(|seed| format!(" witness\tw{seed} {}\n", witness(seed).vkey())).concat();
        let text = format!("# a comment\n\n{lines}group x 2 w1 w2\ngroup y any w3 w4\ngroup both all x y\nquorum both\n");

        let policy = Policy::parse(text.as_bytes()).unwrap();

        for (by, quorum) in [(&[1, 2][..], false), (&[1, 3, 4], false), (&[1, 2, 4], true)] {
            assert_eq!(policy.judge(&note(by)).unwrap().quorum, quorum, "{by:?}");
        }
    }

    #[test]
    fn what_is_no_policy_is_refused_with_its_line() {
        let (w, v) = (witness(1).vkey().to_string(), witness(2).vkey().to_string());
        let log = signer("schakel/ura:90000009", KeyType::Ed25519, 9).vkey().to_string();
        for (line, text) in [
            (0, String::new()),
            (0, format!("witness a {w}\n")),
            (1, "quorum a\n".to_owned()),
            (1, format!("log {w}\n")),
            (1, format!("witness a {log}\n")),
            (2, format!("witness a {w}\nwitness b {w}\n")),
            (2, format!("witness a {w}\nwitness a {v}\n")),
            (2, format!("witness a {w}\ngroup g 2 a\n")),
            (2, format!("witness a {w}\ngroup g 0 a\n")),
            (2, format!("witness a {w}\ngroup g any a a\n")),
            (3, format!("witness a {w}\ngroup g any a\ngroup h any a\n")),
            (2, "quorum none\nquorum none\n".to_owned()),
            (1, "witnesses\n".to_owned()),
        ] {
            assert_eq!(Policy::parse(text.as_bytes()).map_err(|error| error.line), Err(line), "{text}");
        }
    }
}
