//! What a configuration promises and what it speaks of: values that fit together, keys that can be read, certificates that are ours.

mod agreements;
mod doors;
mod folders;
mod issuers;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use jiff::{SignedDuration, Timestamp};

use super::keys::{self, KeyFileError};
use super::{AdminDoor, Config, Problem, StoreKind};
use crate::vault::FileKey;

/// Longest name or text in a configuration, in characters.
const MAX_TEXT: usize = 200;
/// Most connections, handshakes or streams a bound may allow.
const MAX_BOUND: usize = 100_000;
/// Longest grace of a revocation list.
const MAX_GRACE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Most documents, keys or issuers in one list.
const MAX_LIST: usize = 100;

/// Whether addresses are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// Each is opened and closed again.
    Try,
    /// The gateway runs now, and has them open itself.
    InUse,
}

type Both<'a> = (&'a str, &'a str);

const OWNER: Both<'static> = (
    "Geef het bestand aan de gebruiker van de gateway (`chown schakel: BESTAND`), en draai deze controle als die gebruiker.",
    "Give the file to the gateway's user (`chown schakel: FILE`), and run this check as that user.",
);

const FILL_IN: Both<'static> = ("Vul een korte tekst in.", "Fill in a short text.");
const READ_KEY: Both<'static> = (
    "Maak de sleutel met `schakel keys new`, of geef de eigenaar alleen het recht te lezen.",
    "Make the key with `schakel keys new`, or let its owner alone read it.",
);

/// What can be seen in the text alone. Empty when it holds together.
#[must_use]
pub(super) fn values(config: &Config) -> Vec<Problem> {
    let mut found = Found { config, problems: Vec::new() };
    found.texts();
    found.store();
    found.issuers();
    found.admin();
    found.bounds();
    found.addresses();
    found.problems.extend(config.telemetry.iter().flat_map(super::Telemetry::problems));
    found.problems
}

/// Everything the configuration names: files, folders, certificates, addresses, documents.
pub(super) fn surroundings(config: &Config, now: Timestamp, ports: Ports) -> Vec<Problem> {
    let mut found = Found { config, problems: Vec::new() };
    found.data();
    found.folders();
    found.operators();
    found.keys();
    found.doors(now);
    found.token_keys();
    found.documents(now);
    if ports == Ports::Try {
        found.ports();
    }
    found.problems
}

/// What to do about a file that cannot be used: another thing when it is there and this user may not read it.
fn reading<'a>(file: &Path, usual: Both<'a>) -> Both<'a> {
    remedy_of(&File::open(file), usual)
}

fn remedy_of<'a>(opened: &std::io::Result<File>, usual: Both<'a>) -> Both<'a> {
    match opened {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => OWNER,
        _ => usual,
    }
}

