//! Every reason to say no, in one catalogue.
//!
//! A reason has a stable code that is never reused, a class that decides the answer's status at each door, and one sentence plus one
//! remedy in Dutch and in English. A [`Refusal`] is a value: it names the stage that refused, the field or clause, and never
//! carries personal data.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Language of a text for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// Dutch.
    #[default]
    Nl,
    /// English.
    En,
}

/// What kind of no it is; each door maps a class to one status of its own (`wire/status.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The request itself is wrong; sending it again does not help.
    Invalid,
    /// We do not know who calls.
    Unauthenticated,
    /// We know who calls, and the answer is no.
    Denied,
    /// The thing does not exist, or this caller may not know that it does.
    NotFound,
    /// Right request, wrong moment: the state does not allow it.
    Precondition,
    /// Somebody was first; read again and decide again.
    Conflict,
    /// A limit was reached; later it may work.
    Exhausted,
    /// A cursor points before what is kept.
    OutOfRange,
    /// The gateway cannot answer now; the same request may be sent again.
    Unavailable,
    /// A fault of ours.
    Internal,
}

/// Which gate refused. Shown with the reason, so that people look in the right place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Parsing at the door.
    Door,
    /// Who the caller is, and which methods the caller's role may use.
    Caller,
    /// The covenant, at the sender or at the receiver.
    Covenant,
    /// The state of the case, consultation or handover.
    State,
    /// The store or the audit log.
    Store,
    /// The other organisation's gateway.
    Peer,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $code:literal $class:ident nl: $nl:literal, $nl_remedy:literal; en: $en:literal, $en_remedy:literal;)*) => {
        /// The catalogue. Codes are upper snake case and never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $(#[doc = $en] $(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason, in catalogue order.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The stable code, such as `COVENANT_DENIED`.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)* }
            }

            /// The class that decides the status.
            #[must_use]
            pub fn class(self) -> Class {
                match self { $(Reason::$name => Class::$class,)* }
            }

            /// One sentence that says what is wrong.
            #[must_use]
            pub fn sentence(self, lang: Lang) -> &'static str {
                match (self, lang) { $((Reason::$name, Lang::Nl) => $nl, (Reason::$name, Lang::En) => $en,)* }
            }

            /// One sentence that says what to do.
            #[must_use]
            pub fn remedy(self, lang: Lang) -> &'static str {
                match (self, lang) { $((Reason::$name, Lang::Nl) => $nl_remedy, (Reason::$name, Lang::En) => $en_remedy,)* }
            }
        }
    };
}

