//! Writes the log entries of the desk: who, what, about whom, by which rule. One function per kind of caller and object.

use jiff::Timestamp;
use schakel_domain::audit::commitment::{Commitment, Salt};
use schakel_domain::audit::entry::{
    CovenantRef as LoggedCovenant, Decision, Entry, Event, NO_PROTOCOL, Object, Peer, Responsible, Source, User,
};
use schakel_domain::audit::event::{EventCode, Outcome};
use schakel_domain::caller::{Act, Caller, Role};
use schakel_domain::dossier::{Consent, Dossier};
use schakel_domain::id::{CaseId, ClientKeyId, Hash, OrgId};
use schakel_domain::message::Message;
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};

use super::Desk;
use super::draft::{Draft, Stop, internal};
use super::record::Ground;

/// What an entry is about.
#[derive(Debug, Clone)]
pub(super) struct About<'a> {
    /// `case`, `consultation` or `handover`.
    pub kind: &'a str,
    /// Its id.
    pub id: String,
    /// Its revision.
    pub version: u64,
    /// The case it belongs to; absent for an anonymous consultation.
    pub case: Option<CaseId>,
    /// Key of the client it is about.
    pub key: ClientKeyId,
    /// Why this user has to do with this client.
    pub relation: &'a str,
    /// What is known of the client: identifies it in the commitment, gives the consent profile.
    pub dossier: Option<&'a Dossier>,
}

/// Who acted and by which rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct By<'a> {
    /// The caller.
    pub caller: &'a Caller,
    /// The person who answers; absent for peers and timers.
    pub actor: Option<&'a Actor>,
    /// A second person.
    pub second: Option<&'a Actor>,
}

/// The other organisation of an act, and the message of it that is taken in, if one is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Party<'a> {
    /// Which organisation.
    pub org: &'a OrgId,
    /// Its message: SHA-256 of the bytes, and the message when it could be read.
    pub heard: Option<(Hash, Option<&'a Message>)>,
}

impl<'a> From<&'a OrgId> for Party<'a> {
    fn from(org: &'a OrgId) -> Self {
        Self { org, heard: None }
    }
}

impl Party<'_> {
    /// As the log writes it: of a message its hash, its id, and the leaf hash of the sender's own entry.
    pub(super) fn logged(self, by: By<'_>) -> Peer {
        let message = self.heard.and_then(|(_, message)| message);
        Peer {
            tls_key: by.caller.spki,
            message_id: message.map(|message| message.id),
            message: self.heard.map(|(hash, _)| hash),
            leaf: message.and_then(|message| message.leaf),
            ..Peer::new(self.org.clone())
        }
    }
}