struct Found<'a> {
    config: &'a Config,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn error(&mut self, path: impl Into<String>, what: Both<'_>, remedy: Both<'_>) {
        self.problems.push(Problem::error(path, what, remedy));
    }

    fn warning(&mut self, path: impl Into<String>, what: Both<'_>, remedy: Both<'_>) {
        self.problems.push(Problem::error(path, what, remedy).warning());
    }

    fn unless(&mut self, holds: bool, path: &str, what: Both<'_>, remedy: Both<'_>) {
        if !holds {
            self.error(path, what, remedy);
        }
    }

    /// Reports why something cannot be read; the words of the system are English.
    fn failed(&mut self, path: impl Into<String>, why: &dyn std::fmt::Display, remedy: Both<'_>) {
        self.error(path, (&format!("is niet bruikbaar ({why})."), &format!("cannot be used ({why}).")), remedy);
    }

    fn texts(&mut self) {
        let config = self.config;
        let mut texts = vec![("gateway", &config.gateway), ("responsible.function", &config.responsible.function)];
        texts.extend(
            config.file_drop.iter().flat_map(|drop| {
                [("file_drop.function", &drop.function), ("file_drop.name", &drop.name), ("file_drop.client", &drop.client)]
            }),
        );
        for (path, text) in texts {
            let fits = (1..=MAX_TEXT).contains(&text.trim().chars().count()) && !text.chars().any(char::is_control);
            self.unless(fits, path, ("is leeg of te lang.", "is empty or too long."), FILL_IN);
        }
        let name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        self.unless(
            name(&config.gateway),
            "gateway",
            ("is geen naam.", "is not a name."),
            ("Gebruik letters, cijfers, -, . en _.", "Use letters, digits, -, . and _."),
        );
    }

    fn store(&mut self) {
        let store = &self.config.store;
        let (wrong, belongs) = match store.kind {
            StoreKind::Sqlite => (store.url_file.is_some().then_some("store.url_file"), "postgres"),
            StoreKind::Postgres => (store.path.is_some().then_some("store.path"), "sqlite"),
        };
        if let Some(path) = wrong {
            self.error(
                path,
                (&format!("hoort bij kind = \"{belongs}\"."), &format!("belongs to kind = \"{belongs}\".")),
                ("Haal het weg of verander kind.", "Remove it or change kind."),
            );
        }
        self.unless(
            store.kind == StoreKind::Sqlite || store.url_file.is_some(),
            "store.url_file",
            ("ontbreekt.", "is missing."),
            ("Noem het bestand (rechten 0600) met de URL van de database.", "Name the file (mode 0600) that holds the database URL."),
        );
        let bound = (Some(1), "1", "1000", 1000);
        self.at_most("store.readers", store.readers.map(|count| count as usize), bound);
        self.at_most("store.reserve_mib", store.reserve_mib.map(|mib| mib as usize), (None, "0", "1024", 1024));
    }

    /// A number between a least (none: zero) and a most.
    fn at_most(&mut self, path: &str, value: Option<usize>, (least, low, high, most): (Option<usize>, &str, &str, usize)) {
        let fits = value.is_none_or(|value| (least.unwrap_or(0)..=most).contains(&value));
        self.unless(
            fits,
            path,
            ("ligt buiten de grenzen.", "is out of bounds."),
            (&format!("Kies een getal van {low} tot {high}."), &format!("Choose a number from {low} to {high}.")),
        );
    }

    fn admin(&mut self) {
        let AdminDoor { socket, listen, certificate, key, trust, operators: _, crls: _ } = &self.config.admin;
        self.unless(
            socket.is_some() != listen.is_some(),
            "admin",
            ("heeft een socket of een adres nodig, en niet beide.", "needs a socket or an address, and not both."),
            ("Houd socket of listen over.", "Keep socket or listen."),
        );
        for (path, file) in [("admin.certificate", certificate), ("admin.key", key), ("admin.trust", trust)] {
            self.unless(
                listen.is_none() || file.is_some(),
                path,
                ("ontbreekt.", "is missing."),
                ("Een adres vraagt certificate, key en trust.", "An address needs certificate, key and trust."),
            );
        }
    }

    fn bounds(&mut self) {
        let config = self.config;
        let limits = &config.limits;
        let counts = [
            ("limits.connections", limits.connections),
            ("limits.connections_per_source", limits.connections_per_source),
            ("limits.handshakes", limits.handshakes),
            ("limits.streams", limits.streams.map(|count| count as usize)),
            ("limits.messages_per_second", limits.messages_per_second.map(|count| count as usize)),
        ];
        for (path, count) in counts {
            self.at_most(path, count, (Some(1), "1", "100000", MAX_BOUND));
        }
        self.unless(
            config.revocation.grace.is_none_or(|grace| grace.duration() <= MAX_GRACE),
            "revocation.grace",
            ("is langer dan 14 dagen.", "is longer than 14 days."),
            (
                "Een verlopen lijst zegt niets over wat daarna is ingetrokken; kies hoogstens 14d.",
                "An expired list says nothing of what was revoked since; choose 14d at most.",
            ),
        );
        let lists = [
            ("keys.root", config.keys.root.len()),
            ("agreements.covenants", config.agreements.covenants.len()),
            ("agreements.records", config.agreements.records.len()),
            ("federation.crls", config.federation.crls.len()),
            ("care.crls", config.care.crls.len()),
            ("audit.crls", config.audit.crls.len()),
            ("admin.crls", config.admin.crls.len()),
            ("care.issuers", config.care.issuers.len()),
            ("audit.issuers", config.audit.issuers.len()),
        ];
        for (path, length) in lists {
            self.unless(length <= MAX_LIST, path, ("is te lang.", "is too long."), ("Houd er hoogstens 100 over.", "Keep 100 at most."));
        }
        self.unless(
            !config.keys.root.is_empty(),
            "keys.root",
            ("is leeg.", "is empty."),
            ("Noem het bestand met uw publieke hoofdsleutel.", "Name the file with your public root key."),
        );
    }

    fn listening(&self) -> Vec<(&'static str, SocketAddr)> {
        let config = self.config;
        let mut all = vec![
            ("federation.listen", config.federation.listen),
            ("care.listen", config.care.listen),
            ("audit.listen", config.audit.listen),
        ];
        all.extend(config.admin.listen.map(|address| ("admin.listen", address)));
        all
    }

    fn addresses(&mut self) {
        let mut seen: BTreeMap<SocketAddr, &str> = BTreeMap::new();
        for (path, address) in self.listening() {
            if let Some(first) = seen.insert(address, path).filter(|_| address.port() != 0) {
                self.error(
                    path,
                    (&format!("is hetzelfde adres als {first}."), &format!("is the same address as {first}.")),
                    ("Geef elke deur een eigen poort.", "Give every door a port of its own."),
                );
            }
        }
    }

    fn ports(&mut self) {
        for (path, address) in self.listening() {
            if let Err(error) = TcpListener::bind(address) {
                self.error(
                    path,
                    (&format!("{address} kan niet worden geopend ({error})."), &format!("{address} cannot be opened ({error}).")),
                    (
                        "Kies een vrije poort, of gebruik --running als deze gateway nu draait.",
                        "Choose a free port, or use --running when this gateway runs now.",
                    ),
                );
            }
        }
    }

    fn data(&mut self) {
        let config = self.config;
        let make = ("Maak de map met rechten 0700.", "Make the folder with mode 0700.");
        match std::fs::metadata(&config.data) {
            Err(error) => self.failed("data", &format!("{}: {error}", config.data.display()), make),
            Ok(found) if !found.is_dir() => self.failed("data", &format!("{} is not a folder", config.data.display()), make),
            Ok(found) if found.permissions().mode() & 0o077 != 0 => self.warning(
                "data",
                ("anderen kunnen deze map in.", "others can enter this folder."),
                ("Geef de map rechten 0700.", "Give the folder mode 0700."),
            ),
            Ok(_) => {}
        }
    }

    fn keys(&mut self) {
        let config = self.config;
        if let Err(error) = FileKey::read(&config.keys.vault, SystemRandom::new()) {
            self.failed("keys.vault", &error, reading(&config.keys.vault, READ_KEY));
        }
        self.key("keys.signing", &config.keys.signing, keys::read_private(&config.keys.signing).map(drop));
        self.key("keys.log", &config.keys.log, keys::read_log_signer(&config.keys.log, &config.organization).map(drop));
        if let Err(error) = keys::read_log_vkey(&config.keys.log, &config.organization) {
            self.warning(
                "keys.log",
                (
                    &format!("zonder publieke helft kan niemand het logboek controleren ({error})."),
                    &format!("nobody can check the log without its public half ({error})."),
                ),
                ("Zet het bestand .pub van `schakel keys new log` ernaast.", "Put the .pub file of `schakel keys new log` beside it."),
            );
        }
        for (at, path) in config.keys.root.iter().enumerate() {
            self.key(&format!("keys.root[{at}]"), path, keys::read_public(path).map(drop));
        }
        if let Some(path) = config.store.url_file.as_deref().filter(|_| config.store.kind == StoreKind::Postgres) {
            self.key("store.url_file", path, keys::read_url(path).map(drop));
        }
    }

    fn key(&mut self, path: &str, file: &Path, read: Result<(), KeyFileError>) {
        if let Err(error) = read {
            self.failed(path, &error, reading(file, READ_KEY));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_and_may_not_be_read_needs_another_owner_and_no_new_key() {
        let denied = Err(std::io::Error::from(ErrorKind::PermissionDenied));
        let absent = Err(std::io::Error::from(ErrorKind::NotFound));

        assert_eq!(remedy_of(&denied, READ_KEY), OWNER);
        assert_eq!(remedy_of(&absent, READ_KEY), READ_KEY);
    }
}
