//! What can happen, by name: the event codes of the log (NEN 7513 7.2.1) with their action (7.2.2) and their words for a reader.
//!
//! Codes are kept for years and read by other programs: they are added, never renamed and never reused.

use serde::{Deserialize, Serialize};

use crate::refusal::Lang;

/// NEN 7513 7.2.2, the action code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Something came into being.
    #[serde(rename = "C")]
    Create,
    /// Something was read, shown or sent out.
    #[serde(rename = "R")]
    Read,
    /// Something changed.
    #[serde(rename = "U")]
    Update,
    /// Something was removed.
    #[serde(rename = "D")]
    Delete,
    /// Anything else: a search, a login, a start.
    #[serde(rename = "E")]
    Execute,
}

/// NEN 7513 7.2.5, the result, with the numbers of the FHIR code system audit-event-outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Outcome {
    /// 0: it was done.
    Done,
    /// 4: it was refused, or the request was wrong.
    Refused,
    /// 8: it failed by a fault of this gateway or of a peer.
    Failed,
    /// 12: it failed, and the gateway can do no more work.
    Down,
}

impl From<Outcome> for u8 {
    fn from(outcome: Outcome) -> u8 {
        match outcome {
            Outcome::Done => 0,
            Outcome::Refused => 4,
            Outcome::Failed => 8,
            Outcome::Down => 12,
        }
    }
}

impl TryFrom<u8> for Outcome {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(Outcome::Done),
            4 => Ok(Outcome::Refused),
            8 => Ok(Outcome::Failed),
            12 => Ok(Outcome::Down),
            _ => Err("an outcome is 0, 4, 8 or 12"),
        }
    }
}

macro_rules! events {
    ($($name:ident $code:literal $action:ident $nl:literal $en:literal;)*) => {
        /// Everything that is logged.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventCode { $(#[doc = $en] $name,)* }

        impl EventCode {
            /// Every event, in the order of the catalogue.
            pub const ALL: &'static [EventCode] = &[$(EventCode::$name,)*];

            /// The stable code, such as `handover-viewed`.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(EventCode::$name => $code,)* }
            }

            /// The action code this event has unless its entry says otherwise.
            #[must_use]
            pub fn action(self) -> Action {
                match self { $(EventCode::$name => Action::$action,)* }
            }

            /// What happened, in words.
            #[must_use]
            pub fn words(self, lang: Lang) -> &'static str {
                match (self, lang) { $((EventCode::$name, Lang::Nl) => $nl, (EventCode::$name, Lang::En) => $en,)* }
            }

            /// The event with this code; `None` for the code of a newer version.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|event| event.code() == code)
            }
        }
    };
}

