//! Why a connection failed, as a reason of the catalogue: from the alert the other side sent, or from what we found ourselves.
//!
//! An alert is all that TLS lets the refusing side say. Two are chosen on purpose by our own doors (`trust`): `access_denied` when a
//! good certificate is not bound to a party, and `bad_certificate_status_response` when nothing can be said of its revocation, which
//! TLS has no alert of its own for.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};
use schakel_domain::refusal::{Reason, Refusal, Stage};

use super::trust::NotAcceptable;

/// Longest detail shown, in characters: parts of it come from the other side.
const DETAIL_MAX: usize = 200;

/// What an error of a connection means for whoever waits.
pub(super) fn of_io(error: &io::Error) -> Refusal {
    let inner = error.get_ref();
    if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<Error>()) {
        return of_tls(tls);
    }
    if let Some(refusal) = inner.and_then(|inner| inner.downcast_ref::<Refusal>()) {
        return refusal.clone();
    }
    refusal(Reason::PeerUnreachable, &error.to_string())
}

/// The same for an error of TLS alone.
pub(super) fn of_tls(error: &Error) -> Refusal {
    match error {
        Error::AlertReceived(alert) => refusal(of_alert(*alert), &format!("alert {alert:?}")),
        Error::InvalidCertificate(CertificateError::Other(other)) => match other.0.downcast_ref::<NotAcceptable>() {
            Some(known) => refusal(known.reason, &known.why),
            None => refusal(Reason::PeerCertificateUnusable, &other.0.to_string()),
        },
        Error::InvalidCertificate(wrong) => refusal(of_certificate(wrong), &wrong.to_string()),
        // The signature of a list is checked when it is used: one that fails says nothing.
        Error::InvalidCertRevocationList(wrong) => refusal(Reason::RevocationListMissing, &format!("the list is not usable: {wrong:?}")),
        Error::NoCertificatesPresented => refusal(Reason::PeerCertificateUnusable, "no certificate"),
        other => refusal(Reason::TlsIncompatible, &other.to_string()),
    }
}

/// Why our own connection must end, or a certificate is not acceptable.
pub(super) fn of_certificate(error: &CertificateError) -> Reason {
    use CertificateError as Wrong;
    match error {
        Wrong::Revoked => Reason::PeerCertificateRevoked,
        Wrong::Expired | Wrong::ExpiredContext { .. } | Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            Reason::PeerCertificateExpired
        }
        Wrong::UnknownRevocationStatus => Reason::RevocationListMissing,
        Wrong::ExpiredRevocationList | Wrong::ExpiredRevocationListContext { .. } => Reason::RevocationListExpired,
        Wrong::UnknownIssuer | Wrong::BadSignature => Reason::PeerCertificateUntrusted,
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } | Wrong::ApplicationVerificationFailure => {
            Reason::PeerCertificateUnbound
        }
        _ => Reason::PeerCertificateUnusable,
    }
}

/// What the other side says of our certificate, or of how we speak.
fn of_alert(alert: AlertDescription) -> Reason {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRevoked => Reason::OwnCertificateRevoked,
        Alert::CertificateExpired => Reason::OwnCertificateExpired,
        Alert::UnknownCA | Alert::DecryptError => Reason::OwnCertificateUntrusted,
        Alert::AccessDenied => Reason::OwnCertificateUnbound,
        Alert::BadCertificateStatusResponse => Reason::OwnCertificateUnknown,
        Alert::BadCertificate | Alert::UnsupportedCertificate | Alert::CertificateUnknown | Alert::CertificateRequired => {
            Reason::OwnCertificateUnusable
        }
        _ => Reason::TlsIncompatible,
    }
}

/// A reason with what was seen, bounded and printable.
pub(super) fn refusal(reason: Reason, detail: &str) -> Refusal {
    let detail: String = detail.chars().filter(|c| !c.is_control()).take(DETAIL_MAX).collect();
    Refusal::new(Stage::Peer, reason).because(detail)
}

#[cfg(test)]
mod tests {
    use schakel_domain::refusal::Lang;

    use super::*;

    #[test]
    fn an_alert_becomes_a_reason_with_a_remedy() {
        let refused = of_tls(&Error::AlertReceived(AlertDescription::CertificateRevoked));

        assert_eq!(
            refused.advice(Lang::En),
            "OWN_CERTIFICATE_REVOKED The peer refuses our certificate: revoked (alert CertificateRevoked). \
             Request a new certificate with a new key, and put that in your party record."
        );
    }
}
