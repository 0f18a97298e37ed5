//! Certificates, trust and token keys of the doors.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use schakel_certs::identity::Subject;
use schakel_certs::profile;
use schakel_domain::refusal::Lang;

use super::{Both, Found, reading};
use crate::bounded::{self, MAX_CERTIFICATE_BYTES};
use crate::doors::caller;
use crate::tls::{Files, Material};

const TLS_FILES: Both<'static> = (
    "Vraag een certificaat aan met `schakel certs csr`; bij een proef maakt `schakel certs dev` alles.",
    "Request a certificate with `schakel certs csr`; for a trial `schakel certs dev` makes everything.",
);
const RENEW: Both<'static> = ("Vernieuw het certificaat.", "Renew the certificate.");
const EXPORT: Both<'static> = ("Haal de JWKS opnieuw op bij de uitgever.", "Fetch the JWKS from the issuer again.");

impl Found<'_> {
    pub(super) fn doors(&mut self, now: Timestamp) {
        let config = self.config;
        if self.material("federation", &config.federation.files()) {
            self.gateway_certificate(&config.federation.certificate, now);
        }
        for (name, door) in [("care", &config.care), ("audit", &config.audit)] {
            // A door without client certificates is checked against its own certificate's file where trust would stand.
            let files = Files {
                certificate: door.certificate.clone(),
                key: door.key.clone(),
                trust: door.trust.clone().unwrap_or_else(|| config.federation.trust.clone()),
            };
            if self.material(name, &files) {
                self.dates(&format!("{name}.certificate"), &door.certificate, now);
            }
        }
        if let Some((_, files)) = config.admin.tls()
            && self.material("admin", &files)
        {
            self.dates("admin.certificate", &files.certificate, now);
        }
    }

    /// Whether key, certificate and trust can be used together.
    fn material(&mut self, door: &str, files: &Files) -> bool {
        let Err(error) = Material::from_files(files) else { return true };
        let text = error.to_string();
        let about = |path: &Path| text.starts_with(&path.display().to_string());
        let (part, file) = if about(&files.key) {
            ("key", &files.key)
        } else if about(&files.trust) && !about(&files.certificate) {
            ("trust", &files.trust)
        } else {
            ("certificate", &files.certificate)
        };
        self.failed(format!("{door}.{part}"), &text, reading(file, TLS_FILES));
        false
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
                if let Err(error) = caller::Issuer::load(&issuer.settings()) {
                    self.failed(format!("{door}.issuers[{at}].jwks"), &error, reading(&issuer.jwks, EXPORT));
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