events! {
    // The case.
    CaseOpened "case-opened" Create "Zaak geopend" "Case opened";
    CaseAmended "case-amended" Update "Zaak aangevuld" "Case amended";
    CaseViewed "case-viewed" Read "Zaak ingezien" "Case viewed";
    CaseSearched "case-searched" Execute "Zaken gezocht" "Cases searched";
    CaseExported "case-exported" Read "Zaak geëxporteerd of afgedrukt" "Case exported or printed";
    CaseClosed "case-closed" Update "Zaak gesloten" "Case closed";
    CaseErased "case-erased" Delete "Gegevens van de zaak vernietigd" "Case data erased";
    ErasureAsked "erasure-asked" Update "Vernietiging van de zaak gevraagd" "Erasure of the case asked";
    CaseKept "case-kept" Update "Zaak wordt bewaard" "Case is kept";
    PeerErased "peer-erased" Update "Andere organisatie vernietigde haar dossier en vraagt dat hier" "A peer erased its file and asks it here";
    PeerKeeps "peer-keeps" Update "Andere organisatie bewaart haar dossier" "A peer keeps its file";
    RequestDenied "request-denied" Execute "Verzoek geweigerd" "Request denied";

    // Expertise.
    ConsultationAsked "consultation-asked" Create "Expertise gevraagd" "Expertise asked";
    ConsultationReceived "consultation-received" Create "Expertisevraag ontvangen" "Consultation received";
    ConsultationViewed "consultation-viewed" Read "Expertisevraag ingezien" "Consultation viewed";
    ConsultationBid "consultation-bid" Update "Hulp aangeboden" "Help offered";
    ConsultationDeclined "consultation-declined" Update "Expertisevraag afgewezen" "Consultation declined";
    ConsultationConfirmed "consultation-confirmed" Update "Hulp bevestigd" "Help confirmed";
    ConsultationReleased "consultation-released" Update "Hulp vrijgegeven" "Help released";
    ConsultationAdvised "consultation-advised" Update "Advies gegeven" "Advice given";
    ConsultationEscalated "consultation-escalated" Update "Expertisevraag doorgezet" "Consultation escalated";
    ConsultationUpgraded "consultation-upgraded" Update "Anonieme vraag op naam gezet" "Anonymous consultation named";
    ConsultationClosed "consultation-closed" Update "Expertisevraag gesloten" "Consultation closed";

    // Handover and custody.
    HandoverDrafted "handover-drafted" Create "Overdracht opgesteld" "Handover drafted";
    HandoverAmended "handover-amended" Update "Overdracht aangevuld" "Handover amended";
    HandoverOffered "handover-offered" Create "Overdracht aangeboden" "Handover offered";
    HandoverSent "handover-sent" Read "Overdracht verzonden" "Handover sent";
    HandoverReceived "handover-received" Create "Overdracht ontvangen" "Handover received";
    HandoverViewed "handover-viewed" Read "Overdracht ingezien" "Handover viewed";
    HandoverExported "handover-exported" Read "Overdracht geëxporteerd of afgedrukt" "Handover exported or printed";
    HandoverAccepted "handover-accepted" Update "Overdracht aangenomen" "Handover accepted";
    HandoverDeclined "handover-declined" Update "Overdracht afgewezen" "Handover declined";
    HandoverWithdrawn "handover-withdrawn" Update "Overdracht ingetrokken" "Handover withdrawn";
    HandoverExpired "handover-expired" Update "Overdracht verlopen" "Handover expired";
    CustodyTransferred "custody-transferred" Update "Regie overgedragen" "Lead transferred";
    CustodyReceived "custody-received" Update "Regie ontvangen" "Lead received";
    CustodyReceipted "custody-receipted" Update "Ontvangst van de regie bevestigd" "Receipt of the lead confirmed";
    CustodyRefused "custody-refused" Update "Regie geweigerd" "Lead refused";
    CustodyForced "custody-forced" Update "Regie met twee personen teruggenomen" "Lead reclaimed by two people";
    CustodyContested "custody-contested" Update "Regie betwist" "Lead contested";
    ContestedResolved "contested-resolved" Update "Betwiste regie opgelost" "Contested lead resolved";

    // Messages between gateways.
    MessageSent "message-sent" Read "Bericht verzonden" "Message sent";
    MessageReceived "message-received" Create "Bericht ontvangen" "Message received";
    MessageRefused "message-refused" Execute "Bericht geweigerd" "Message refused";
    OutboxParked "outbox-parked" Update "Bericht geparkeerd" "Message parked";
    OutboxCancelled "outbox-cancelled" Delete "Bericht geannuleerd" "Message cancelled";
    OutboxRetried "outbox-retried" Update "Bericht opnieuw aangeboden" "Message tried again";
    PeerStopped "peer-stopped" Update "Verkeer met een organisatie stilgezet" "Traffic with a peer stopped";
    OperationsViewed "operations-viewed" Read "Berichten of verbindingen ingezien" "Messages or connections viewed";
    EventsWatched "events-watched" Read "Gebeurtenissen gevolgd" "Events watched";
    PeerResumed "peer-resumed" Update "Verkeer met een organisatie hervat" "Traffic with a peer resumed";

    // Agreements and rights.
    CovenantActivated "covenant-activated" Update "Convenant van kracht" "Covenant in force";
    CovenantRefused "covenant-refused" Execute "Convenant geweigerd" "Covenant refused";
    CovenantSigned "covenant-signed" Update "Convenant ondertekend" "Covenant signed";
    PartyRecordAccepted "party-record-accepted" Update "Partijgegevens aangenomen" "Party record accepted";
    PartyRecordRefused "party-record-refused" Execute "Partijgegevens geweigerd" "Party record refused";
    CovenantViewed "covenant-viewed" Read "Convenant of partijgegevens ingezien" "Covenant or party record viewed";
    RightsChanged "rights-changed" Update "Rechten gewijzigd" "Rights changed";
    DutyChanged "duty-changed" Update "Dienst gewijzigd" "Duty changed";
    ConfigurationChanged "configuration-changed" Update "Instellingen gewijzigd" "Configuration changed";
    BreakGlassStarted "break-glass-started" Execute "Noodprocedure begonnen" "Emergency access started";
    BreakGlassEnded "break-glass-ended" Execute "Noodprocedure beëindigd" "Emergency access ended";
    AdminDirectAccess "admin-direct-access" Execute "Rechtstreekse toegang door beheer" "Direct access by an operator";

    // People and the gateway itself.
    Login "login" Execute "Aangemeld" "Logged in";
    LoginFailed "login-failed" Execute "Aanmelden mislukt" "Login failed";
    Logout "logout" Execute "Afgemeld" "Logged out";
    AuditViewed "audit-viewed" Read "Logboek ingezien" "Audit log viewed";
    AuditVerified "audit-verified" Execute "Logboek gecontroleerd" "Audit log verified";
    LogForked "log-forked" Execute "Logboek van een organisatie spreekt zichzelf tegen" "A peer's log contradicts itself";
    AuditExported "audit-exported" Read "Logboek geëxporteerd" "Audit log exported";
    GatewayStarted "gateway-started" Execute "Gateway gestart" "Gateway started";
    GatewayStopped "gateway-stopped" Execute "Gateway gestopt" "Gateway stopped";
    RecoveryEntered "recovery-entered" Update "Herstelstand begonnen" "Recovery mode entered";
    RecoveryLeft "recovery-left" Update "Herstelstand beëindigd" "Recovery mode left";

    // The organisation's own systems.
    AdapterCommand "adapter-command" Execute "Opdracht van een eigen systeem" "Command from an own system";
    AdapterDelivered "adapter-delivered" Read "Afgeleverd aan een eigen systeem" "Delivered to an own system";
    AdapterFailed "adapter-failed" Read "Aflevering aan een eigen systeem mislukt" "Delivery to an own system failed";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_unique_and_found_again() {
        let codes: BTreeSet<_> = EventCode::ALL.iter().map(|event| event.code()).collect();

        assert_eq!(codes.len(), EventCode::ALL.len());
        for event in EventCode::ALL {
            assert_eq!(EventCode::from_code(event.code()), Some(*event));
            assert!(event.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && event.code().len() <= 64);
        }
    }

    #[test]
    fn outcomes_have_the_numbers_of_the_norm_and_no_others() {
        let known: Vec<u8> = (0..=255).filter(|number| Outcome::try_from(*number).is_ok()).collect();

        assert_eq!(known, [0, 4, 8, 12]);
    }
}