/// The rule that decided.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule<'a> {
    /// The table of roles: an act within our own organisation.
    Roles(Act),
    /// A covenant clause.
    Covenant(&'a Ground),
    /// The protocol: it follows from what is open.
    Protocol(&'static str),
}

impl Desk {
    /// Logs an event about a case, consultation or handover.
    pub(super) async fn trace(
        &self,
        draft: &mut Draft<'_>,
        code: EventCode,
        by: By<'_>,
        about: About<'_>,
        rule: Rule<'_>,
        peer: Option<Party<'_>>,
    ) -> Result<(), Stop> {
        let protocol = protocol(rule);
        let mut object = Object::new(about.kind, "uuid", about.id.clone(), protocol).at_version(about.version.to_string());
        if about.case.is_some() {
            object = object.about_client(about.relation, consent_profile(about.dossier));
        }
        let mut entry = Entry::new(Event::new(code, Outcome::Done, draft.now), self.user(by), object, self.source(), decision(rule));
        if let Some(second) = by.second {
            entry = entry.with_user(User::person(second.person.as_str(), second.function.clone()).not_initiator());
        }
        if let Some(case) = about.case.filter(|_| about.kind != "case") {
            let belongs = Object::new("case", "uuid", case.to_string(), protocol_of(rule));
            entry = entry.with_object(belongs.about_client(about.relation, consent_profile(about.dossier)));
        }
        if let Some(party) = peer {
            entry = entry.with_peer(party.logged(by));
        }
        let salts = match about.case {
            Some(case) => {
                let (commitment, salts) = self.commitment(case, about.key, about.dossier).await?;
                entry = entry.with_client(commitment);
                Some(salts)
            }
            None => None,
        };
        draft.log(entry, about.case.map(|case| case.to_string()), salts);
        Ok(())
    }

    /// Logs something that is about no client.
    pub(super) fn note(
        &self,
        draft: &mut Draft<'_>,
        code: EventCode,
        by: By<'_>,
        object: Object,
        decision: Decision,
        peer: Option<Party<'_>>,
    ) {
        let mut entry = Entry::new(Event::new(code, Outcome::Done, draft.now), self.user(by), object, self.source(), decision);
        if let Some(second) = by.second {
            entry = entry.with_user(User::person(second.person.as_str(), second.function.clone()).not_initiator());
        }
        if let Some(party) = peer {
            entry = entry.with_peer(party.logged(by));
        }
        draft.log(entry, None, None);
    }

    /// Logs something about a case without a word about its client: what is erased, or was.
    pub(super) fn note_case(&self, draft: &mut Draft<'_>, code: EventCode, by: By<'_>, object: Object, decision: Decision, case: CaseId) {
        let mut entry = Entry::new(Event::new(code, Outcome::Done, draft.now), self.user(by), object, self.source(), decision);
        if let Some(second) = by.second {
            entry = entry.with_user(User::person(second.person.as_str(), second.function.clone()).not_initiator());
        }
        draft.log(entry, Some(case.to_string()), None);
    }

    /// The same, when a peer said it.
    pub(super) fn note_from(
        &self,
        draft: &mut Draft<'_>,
        code: EventCode,
        by: By<'_>,
        object: Object,
        decision: Decision,
        (case, party): (CaseId, Party<'_>),
    ) {
        let entry = Entry::new(Event::new(code, Outcome::Done, draft.now), self.user(by), object, self.source(), decision);
        draft.log(entry.with_peer(party.logged(by)), Some(case.to_string()), None);
    }

    /// Logs that this gateway starts, and reads whether it was recovering when it stopped; without either it does not start. To be called
    /// before anything is decided, the first timer included.
    ///
    /// # Errors
    /// `AUDIT_UNAVAILABLE`, or what is wrong with the store.
    pub async fn started(&self) -> Result<(), Refusal> {
        self.again_and_again(|| self.read_recovery()).await?;
        self.own_event(EventCode::GatewayStarted).await
    }

    /// Logs that this gateway stops in good order.
    ///
    /// # Errors
    /// `AUDIT_UNAVAILABLE`.
    pub async fn stopping(&self) -> Result<(), Refusal> {
        self.own_event(EventCode::GatewayStopped).await
    }

    async fn own_event(&self, code: EventCode) -> Result<(), Refusal> {
        self.again_and_again(|| async {
            let mut draft = Draft::new(self);
            let clock = self.clock();
            let object = Object::new("gateway", "name", self.parts.gateway.clone(), NO_PROTOCOL);
            let decision = Decision::allowed(code.code(), code.words(Lang::Nl));
            self.note(&mut draft, code, By { caller: &clock, actor: None, second: None }, object, decision, None);
            draft.commit().await.map(drop)
        })
        .await
        .map_err(|_| Refusal::new(Stage::Store, Reason::AuditUnavailable))
    }

    /// Lets somebody look at, or do, something about no client, and logs it before it is answered: reading the log, listing peers. A door
    /// asked the same before it read the request; the desk relies on no door.
    ///
    /// # Errors
    /// `ROLE_DENIED` or `TWO_FACTOR_REQUIRED`, logged; `AUDIT_UNAVAILABLE`. It is then not answered.
    pub async fn witness(&self, caller: &Caller, actor: Option<&Actor>, code: EventCode, act: Act, what: &str) -> Result<(), Refusal> {
        let by = By { caller, actor, second: None };
        self.logged_when_refused(caller.may(act), by, act, None).await?;
        self.again_and_again(|| async {
            let mut draft = Draft::new(self);
            draft.commit.from_reserve = true;
            let rule = format!("role-table:{}", act.name());
            let decision = Decision::allowed(rule.clone(), "Deze rol mag dit binnen de eigen organisatie.");
            self.note(&mut draft, code, by, Object::new("act", "name", what, rule), decision, None);
            draft.commit().await.map(drop)
        })
        .await
        .map_err(|_| Refusal::new(Stage::Store, Reason::AuditUnavailable))
    }

    /// The entry of a refused request: what was asked and why not, no content.
    pub(super) fn denial(&self, caller: &Caller, act: Act, refusal: &Refusal, now: Timestamp) -> Entry {
        self.denial_of(By { caller, actor: None, second: None }, act, None, refusal, now)
    }

    /// The same, with the person who asked and what it was about, so that whoever searches a case finds its refusals too.
    pub(super) fn denial_of(
        &self,
        by: By<'_>,
        act: Act,
        about: Option<(&'static str, String)>,
        refusal: &Refusal,
        now: Timestamp,
    ) -> Entry {
        let authorization = match (refusal.stage, &refusal.clause) {
            (Stage::Covenant, Some(clause)) => format!("covenant-clause:{clause}"),
            (Stage::Covenant, None) => "covenant:no-clause".to_owned(),
            _ => format!("role-table:{}", act.name()),
        };
        let object = Object::new("act", "name", act.name(), authorization.clone());
        let decision = Decision::denied(refusal.reason.code(), refusal.sentence(Lang::Nl));
        let mut entry =
            Entry::new(Event::new(EventCode::RequestDenied, Outcome::Refused, now), self.user(by), object, self.source(), decision);
        if let Some((kind, id)) = about {
            entry = entry.with_object(Object::new(kind, "uuid", id, authorization));
        }
        if by.caller.organization == self.parts.me {
            return entry;
        }
        entry.with_peer(Party::from(&by.caller.organization).logged(by))
    }

    /// The user of an entry: a person, a program with the person who answers for it, or a peer organisation.
    fn user(&self, by: By<'_>) -> User {
        let caller = by.caller;
        let user = match (&caller.person, by.actor) {
            _ if caller.roles.contains(&Role::Peer) => User::organization(&caller.organization, "gateway"),
            (Some(person), actor) => {
                let function = actor.map_or_else(|| role_name(caller), |actor| actor.function.clone());
                User::person(person.as_str(), function)
            }
            (None, Some(actor)) => {
                User::process(&caller.client, role_name(caller), Responsible::new(actor.person.as_str(), actor.function.clone()))
            }
            (None, None) => User::process(&caller.client, role_name(caller), self.parts.responsible.clone()),
        };
        user.at("door", caller.door)
    }

    fn source(&self) -> Source {
        Source { org: self.parts.me.clone(), gateway: self.parts.gateway.clone() }
    }

    /// The client in an entry: unreadable without its salt, which is kept sealed under the client's own key beside the log.
    async fn commitment(&self, case: CaseId, key: ClientKeyId, dossier: Option<&Dossier>) -> Result<(Commitment, Vec<u8>), Stop> {
        let client = client_name(case, dossier);
        let bytes = self.parts.ids.salt();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let kept = serde_json::to_vec(&serde_json::json!({ "salt": hex, "value": client })).map_err(|_| internal("keeping a salt"))?;
        Ok((Commitment::new(&Salt::new(bytes), &client), self.seal(key, &kept).await?))
    }
}

/// What identifies the client: the BSN when known, otherwise the case itself.
fn client_name(case: CaseId, dossier: Option<&Dossier>) -> String {
    let bsn = dossier.and_then(|dossier| dossier.identity.bsn.as_ref());
    bsn.map_or_else(|| format!("case:{case}"), |bsn| format!("bsn:{}", bsn.as_str()))
}

fn role_name(caller: &Caller) -> String {
    caller.roles.iter().next().map_or("none", |role| role.as_str()).to_owned()
}

fn protocol_of(rule: Rule<'_>) -> String {
    protocol(rule)
}

fn protocol(rule: Rule<'_>) -> String {
    match rule {
        Rule::Roles(act) => format!("role-table:{}", act.name()),
        Rule::Covenant(ground) => logged(ground).protocol(),
        Rule::Protocol(name) => format!("protocol:{name}"),
    }
}

fn decision(rule: Rule<'_>) -> Decision {
    match rule {
        Rule::Roles(act) => Decision::allowed(format!("role-table:{}", act.name()), "Deze rol mag dit binnen de eigen organisatie."),
        Rule::Covenant(ground) => {
            Decision::allowed(ground.clause.clone(), ground.sentence_nl.clone()).under(logged(ground), ground.purpose.clone())
        }
        Rule::Protocol(name) => Decision::allowed(format!("protocol:{name}"), "Dit volgt uit wat al open staat."),
    }
}

fn logged(ground: &Ground) -> LoggedCovenant {
    LoggedCovenant { id: ground.covenant.id.to_string(), version: u64::from(ground.covenant.version), clause: ground.clause.clone() }
}

/// NEN 7513 7.4.8: the consent, or the ground that takes its place.
fn consent_profile(dossier: Option<&Dossier>) -> String {
    let Some(legal) = dossier.and_then(|dossier| dossier.legal.as_ref()) else { return "not-recorded".to_owned() };
    let consent = match &legal.consent {
        Consent::Given { .. } => "consent-given",
        Consent::Absent { .. } => "no-consent",
    };
    let basis = serde_json::to_value(legal.basis).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
    format!("{consent}:{basis}")
}
