//! Covenants and party records named in a configuration: whether they can be read, bind, and agree with our keys and certificate.

use std::path::Path;

use jiff::Timestamp;
use schakel_certs::profile;
use schakel_domain::covenant::signed::MAX_BUNDLE_BYTES;
use schakel_domain::covenant::{Book, SignedCovenant};
use schakel_domain::party_record::{MAX_RECORD_BYTES, SignedPartyRecord};
use schakel_domain::signature::PublicKey;

use super::{Both, Found, reading};
use crate::bounded::{self, MAX_CERTIFICATE_BYTES};
use crate::config::keys;

const COVENANT: Both<'static> = (
    "Haal de ondertekende versie opnieuw op; `schakel covenant verify` zegt wat er niet klopt.",
    "Fetch the signed version again; `schakel covenant verify` says what does not hold.",
);
const RECORD: Both<'static> = (
    "Maak en onderteken nieuwe partijgegevens met `schakel record new` en `schakel record sign`.",
    "Make and sign a new party record with `schakel record new` and `schakel record sign`.",
);

impl Found<'_> {
    pub(super) fn documents(&mut self, now: Timestamp) {
        let config = self.config;
        let ours: Vec<PublicKey> = config.keys.root.iter().filter_map(|path| keys::read_public(path).ok()).collect();
        let mut book = Book::new(config.organization.clone(), ours.clone());
        for (at, file) in config.agreements.covenants.iter().enumerate() {
            let path = format!("agreements.covenants[{at}]");
            let install = |bundle: SignedCovenant| book.install(bundle).map(drop);
            let read = read(file, MAX_BUNDLE_BYTES)
                .and_then(|bytes| SignedCovenant::from_json(&bytes).and_then(install).map_err(|e| e.to_string()));
            if let Err(why) = read {
                self.failed(path, &format!("{}: {why}", file.display()), reading(file, COVENANT));
            }
        }
        for (at, file) in config.agreements.records.iter().enumerate() {
            let path = format!("agreements.records[{at}]");
            let read = read(file, MAX_RECORD_BYTES);
            match read.and_then(|bytes| SignedPartyRecord::from_json(&bytes).map_err(|refusal| refusal.to_string())) {
                Err(why) => self.failed(path, &format!("{}: {why}", file.display()), reading(file, RECORD)),
                Ok(signed) if signed.record.org == config.organization => self.own_record(&path, &signed, &ours, now),
                Ok(signed) => self.record(&path, &signed, &book.root_keys(&signed.record.org, now), now),
            }
        }
    }

    fn record(&mut self, path: &str, signed: &SignedPartyRecord, roots: &[PublicKey], now: Timestamp) {
        if !roots.iter().any(|key| signed.verify(key).is_ok()) {
            let org = &signed.record.org;
            self.error(
                path,
                (&format!("is niet ondertekend met een hoofdsleutel van {org}."), &format!("is not signed with a root key of {org}.")),
                RECORD,
            );
        }
        if signed.record.expires <= now {
            self.warning(path, ("is verlopen.", "has expired."), RECORD);
        }
    }

    /// Our own record must say what this gateway will show: its signing key and its certificate.
    fn own_record(&mut self, path: &str, signed: &SignedPartyRecord, roots: &[PublicKey], now: Timestamp) {
        self.record(path, signed, roots, now);
        let config = self.config;
        if let Ok(key) = keys::read_private(&config.keys.signing) {
            let named = signed.record.signing_key(&key.public().key_id()).is_some_and(|entry| entry.valid_at(now));
            self.unless(
                named,
                path,
                ("noemt keys.signing niet als geldige sleutel.", "does not name keys.signing as a key that counts now."),
                RECORD,
            );
        }
        let identity = read(&config.federation.certificate, MAX_CERTIFICATE_BYTES).ok().and_then(|bytes| profile::identity(&bytes).ok());
        if let Some(identity) = identity {
            let named = signed.record.tls.holds(&identity.spki, &identity.subject.uri());
            self.unless(named, path, ("noemt federation.certificate niet.", "does not name federation.certificate."), RECORD);
        }
    }
}

fn read(path: &Path, most: usize) -> Result<Vec<u8>, String> {
    bounded::read(path, most).map_err(|error| error.to_string())
}