reasons! {
    InvalidField "INVALID_FIELD" Invalid
        nl: "Een veld ontbreekt of klopt niet.", "Verbeter het genoemde veld en stuur opnieuw.";
        en: "A field is missing or wrong.", "Correct the named field and send again.";
    MessageTooLarge "MESSAGE_TOO_LARGE" Exhausted
        nl: "Het bericht is groter dan toegestaan.", "Maak het bericht korter; bijlagen horen er niet in.";
        en: "The message is larger than allowed.", "Shorten the message; attachments do not belong in it.";
    RequestIdReused "REQUEST_ID_REUSED" Invalid
        nl: "Dit request_id is al gebruikt voor een ander verzoek.", "Gebruik een nieuw request_id voor een nieuw verzoek.";
        en: "This request_id was used for another request.", "Use a new request_id for a new request.";
    Unauthenticated "UNAUTHENTICATED" Unauthenticated
        nl: "De aanroeper is niet te herkennen.", "Lever een geldig token of certificaat aan.";
        en: "The caller cannot be identified.", "Present a valid token or certificate.";
    RoleDenied "ROLE_DENIED" Denied
        nl: "Deze rol mag dit niet.", "Vraag een collega met de juiste rol, of laat de rol aanpassen.";
        en: "This role may not do this.", "Ask a colleague with the right role, or have the role changed.";
    TwoFactorRequired "TWO_FACTOR_REQUIRED" Denied
        nl: "Inzage in het logboek vraagt een aanmelding met twee factoren.", "Meld opnieuw aan met een tweede factor.";
        en: "Reading the log needs a two-factor login.", "Log in again with a second factor.";
    CovenantDenied "COVENANT_DENIED" Denied
        nl: "Het convenant staat dit niet toe.", "Lees het genoemde artikel; bel bij nood de genoemde organisatie.";
        en: "The covenant does not allow this.", "Read the named clause; in an emergency call the named organisation.";
    ClauseMismatch "CLAUSE_MISMATCH" Denied
        nl: "Het convenant geeft dit, maar niet onder het artikel dat het bericht noemt.", "Vergelijk de convenanten; vraag opnieuw onder het juiste artikel.";
        en: "The covenant gives this, but not under the clause that the message names.", "Compare the covenants; ask again under the right clause.";
    CovenantMissing "COVENANT_MISSING" Denied
        nl: "Er is geen geldend convenant met deze organisatie.", "Laat het convenant door alle partijen ondertekenen; bel intussen.";
        en: "No covenant with this organisation is in force.", "Have every party sign the covenant; telephone meanwhile.";
    CovenantBroken "COVENANT_BROKEN" Denied
        nl: "Het convenant is onleesbaar, onvolledig ondertekend of veranderd, en geldt dus niet.", "Haal de ondertekende versie opnieuw op bij een partij.";
        en: "The covenant cannot be read, is not fully signed or was altered, and so does not apply.", "Fetch the signed version again from a party.";
    CovenantOutdated "COVENANT_OUTDATED" Denied
        nl: "Dit is een oudere versie dan de versie die al bekend is.", "Gebruik de nieuwste versie.";
        en: "This version is older than the one already held.", "Use the newest version.";
    PartyRecordExpired "PARTY_RECORD_EXPIRED" Denied
        nl: "De partijgegevens van deze organisatie zijn verlopen; nieuwe vragen en aanbiedingen kunnen niet.", "Vraag die organisatie haar partijgegevens te vernieuwen; bel intussen.";
        en: "This organisation's party record has expired; new questions and offers are stopped.", "Ask that organisation to renew its record; telephone meanwhile.";
    CosigningLate "COSIGNING_LATE" Denied
        nl: "Het logboek is te lang niet medeondertekend; volgens het convenant kunnen nieuwe aanbiedingen nu niet.", "Bel, en laat beheer de verbindingen met de andere organisaties herstellen.";
        en: "The log has not been cosigned for too long; by the covenant new offers are stopped.", "Telephone, and have operators restore the links with the other organisations.";
    DatasetExceeded "DATASET_EXCEEDED" Denied
        nl: "Het bericht bevat meer gegevens dan het convenant toestaat.", "Stuur alleen de velden uit de dataset van het artikel.";
        en: "The message holds more data than the covenant allows.", "Send only the fields in the clause's dataset.";
    IdentityInAnonymous "IDENTITY_IN_ANONYMOUS" Invalid
        nl: "Een anonieme vraag mag geen identiteit bevatten.", "Haal de gegevens weg, of stel een vraag op naam.";
        en: "An anonymous question may not hold an identity.", "Remove the data, or ask a named question.";
    NotFound "NOT_FOUND" NotFound
        nl: "Niet gevonden, of niet van u.", "Controleer de naam of het label.";
        en: "Not found, or not yours.", "Check the name or label.";
    NotLead "NOT_LEAD" Precondition
        nl: "Uw organisatie heeft de regie niet.", "Neem contact op met de organisatie die de regie heeft.";
        en: "Your organisation does not lead this case.", "Contact the organisation that leads.";
    OfferOpen "OFFER_OPEN" Precondition
        nl: "Er staat al een aanbod open voor deze zaak.", "Wacht het antwoord af of trek het aanbod eerst in.";
        en: "An offer for this case is already open.", "Wait for the answer or withdraw the offer first.";
    HandoverNotOpen "HANDOVER_NOT_OPEN" Precondition
        nl: "Deze overdracht staat niet meer open.", "Lees de overdracht opnieuw; de stand staat erbij.";
        en: "This handover is no longer open.", "Read the handover again; its state is shown.";
    InTransfer "IN_TRANSFER" Precondition
        nl: "De overdracht is onderweg: u bent verantwoordelijk maar beslist niet meer alleen.", "Bel de ontvanger; alleen met twee personen kan de regie worden teruggenomen.";
        en: "The handover is under way: you are responsible but no longer decide alone.", "Call the receiver; only two people together can reclaim the lead.";
    NotInTransfer "NOT_IN_TRANSFER" Precondition
        nl: "Er is geen overdracht onderweg om terug te nemen.", "Trek een open aanbod in, of bied opnieuw aan.";
        en: "No transfer is under way to reclaim.", "Withdraw an open offer, or offer again.";
    NotContested "NOT_CONTESTED" Precondition
        nl: "Deze zaak is niet betwist.", "Er is niets op te lossen; lees de stand van de zaak.";
        en: "This case is not contested.", "There is nothing to resolve; read the case.";
    Contested "CONTESTED" Precondition
        nl: "De regie over deze zaak is betwist.", "Bel de organisatie met de regie en leg het met twee personen vast.";
        en: "The lead of this case is contested.", "Call the leading organisation and record it with two people.";
    CaseClosed "CASE_CLOSED" Precondition
        nl: "Deze zaak is gesloten.", "Open een nieuwe zaak.";
        en: "This case is closed.", "Open a new case.";
    ConsultationNotOpen "CONSULTATION_NOT_OPEN" Precondition
        nl: "Deze expertisevraag staat niet meer open.", "Lees de vraag opnieuw; de stand staat erbij.";
        en: "This consultation is no longer open.", "Read the consultation again; its state is shown.";
    AlreadyAnswered "ALREADY_ANSWERED" Conflict
        nl: "Een collega was u voor.", "Lees wie en wanneer; er is niets veranderd.";
        en: "A colleague was first.", "Read who and when; nothing was changed.";
    ReadBackIncomplete "READ_BACK_INCOMPLETE" Invalid
        nl: "Niet elk kernpunt is teruggelezen.", "Herhaal elk kernpunt in eigen woorden.";
        en: "Not every key point was read back.", "Repeat each key point in your own words.";
    SecondPersonRequired "SECOND_PERSON_REQUIRED" Denied
        nl: "Dit vraagt twee verschillende personen en een vastgelegd telefoongesprek.", "Laat een tweede bevoegde collega meetekenen.";
        en: "This needs two different people and a recorded telephone call.", "Have a second authorised colleague confirm.";
    StaleEtag "STALE_ETAG" Conflict
        nl: "De gegevens zijn veranderd sinds u ze las.", "Lees opnieuw en beslis opnieuw.";
        en: "The data changed since you read it.", "Read again and decide again.";
    NotCancellable "NOT_CANCELLABLE" Precondition
        nl: "Dit bericht kan niet worden geannuleerd.", "Een overdracht in gang wordt afgemaakt of met twee personen teruggenomen.";
        en: "This message cannot be cancelled.", "A transfer under way is completed, or reclaimed by two people.";
    RateLimited "RATE_LIMITED" Exhausted
        nl: "Te veel verzoeken.", "Wacht even en probeer opnieuw.";
        en: "Too many requests.", "Wait a moment and try again.";
    QuotaExceeded "QUOTA_EXCEEDED" Exhausted
        nl: "De grens voor open berichten is bereikt.", "Handel openstaande berichten af.";
        en: "The limit of open messages is reached.", "Settle open messages first.";
    CursorExpired "CURSOR_EXPIRED" OutOfRange
        nl: "Deze cursor is ouder dan wat bewaard wordt.", "Vraag de lijst opnieuw op en ga vanaf daar verder.";
        en: "This cursor is older than what is kept.", "List again and continue from there.";
    SlowConsumer "SLOW_CONSUMER" Exhausted
        nl: "De ontvanger leest te langzaam.", "Verbind opnieuw vanaf de laatste cursor.";
        en: "The consumer reads too slowly.", "Reconnect from the last cursor.";
    AuditUnavailable "AUDIT_UNAVAILABLE" Unavailable
        nl: "Het logboek kan niet worden geschreven; daarom gebeurt er niets.", "Bel; probeer het daarna opnieuw.";
        en: "The log cannot be written, so nothing is done.", "Telephone; then try again.";
    StoreUnavailable "STORE_UNAVAILABLE" Unavailable
        nl: "De opslag is niet bereikbaar; er is niets veranderd.", "Bel; probeer het daarna opnieuw.";
        en: "The store cannot be reached; nothing was changed.", "Telephone; then try again.";
    Unreadable "UNREADABLE" Internal
        nl: "Deze gegevens zijn niet te openen: de sleutel ontbreekt of past niet, of ze zijn veranderd.", "Meld het aan de beheerder; bewaar database en sleutels zoals ze zijn.";
        en: "This data cannot be opened: its key is missing or does not fit, or it was altered.", "Tell the operator; keep database and keys as they are.";
    StorageFull "STORAGE_FULL" Exhausted
        nl: "De schijf is vol: alleen lezen en aannemen kan nog.", "Maak ruimte vrij; bel voor nieuwe vragen.";
        en: "The disk is full: only reading and accepting still work.", "Free space; telephone for new questions.";
    Recovering "RECOVERING" Unavailable
        nl: "Deze gateway is gegevens kwijt die hij eerder had, en beslist daarom niets; lezen kan wel.", "Zet de nieuwste gegevens terug, of laat twee mensen na overleg met elke partij de herstelstand beëindigen; bel intussen.";
        en: "This gateway has lost data that it had before, and so decides nothing; reading goes on.", "Put the newest data back, or have two people end it after a call with every party; telephone meanwhile.";
    NotRecovering "NOT_RECOVERING" Precondition
        nl: "Deze gateway is geen gegevens kwijt.", "Er is niets te beëindigen; hij beslist gewoon.";
        en: "This gateway has lost no data.", "There is nothing to end; it decides as always.";
    LogContradicted "LOG_CONTRADICTED" Precondition
        nl: "Het logboek is niet dat waarvan buiten de database een ondertekende stand wordt bewaard; daarom eindigt de herstelstand niet.", "Zet de nieuwste database terug. Is die er niet meer: stop de gateway, bewaar het bestand checkpoint elders als bewijs, en start opnieuw; lees eerst het beheerhandboek.";
        en: "The log is not the one of which a signed head is kept outside the database; so recovery does not end.", "Put the newest database back. When it is gone for good: stop the gateway, keep the file checkpoint elsewhere as evidence, and start again; read the runbook first.";
    PeerStopped "PEER_STOPPED" Unavailable
        nl: "Het verkeer met deze organisatie is door een beheerder stilgezet.", "Vraag de beheerder naar de reden; bel intussen.";
        en: "Traffic with this organisation was stopped by an operator.", "Ask the operator why; telephone meanwhile.";
    UnknownPeer "UNKNOWN_PEER" Denied
        nl: "Deze organisatie is geen partij in een geldend convenant.", "Sluit eerst een convenant.";
        en: "This organisation is no party to a covenant in force.", "Agree a covenant first.";
    IdentityMismatch "IDENTITY_MISMATCH" Denied
        nl: "Certificaat, afzender en handtekening horen niet bij dezelfde organisatie.", "Controleer certificaat en partijgegevens.";
        en: "Certificate, sender and signature do not belong to the same organisation.", "Check the certificate and party record.";
    BadSignature "BAD_SIGNATURE" Denied
        nl: "De handtekening klopt niet.", "Controleer de ondertekensleutel in de partijgegevens.";
        en: "The signature is wrong.", "Check the signing key in the party record.";
    OutOfOrder "OUT_OF_ORDER" Conflict
        nl: "Een eerder bericht van deze zaak ontbreekt.", "Stuur eerst het ontbrekende bericht.";
        en: "An earlier message of this case is missing.", "Send the missing message first.";
    MessageConflict "MESSAGE_CONFLICT" Denied
        nl: "Dit berichtnummer is al gebruikt voor een ander bericht.", "Gebruik voor elk bericht een nieuw nummer.";
        en: "This message id was used for another message.", "Use a new id for every message.";
    ProtocolViolation "PROTOCOL_VIOLATION" Denied
        nl: "Dit bericht past niet in de stand van de zaak.", "Lees de zaak opnieuw bij de andere organisatie.";
        en: "This message does not fit the state of the case.", "Read the case again at the other organisation.";
    UnsupportedMessage "UNSUPPORTED_MESSAGE" Denied
        nl: "Dit soort bericht kent deze gateway niet.", "Werk de gateway bij, of stuur een bekend soort bericht.";
        en: "This gateway does not know this kind of message.", "Update the gateway, or send a known kind of message.";
    OwnCertificateRevoked "OWN_CERTIFICATE_REVOKED" Unavailable
        nl: "De andere gateway weigert ons certificaat: ingetrokken.", "Vraag een nieuw certificaat met een nieuwe sleutel aan, en zet die in uw partijgegevens.";
        en: "The peer refuses our certificate: revoked.", "Request a new certificate with a new key, and put that in your party record.";
    OwnCertificateExpired "OWN_CERTIFICATE_EXPIRED" Unavailable
        nl: "De andere gateway weigert ons certificaat: verlopen, of nog niet geldig.", "Vernieuw het certificaat; kijk ook of de klok goed staat.";
        en: "The peer refuses our certificate: expired, or not valid yet.", "Renew the certificate; check the clock too.";
    OwnCertificateUntrusted "OWN_CERTIFICATE_UNTRUSTED" Unavailable
        nl: "De andere gateway weigert ons certificaat: onbekende uitgever.", "Zet de tussencertificaten bij het certificaat; vraag anders of de ander uw CA vertrouwt.";
        en: "The peer refuses our certificate: unknown issuer.", "Put the intermediates with the certificate; otherwise ask whether the peer trusts your CA.";
    OwnCertificateUnbound "OWN_CERTIFICATE_UNBOUND" Unavailable
        nl: "De andere gateway weigert ons certificaat: niet van een partij, of niet in de partijgegevens die zij van ons heeft.", "Gebruik het vorige certificaat tot uw nieuwste partijgegevens daar zijn; kan dat niet, laat dan een andere partij of haar beheerder ze installeren.";
        en: "The peer refuses our certificate: no party's, or not in the party record it holds of us.", "Use the previous certificate until your newest party record is there; if that cannot be, have another party or its operator install it.";
    OwnCertificateUnknown "OWN_CERTIFICATE_UNKNOWN" Unavailable
        nl: "De andere gateway weigert ons certificaat: zij kan niet nagaan of het is ingetrokken.", "Bel haar beheerder: daar is een intrekkingslijst verlopen, of ontbreekt er een.";
        en: "The peer refuses our certificate: it cannot tell whether it was revoked.", "Call its operator: a revocation list has expired there, or is missing.";
    OwnCertificateUnusable "OWN_CERTIFICATE_UNUSABLE" Unavailable
        nl: "De andere gateway weigert ons certificaat: het voldoet niet.", "`schakel certs check` zegt wat er niet klopt.";
        en: "The peer refuses our certificate: it does not comply.", "`schakel certs check` says what is wrong with it.";
    PeerCertificateRevoked "PEER_CERTIFICATE_REVOKED" Unavailable
        nl: "Wij weigeren het certificaat van de andere gateway: ingetrokken.", "Bel die organisatie: zij heeft een nieuw certificaat nodig.";
        en: "We refuse the peer's certificate: revoked.", "Call that organisation: it needs a new certificate.";
    PeerCertificateExpired "PEER_CERTIFICATE_EXPIRED" Unavailable
        nl: "Wij weigeren het certificaat van de andere gateway: verlopen, of nog niet geldig.", "Bel die organisatie; kijk ook of de eigen klok goed staat.";
        en: "We refuse the peer's certificate: expired, or not valid yet.", "Call that organisation; check your own clock too.";
    PeerCertificateUntrusted "PEER_CERTIFICATE_UNTRUSTED" Unavailable
        nl: "Wij weigeren het certificaat van de andere gateway: onbekende uitgever.", "Vraag die organisatie naar haar CA en tussencertificaten; vertrouw geen CA zonder overleg.";
        en: "We refuse the peer's certificate: unknown issuer.", "Ask that organisation for its CA and intermediates; trust no CA without asking.";
    PeerCertificateUnbound "PEER_CERTIFICATE_UNBOUND" Unavailable
        nl: "Wij weigeren het certificaat van de andere gateway: niet dat van de verwachte organisatie.", "Vraag die organisatie naar haar nieuwste partijgegevens en installeer ze; bel bij twijfel.";
        en: "We refuse the peer's certificate: not that of the organisation we expect.", "Ask that organisation for its newest party record and install it; when in doubt, call.";
    PeerCertificateUnusable "PEER_CERTIFICATE_UNUSABLE" Unavailable
        nl: "Wij weigeren het certificaat van de andere gateway: het voldoet niet.", "Bel die organisatie; `schakel certs check` zegt wat er niet klopt.";
        en: "We refuse the peer's certificate: it does not comply.", "Call that organisation; `schakel certs check` says what is wrong with it.";
    RevocationListExpired "REVOCATION_LIST_EXPIRED" Unavailable
        nl: "Onze intrekkingslijst voor dit certificaat is verlopen.", "Haal de lijst opnieuw op bij de CA; de gateway leest haar vanzelf.";
        en: "Our revocation list for this certificate has expired.", "Fetch the list from the CA again; the gateway reads it by itself.";
    RevocationListMissing "REVOCATION_LIST_MISSING" Unavailable
        nl: "Er is geen geldige intrekkingslijst van de uitgever van dit certificaat.", "Noem de lijst van elke CA in de keten onder `crls`; de handtekening moet van die CA zijn.";
        en: "There is no valid revocation list of this certificate's issuer.", "Name the list of every CA of the chain under `crls`; its signature must be that CA's.";
    TlsIncompatible "TLS_INCOMPATIBLE" Unavailable
        nl: "De andere kant spreekt geen TLS 1.3 met HTTP/2.", "Controleer adres en poort in de partijgegevens, en wat er tussen staat.";
        en: "The other side does not speak TLS 1.3 with HTTP/2.", "Check address and port in the party record, and what stands in between.";
    PeerUnreachable "PEER_UNREACHABLE" Unavailable
        nl: "De andere gateway is niet bereikbaar.", "Het wordt vanzelf opnieuw geprobeerd; bel intussen.";
        en: "The peer cannot be reached.", "It is tried again by itself; telephone meanwhile.";
    ConfigurationRefused "CONFIGURATION_REFUSED" Invalid
        nl: "Nieuwe bestanden van deze gateway zijn geweigerd; de vorige blijven gelden.", "Lees in het logboek van het programma welk bestand en waarom, en herstel het.";
        en: "New files of this gateway are refused; the previous ones stay in force.", "Read in the program's log which file and why, and repair it.";
    IssuerKeysUnavailable "ISSUER_KEYS_UNAVAILABLE" Unavailable
        nl: "De sleutels van de uitgever van dit token zijn er niet, of te lang niet ververst.", "Laat de beheerder nagaan of de gateway de uitgever (`jwks_url`) bereikt; probeer het daarna opnieuw.";
        en: "The keys of this token's issuer are not there, or were not refreshed for too long.", "Have the operator see whether the gateway reaches the issuer (`jwks_url`); then try again.";
    Erased "ERASED" NotFound
        nl: "Deze gegevens zijn vernietigd.", "Er valt niets te herstellen; wie ze inzag staat in het logboek. Open zo nodig een nieuwe zaak.";
        en: "This data was erased.", "Nothing can be restored; who saw it stands in the log. Open a new case if need be.";
    ErasureBarred "ERASURE_BARRED" Precondition
        nl: "Deze zaak kan nu niet worden vernietigd.", "Rond af wat genoemd wordt, of wacht tot de genoemde dag.";
        en: "This case cannot be erased now.", "Settle what is named, or wait until the day that is named.";
    ErasureNotAsked "ERASURE_NOT_ASKED" Precondition
        nl: "Om vernietiging van deze zaak is niet gevraagd, of dat verzoek is beantwoord.", "Laat eerst een collega de vernietiging vragen.";
        en: "Nobody asked to erase this case, or that was answered.", "Have a colleague ask for it first.";
    Internal "INTERNAL" Internal
        nl: "Er ging iets mis in de gateway.", "Probeer opnieuw; meld het aan de beheerder als het blijft.";
        en: "Something went wrong in the gateway.", "Try again; tell the operator if it persists.";
}

