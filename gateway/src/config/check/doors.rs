//! Certificates, trust and token keys of the doors.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use schakel_certs::identity::Subject;
use schakel_certs::profile;
use schakel_domain::refusal::Lang;

use super::{Both, Found, reading};
use crate::bounded::{self, MAX_CERTIFICATE_BYTES};
use crate::doors::caller;
use crate::tls::{self, Files, ListState, Material};

const TLS_FILES: Both<'static> = (
    "Vraag een certificaat aan met `schakel certs csr`; bij een proef maakt `schakel certs dev` alles.",
    "Request a certificate with `schakel certs csr`; for a trial `schakel certs dev` makes everything.",
);
const NO_LISTS: Both<'static> = (
    "is leeg: een ingetrokken certificaat van een ander blijft bruikbaar tot zijn partijgegevens veranderen.",
    "is empty: a revoked certificate of a peer stays usable until its party record changes.",
);
const NAME_LISTS: Both<'static> =
    ("Noem de intrekkingslijst van elke CA van de federatie.", "Name the revocation list of every CA of the federation.");
const FETCH_LIST: Both<'static> = ("Haal de intrekkingslijst opnieuw op bij de CA.", "Fetch the revocation list from the CA again.");
const RENEW: Both<'static> = ("Vernieuw het certificaat.", "Renew the certificate.");
const EXPORT: Both<'static> = ("Haal de JWKS opnieuw op bij de uitgever.", "Fetch the JWKS from the issuer again.");
const ISSUER_CA: Both<'static> = (
    "Noem de CA van de uitgever; van een openbare: /etc/ssl/certs/ca-certificates.crt.",
    "Name the CA of the issuer; of a public one: /etc/ssl/certs/ca-certificates.crt.",
);

