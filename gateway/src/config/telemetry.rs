//! Where telemetry goes. Without the section `[telemetry]` nothing leaves the gateway and no span is made.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use super::Problem;

/// Most attributes of our own that go with everything.
const MAX_ATTRIBUTES: usize = 16;
/// Longest name or value of one.
const MAX_TEXT: usize = 200;

/// A collector that speaks OTLP over gRPC.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// `https://host:port`; `http://` only to an address of this machine.
    pub endpoint: String,
    /// CA certificates of the collector, PEM; with `https` always.
    #[serde(default)]
    pub trust: Option<PathBuf>,
    /// Our client certificate for the collector, when it asks for one, PEM.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its private key.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Which part of the traces that begin here is recorded, 0 to 1; a trace that somebody else began follows what they chose.
    #[serde(default = "Telemetry::all")]
    pub sampling: f64,
    /// Attributes that go with everything, such as `deployment.environment.name`.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
}

impl Telemetry {
    fn all() -> f64 {
        1.0
    }

    /// Host and port of the collector.
    ///
    /// # Errors
    /// When the endpoint is not one.
    pub fn place(&self) -> Result<String, String> {
        let wrong = || "expected https://host:port, or http://127.0.0.1:port".to_owned();
        let (scheme, place) = self.endpoint.split_once("://").ok_or_else(wrong)?;
        let place = place.trim_end_matches('/');
        match (scheme, place.parse::<SocketAddr>().map(|address| address.ip())) {
            ("https", _) if place.parse::<crate::tls::PeerAddress>().is_ok() => Ok(place.to_owned()),
            ("http", Ok(address)) if IpAddr::is_loopback(&address) => Ok(place.to_owned()),
            _ => Err(wrong()),
        }
    }

    /// The files it names.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.trust, &mut self.certificate, &mut self.key].into_iter().flatten()
    }

    /// What can be seen in the text alone.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut unless = |holds: bool, path: &str, what: (&str, &str), remedy: (&str, &str)| {
            if !holds {
                found.push(Problem::error(path, what, remedy));
            }
        };
        unless(
            self.place().is_ok(),
            "telemetry.endpoint",
            ("is geen adres van een collector.", "is not the address of a collector."),
            (
                "Schrijf https://host:poort; http:// kan alleen naar 127.0.0.1 of ::1.",
                "Write https://host:port; http:// only to 127.0.0.1 or ::1.",
            ),
        );
        unless(
            self.endpoint.starts_with("https://") == self.trust.is_some(),
            "telemetry.trust",
            ("hoort bij https, en kan daar niet gemist worden.", "belongs to https, and cannot be left out there."),
            ("Noem het bestand met de CA van de collector, of haal het weg.", "Name the file with the collector's CA, or remove it."),
        );
        unless(
            self.certificate.is_some() == self.key.is_some() && (self.certificate.is_none() || self.trust.is_some()),
            "telemetry.certificate",
            ("hoort bij telemetry.key, en bij https.", "belongs with telemetry.key, and with https."),
            ("Noem beide bestanden, of geen.", "Name both files, or neither."),
        );
        unless(
            (0.0..=1.0).contains(&self.sampling),
            "telemetry.sampling",
            ("ligt buiten de grenzen.", "is out of bounds."),
            ("Kies een getal van 0 tot 1.", "Choose a number from 0 to 1."),
        );
        let fits = |text: &String| (1..=MAX_TEXT).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        unless(
            self.resource.len() <= MAX_ATTRIBUTES && self.resource.iter().all(|(name, value)| fits(name) && fits(value)),
            "telemetry.resource",
            ("is te veel of te lang.", "is too many or too long."),
            ("Hoogstens 16 korte teksten.", "At most 16 short texts."),
        );
        found
    }
}
