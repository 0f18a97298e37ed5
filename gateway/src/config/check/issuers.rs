//! Whose tokens the doors accept, as the text of a configuration says it: one algorithm, one place for its keys, and an address that is safe.

use jiff::SignedDuration;
use jsonwebtoken::Algorithm;

use super::{Both, FILL_IN, Found, MAX_LIST, MAX_TEXT};
use crate::config::Issuer;
use crate::fetch::Url;

/// Longest time that keys count without having been heard of.
const MAX_USABLE: SignedDuration = SignedDuration::from_hours(14 * 24);
const ONE_SOURCE: Both<'static> =
    ("Noem een bestand (jwks) of een adres (jwks_url), en niet beide.", "Name a file (jwks) or an address (jwks_url), and not both.");

impl Found<'_> {
    pub(super) fn issuers(&mut self) {
        let config = self.config;
        for (door, issuers) in [("care", &config.care.issuers), ("audit", &config.audit.issuers)] {
            for (at, issuer) in issuers.iter().enumerate() {
                let path = format!("{door}.issuers[{at}]");
                self.issuer(&path, issuer);
                self.key_source(&path, issuer);
                // An audit door without issuers of its own uses those of the care door.
                let audited = door == "audit" || config.audit.issuers.is_empty();
                let certified = (door == "audit" || config.care.trust.is_some()) && (!audited || config.audit.trust.is_some());
                self.unless(
                    !issuer.bound_tokens || certified,
                    &format!("{path}.bound_tokens"),
                    (
                        "vraagt clientcertificaten, en een deur met deze uitgever kent er geen.",
                        "needs client certificates, and a door with this issuer knows none.",
                    ),
                    (
                        "Noem de CA van eigen systemen (trust) bij care en audit.",
                        "Name the CA of your own systems (trust) at care and audit.",
                    ),
                );
            }
        }
        self.unless(
            config.care.trust.is_some() || !config.care.issuers.is_empty(),
            "care.issuers",
            ("niemand kan deze deur gebruiken.", "nobody could use this door."),
            (
                "Noem een uitgever van tokens (issuers) of een CA van eigen systemen (trust).",
                "Name an issuer of tokens (issuers) or a CA of your own systems (trust).",
            ),
        );
        self.unless(
            config.audit_issuers().iter().any(|issuer| !issuer.two_factor_acr.is_empty()),
            "audit.issuers",
            (
                "niemand kan het logboek lezen: geen uitgever meldt twee factoren.",
                "nobody could read the log: no issuer reports two factors.",
            ),
            ("Vul two_factor_acr in bij een uitgever.", "Fill in two_factor_acr of an issuer."),
        );
    }

    fn issuer(&mut self, path: &str, issuer: &Issuer) {
        for (key, text) in [("issuer", &issuer.issuer), ("audience", &issuer.audience)] {
            let fits = (1..=MAX_TEXT).contains(&text.trim().chars().count());
            self.unless(fits, &format!("{path}.{key}"), ("is leeg of te lang.", "is empty or too long."), FILL_IN);
        }
        let shared = matches!(issuer.algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
        self.unless(
            !shared,
            &format!("{path}.algorithm"),
            (
                "is een gedeeld geheim: wie een token kan lezen kan er ook een maken.",
                "is a shared secret: whoever can check a token can make one.",
            ),
            ("Gebruik ES256, ES384, PS256, PS384, PS512, RS256 of EdDSA.", "Use ES256, ES384, PS256, PS384, PS512, RS256 or EdDSA."),
        );
    }

    /// Where the keys come from.
    fn key_source(&mut self, path: &str, issuer: &Issuer) {
        let field = |name: &str| format!("{path}.{name}");
        let (file, address) = (issuer.jwks.is_some(), issuer.jwks_url.is_some());
        self.unless(
            file != address,
            &field("jwks"),
            ("één plaats voor de sleutels is nodig.", "one place for the keys is needed."),
            ONE_SOURCE,
        );
        let Some(text) = &issuer.jwks_url else {
            let unused = [("jwks_ca", issuer.jwks_ca.is_some()), ("jwks_networks", !issuer.jwks_networks.is_empty())];
            for (name, _) in unused.iter().filter(|(_, set)| *set) {
                self.error(field(name), ("hoort bij jwks_url.", "belongs to jwks_url."), ("Haal het weg.", "Remove it."));
            }
            return;
        };
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(why) => return self.failed(field("jwks_url"), &why, ("Noem een adres met https.", "Name an address with https.")),
        };
        self.unless(
            url.is_secure() == issuer.jwks_ca.is_some(),
            &field("jwks_ca"),
            ("hoort bij https, en alleen daarbij.", "belongs to https, and to that alone."),
            (
                "Noem bij https de CA van die server; van een openbare: /etc/ssl/certs/ca-certificates.crt.",
                "With https name the CA of that server; of a public one: /etc/ssl/certs/ca-certificates.crt.",
            ),
        );
        self.unless(
            issuer.jwks_networks.len() <= MAX_LIST,
            &field("jwks_networks"),
            ("is te lang.", "is too long."),
            ("Houd er hoogstens 100 over.", "Keep 100 at most."),
        );
        let (refresh, usable) = (issuer.jwks_refresh.duration(), issuer.jwks_usable.duration());
        self.unless(
            refresh >= SignedDuration::from_secs(1) && refresh <= usable && usable <= MAX_USABLE,
            &field("jwks_usable"),
            ("past niet bij jwks_refresh.", "does not fit jwks_refresh."),
            (
                "Kies jwks_refresh van 1s of meer, en jwks_usable daarboven en hoogstens 14d: een ingetrokken sleutel blijft zo lang bruikbaar.",
                "Choose a jwks_refresh of 1s or more, and a jwks_usable above it and of 14d at most: a withdrawn key stays usable that long.",
            ),
        );
    }
}