/// A no, as a value: it names stage, reason, field or clause, and the remedy follows from the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Which gate said no.
    pub stage: Stage,
    /// The field that is wrong, as a path in the request: `identity.bsn`.
    pub field: Option<String>,
    /// The covenant clause that decided.
    pub clause: Option<String>,
    /// What exactly, in English, for the log and the developer. Never personal data, never free text of a caller.
    pub detail: String,
}

impl Refusal {
    /// A refusal with nothing but its reason.
    #[must_use]
    pub fn new(stage: Stage, reason: Reason) -> Self {
        Self { reason, stage, field: None, clause: None, detail: String::new() }
    }

    /// A wrong field: its path and what is expected.
    #[must_use]
    pub fn field(path: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { field: Some(path.into()), detail: expected.into(), ..Self::new(Stage::Door, Reason::InvalidField) }
    }

    /// Adds what exactly went wrong.
    #[must_use]
    pub fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds the clause that decided.
    #[must_use]
    pub fn under(mut self, clause: impl Into<String>) -> Self {
        self.clause = Some(clause.into());
        self
    }

    /// The text for people: the reason's sentence, and the clause when there is one.
    #[must_use]
    pub fn sentence(&self, lang: Lang) -> String {
        let sentence = self.reason.sentence(lang);
        match (&self.clause, lang) {
            (Some(clause), Lang::Nl) => format!("{sentence} (artikel {clause})"),
            (Some(clause), Lang::En) => format!("{sentence} (clause {clause})"),
            (None, _) => sentence.to_owned(),
        }
    }
}

impl Refusal {
    /// All of it for whoever waits: code, sentence, what was seen, and what to do.
    #[must_use]
    pub fn advice(&self, lang: Lang) -> String {
        let detail = if self.detail.is_empty() { String::new() } else { format!(" ({})", self.detail) };
        format!("{} {}{detail}. {}", self.reason.code(), self.sentence(lang).trim_end_matches('.'), self.reason.remedy(lang))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason.code())?;
        if let Some(field) = &self.field {
            write!(f, " {field}")?;
        }
        if let Some(clause) = &self.clause {
            write!(f, " clause {clause}")?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_unique_upper_snake_and_short() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|r| r.code()).collect();

        assert_eq!(codes.len(), Reason::ALL.len());
        for code in codes {
            assert!(code.len() <= 63 && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{code}");
        }
    }

    #[test]
    fn every_reason_has_a_sentence_and_a_remedy_in_both_languages() {
        for reason in Reason::ALL {
            for lang in [Lang::Nl, Lang::En] {
                assert!(reason.sentence(lang).ends_with('.') && reason.remedy(lang).ends_with('.'), "{}", reason.code());
            }
        }
    }
}