impl Found<'_> {
    pub(super) fn doors(&mut self, now: Timestamp) {
        let config = self.config;
        if let Some(material) = self.material("federation", &config.federation_files()) {
            self.gateway_certificate(&config.federation.certificate, now);
            self.lists("federation", &material, now);
            if material.revocation.is_empty() {
                self.warning("federation.crls", NO_LISTS, NAME_LISTS);
            }
        }
        for (name, door) in [("care", &config.care), ("audit", &config.audit)] {
            if let Some(material) = self.material(name, &config.local_files(door)) {
                self.dates(&format!("{name}.certificate"), &door.certificate, now);
                self.lists(name, &material, now);
            }
        }
        if let Some((_, files)) = config.admin_tls()
            && let Some(material) = self.material("admin", &files)
        {
            self.dates("admin.certificate", &files.certificate, now);
            self.lists("admin", &material, now);
        }
    }

    /// Key, certificate, trust and revocation lists, when they can be used together.
    fn material(&mut self, door: &str, files: &Files) -> Option<Material> {
        let error = match Material::from_files(files) {
            Ok(material) => return Some(material),
            Err(error) => error,
        };
        let text = error.to_string();
        let about = |path: &Path| text.starts_with(&path.display().to_string());
        let list = files.revocation.lists.iter().find(|list| about(list));
        let (part, file, remedy) = if about(&files.key) {
            ("key", &files.key, TLS_FILES)
        } else if let Some(list) = list {
            ("crls", list, FETCH_LIST)
        } else if about(&files.trust) && !about(&files.certificate) {
            ("trust", &files.trust, TLS_FILES)
        } else {
            ("certificate", &files.certificate, TLS_FILES)
        };
        self.failed(format!("{door}.{part}"), &text, reading(file, remedy));
        None
    }

    /// Whether the revocation lists still count.
    fn lists(&mut self, door: &str, material: &Material, now: Timestamp) {
        for list in material.revocation.info() {
            let what = format!("{}: {}", list.file.display(), list.ends);
            let (nl, en) = match list.state(now) {
                ListState::Fresh => continue,
                ListState::Grace => ("is verlopen en geldt nog even", "has expired and counts a little longer"),
                // No error: the other doors of this gateway are still wanted.
                ListState::Expired => ("is verlopen: wie zij moet dekken wordt geweigerd", "has expired: whoever it covers is refused"),
            };
            self.warning(format!("{door}.crls"), (&format!("{nl} ({what})."), &format!("{en} ({what}).")), FETCH_LIST);
        }
    }

    /// The certificate peers see: by the profile, and ours.
    fn gateway_certificate(&mut self, file: &Path, now: Timestamp) {
        let Ok(bytes) = bounded::read(file, MAX_CERTIFICATE_BYTES) else { return };
        let path = "federation.certificate";
        for finding in profile::check(&bytes, now) {
            let what = |lang: Lang| format!("{} ({})", finding.what(lang), finding.field);
            let (what, remedy) = ((what(Lang::Nl), what(Lang::En)), (finding.remedy(Lang::Nl), finding.remedy(Lang::En)));
            match finding.severity {
                profile::Severity::Error => self.error(path, (&what.0, &what.1), remedy),
                profile::Severity::Warning => self.warning(path, (&what.0, &what.1), remedy),
            }
        }
        let Ok(identity) = profile::identity(&bytes) else { return };
        if identity.subject != Subject::Organization(self.config.organization.clone()) {
            let (found, ours) = (identity.subject.uri(), &self.config.organization);
            self.error(
                path,
                (&format!("staat op naam van {found}, niet van {ours}."), &format!("stands for {found}, not for {ours}.")),
                ("Gebruik het certificaat van uw eigen organisatie.", "Use the certificate of your own organisation."),
            );
        }
        // The profile itself warns when little time is left.
        let soon = self.ends_soon(identity.not_after, now) && profile::check(&bytes, now).is_empty();
        if soon {
            self.ending(path, identity.not_after);
        }
    }

    fn dates(&mut self, path: &str, file: &Path, now: Timestamp) {
        let Ok(bytes) = bounded::read(file, MAX_CERTIFICATE_BYTES) else { return };
        let Some((from, until)) = validity(&bytes) else { return };
        if now < from || until < now {
            self.error(
                path,
                (&format!("geldt van {from} tot {until}, niet nu."), &format!("is valid from {from} to {until}, not now.")),
                RENEW,
            );
        } else if self.ends_soon(until, now) {
            self.ending(path, until);
        }
    }

    fn ends_soon(&self, until: Timestamp, now: Timestamp) -> bool {
        now.duration_until(until) < SignedDuration::from_hours(24 * i64::from(self.config.alarms.certificate_days))
    }

    fn ending(&mut self, path: &str, until: Timestamp) {
        self.warning(path, (&format!("verloopt op {until}."), &format!("ends at {until}.")), RENEW);
    }

    pub(super) fn token_keys(&mut self) {
        let config = self.config;
        for (door, issuers) in [("care", &config.care.issuers), ("audit", &config.audit.issuers)] {
            for (at, issuer) in issuers.iter().enumerate() {
                // The very reading of the door: what passes here does not stop the start.
                if let Some(file) = &issuer.jwks
                    && let Err(error) = caller::Issuer::load(&issuer.settings())
                {
                    self.failed(format!("{door}.issuers[{at}].jwks"), &error, reading(file, EXPORT));
                }
                if let Some(file) = &issuer.jwks_ca
                    && let Err(error) = tls::check_trust(file)
                {
                    self.failed(format!("{door}.issuers[{at}].jwks_ca"), &error, reading(file, ISSUER_CA));
                }
            }
        }
    }
}

fn validity(bytes: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let pem = x509_parser::pem::Pem::iter_from_buffer(bytes).next()?.ok()?;
    let certificate = pem.parse_x509().ok()?;
    let moment = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).ok();
    Some((moment(certificate.validity().not_before)?, moment(certificate.validity().not_after)?))
}
