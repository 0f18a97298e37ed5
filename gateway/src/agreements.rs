//! AGREEMENTS: the covenants and party records this gateway holds, in memory, for everybody who must decide or connect.
//!
//! The desk installs documents (durably first, then here); all others ask. A question is asked in a case's own terms ([`Wish`]): a kind of
//! service rather than one service, and nobody in particular when the covenant's order should decide whom to ask first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use schakel_domain::audit::note::Vkey;
use schakel_domain::covenant::document::Deadlines;
use schakel_domain::covenant::{Act, Book, CovenantId, CovenantRef, Decision, Document, Grant, Question, ServiceId};
use schakel_domain::id::OrgId;
use schakel_domain::party_record::{RecordBook, RecordStanding};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::Call;
use tokio::sync::watch;

use crate::cosigner::Terms;

/// What somebody wants to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Who asks.
    pub from: OrgId,
    /// Who is asked; absent: whoever the covenant's order puts first.
    pub to: Option<OrgId>,
    /// What.
    pub act: Act,
    /// Kind of service, as in the covenant.
    pub service: String,
    /// Age in whole years.
    pub age: Option<u8>,
    /// CBS municipality code.
    pub municipality: Option<String>,
    /// Urgency code.
    pub urgency: String,
}

/// Everything held at one moment.
#[derive(Clone, Default)]
pub struct Held {
    /// Covenants.
    pub book: Option<Book>,
    /// Party records.
    pub records: RecordBook,
    /// Peers with which an operator stopped the traffic, and why.
    pub stopped: BTreeMap<OrgId, String>,
    /// Which state of the store this is: every change of it, by whichever replica, is one higher.
    pub generation: u64,
}

/// The agreements of one gateway.
pub struct Agreements {
    me: OrgId,
    held: ArcSwap<Held>,
    /// Covenants under which no new offer is made now: cosigning is too late.
    offers_held: ArcSwap<BTreeSet<CovenantId>>,
    changes: watch::Sender<u64>,
}

impl fmt::Debug for Agreements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agreements").field("me", &self.me).finish_non_exhaustive()
    }
}

impl Agreements {
    /// What was read back from the store.
    #[must_use]
    pub fn new(me: OrgId, held: Held) -> Self {
        Self { me, held: ArcSwap::from_pointee(held), offers_held: ArcSwap::default(), changes: watch::Sender::new(0) }
    }

    /// Everything held now.
    #[must_use]
    pub fn held(&self) -> Arc<Held> {
        self.held.load_full()
    }

    /// Goes on to a newer state of the store; an older one, of a commit that was overtaken, changes nothing.
    pub fn advance(&self, held: Held) {
        let held = Arc::new(held);
        let before = self.held.rcu(|now| Arc::clone(if now.generation < held.generation { &held } else { now }));
        if before.generation < held.generation {
            self.changed();
        }
    }

    /// Replaces what is held, whatever it was.
    pub fn replace(&self, held: Held) {
        self.held.store(Arc::new(held));
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Tells when something else is held: whoever was let in by it is then judged again, and peers are told what is new.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The covenant's answer to something new, under the version that applies now.
    ///
    /// # Errors
    /// The covenant's refusal, with the nearest clause.
    pub fn permits(&self, wish: &Wish, now: Timestamp) -> Result<Grant, Refusal> {
        let held = self.held();
        let book = held.book.as_ref().ok_or_else(missing)?;
        let Some(to) = &wish.to else { return first(book, wish, now) };
        let document = book.applicable(&wish.from, to, wish.act, now)?.binding()?;
        any(questions(document, wish, to)?, |question| book.permits(question, now))
    }

    /// The covenant's answer to something new that a peer asks, under the version and by the clause it names. That clause must give it by
    /// itself: both logs then say the same, and nobody makes up on what ground he asks. It need not be the first that fits, because a
    /// dataset may leave out what the asker was judged by.
    ///
    /// # Errors
    /// As [`Agreements::permits`], when that version no longer serves for new things, and `CLAUSE_MISMATCH` when only another clause gives it.
    pub fn permits_new_under(&self, named: &CovenantRef, clause: &str, wish: &Wish, now: Timestamp) -> Result<Grant, Refusal> {
        let given = self.under(named, wish, now, false)?;
        if given.clause.as_str() == clause {
            return Ok(given);
        }
        let held = self.held();
        let covenant = held.book.as_ref().ok_or_else(missing)?.lookup(named, now, false)?;
        let questions = questions(covenant.binding()?, wish, wish.to.as_ref().ok_or_else(missing)?)?;
        let by_itself = questions.iter().find_map(|question| covenant.permits_by(clause, question, now));
        by_itself.ok_or_else(|| mismatch(&given))
    }

    /// The covenant's answer about something that is already open, under the version it was made under.
    ///
    /// # Errors
    /// As [`Agreements::permits`].
    pub fn permits_under(&self, named: &CovenantRef, wish: &Wish, now: Timestamp) -> Result<Grant, Refusal> {
        self.under(named, wish, now, true)
    }

    fn under(&self, named: &CovenantRef, wish: &Wish, now: Timestamp, for_open: bool) -> Result<Grant, Refusal> {
        let held = self.held();
        let book = held.book.as_ref().ok_or_else(missing)?;
        let document = book.lookup(named, now, for_open)?.binding()?;
        let to = wish.to.as_ref().ok_or_else(missing)?;
        any(questions(document, wish, to)?, |question| book.permits_under(named, question, now, for_open))
    }

    /// Whether something new may start with an organisation: no stop, and a party record that is valid, theirs and our own.
    ///
    /// # Errors
    /// `PEER_STOPPED`, `PARTY_RECORD_EXPIRED` or `UNKNOWN_PEER`.
    pub fn may_start(&self, org: &OrgId, now: Timestamp) -> Result<(), Refusal> {
        let held = self.held();
        if let Some(reason) = held.stopped.get(org) {
            return Err(Refusal::new(Stage::Peer, Reason::PeerStopped).because(reason.clone()));
        }
        held.records.for_new(&self.me, now)?;
        held.records.for_new(org, now).map(drop)
    }

    /// Whether a new offer may be made under this covenant: not when its own clause stops offers because cosigning is late.
    ///
    /// # Errors
    /// `COSIGNING_LATE`.
    pub fn may_offer(&self, covenant: &CovenantRef) -> Result<(), Refusal> {
        let held = self.offers_held.load().contains(&covenant.id);
        if held { Err(Refusal::new(Stage::Covenant, Reason::CosigningLate).under("cosigning")) } else { Ok(()) }
    }

    /// Stops new offers under these covenants, and under no others.
    pub fn hold_offers(&self, covenants: BTreeSet<CovenantId>) {
        if **self.offers_held.load() != covenants {
            self.offers_held.store(Arc::new(covenants));
        }
    }

    /// When alarms sound under this covenant version; none when it is not held, or broken.
    #[must_use]
    pub fn deadlines(&self, covenant: &CovenantRef) -> Option<Deadlines> {
        let held = self.held();
        let version = held.book.as_ref()?.get(&covenant.id, covenant.version)?;
        Some(version.signed()?.document.deadlines.clone())
    }

    /// What every covenant in force says about cosigning, with the other parties that have a cosigning key.
    #[must_use]
    pub fn cosigning(&self, now: Timestamp) -> Vec<Terms> {
        let held = self.held();
        let Some(book) = &held.book else { return Vec::new() };
        let ids: BTreeSet<&CovenantId> = book.iter().map(|(id, _, _)| id).collect();
        let terms = |id: &&CovenantId| {
            let document = book.current(id, now).ok()?.in_force()?;
            document.party(&self.me)?;
            let clause = document.cosigning.as_ref()?;
            let others = document.parties.iter().filter(|party| party.id != self.me);
            let witnesses =
                others.filter_map(|party| Some((party.id.clone(), held.records.newest(&party.id)?.log.as_ref()?.cosigner.clone())));
            Some(Terms {
                covenant: (*id).clone(),
                quorum: clause.quorum.into(),
                interval: clause.interval.duration(),
                grace: clause.grace.duration(),
                stops_offers: clause.stops_offers,
                witnesses: witnesses.collect(),
            })
        };
        ids.iter().filter_map(terms).collect()
    }

    /// The key with which an organisation signs its log, as its newest party record says.
    #[must_use]
    pub fn log_key(&self, org: &OrgId) -> Option<Vkey> {
        Some(self.held().records.newest(org)?.log.as_ref()?.key.clone())
    }

    /// The name of an organisation, as in a covenant that every party signed; its id when none names it.
    #[must_use]
    pub fn name(&self, org: &OrgId) -> String {
        let held = self.held();
        let named =
            held.book.iter().flat_map(Book::iter).filter_map(|(_, _, covenant)| Some(covenant.in_force()?.party(org)?.name.clone()));
        named.last().unwrap_or_else(|| org.to_string())
    }

    /// Whom to call at an organisation: the first line of its newest party record, else the number in the covenant.
    #[must_use]
    pub fn call(&self, org: &OrgId) -> Option<Call> {
        self.calls(org).into_iter().next()
    }

    /// Every telephone line of an organisation, the party record's own first, then that of the newest covenant in force. A draft that not
    /// everybody signed has no say in whom to call.
    #[must_use]
    pub fn calls(&self, org: &OrgId) -> Vec<Call> {
        let held = self.held();
        let name = self.name(org);
        let line = |line: &str, telephone: &str| Call {
            organization: org.clone(),
            name: name.clone(),
            line: line.to_owned(),
            telephone: telephone.to_owned(),
        };
        let own = held.records.newest(org).into_iter().flat_map(|record| &record.telephones);
        let mut calls: Vec<Call> = own.map(|entry| line(&entry.label, entry.number.as_str())).collect();
        let covenants = held.book.iter().flat_map(Book::iter);
        let agreed = covenants.filter_map(|(_, _, covenant)| Some(covenant.in_force()?.party(org)?.telephone.as_str().to_owned())).last();
        calls.extend(agreed.map(|telephone| line("nummer in het convenant", &telephone)));
        calls
    }

    /// How the party record of an organisation stands.
    #[must_use]
    pub fn record_standing(&self, org: &OrgId, now: Timestamp) -> RecordStanding {
        self.held().records.standing(org, now)
    }

    /// Every other party of a covenant in force.
    #[must_use]
    pub fn parties(&self, now: Timestamp) -> Vec<OrgId> {
        self.held().book.as_ref().map(|book| book.peers(now)).unwrap_or_default()
    }
}

/// Whoever the covenants put first: the first party whose service of the wished kind may be asked.
fn first(book: &Book, wish: &Wish, now: Timestamp) -> Result<Grant, Refusal> {
    let ids: std::collections::BTreeSet<_> = book.iter().map(|(id, _, _)| id.clone()).collect();
    let mut unreadable = None;
    for id in ids {
        let Ok(covenant) = book.current(&id, now) else { continue };
        let document = covenant.binding()?;
        // A code that one covenant does not know may be the next one's.
        let asked = match plain_question(document, wish, &wish.from) {
            Ok(asked) => asked,
            Err(refusal) => {
                unreadable.get_or_insert(refusal);
                continue;
            }
        };
        let wished = |grant: &Grant| {
            let kind =
                document.services.iter().find(|service| Some(&service.id) == grant.service.as_ref()).map(|service| service.kind.as_str());
            wish.service.is_empty() || kind == Some(wish.service.as_str())
        };
        if let Some(grant) = covenant.options(&asked, now).into_iter().find(wished) {
            return Ok(grant);
        }
    }
    let none = Refusal { field: Some("service".to_owned()), ..Refusal::new(Stage::Covenant, Reason::CovenantDenied) };
    let none = none.because("no party of a covenant in force offers you this service for this age, municipality and urgency");
    Err(unreadable.unwrap_or(none))
}

/// The first yes; else the first no.
fn any(questions: Vec<Question>, decide: impl Fn(&Question) -> Decision) -> Result<Grant, Refusal> {
    let mut refused = None;
    for question in &questions {
        match decide(question).into_result() {
            Ok(grant) => return Ok(grant),
            Err(refusal) => refused.get_or_insert(refusal),
        };
    }
    Err(refused.unwrap_or_else(missing))
}

/// The covenant's question for one party, codes parsed: one for each of its services of the wished kind, which may differ in age and region.
fn questions(document: &Document, wish: &Wish, to: &OrgId) -> Result<Vec<Question>, Refusal> {
    let plain = plain_question(document, wish, to)?;
    if wish.service.is_empty() {
        return Ok(vec![plain]);
    }
    Ok(services(document, wish, to)?.into_iter().map(|service| Question { service: Some(service), ..plain.clone() }).collect())
}

/// The same without its service.
fn plain_question(document: &Document, wish: &Wish, to: &OrgId) -> Result<Question, Refusal> {
    if wish.urgency.is_empty() || document.urgencies.iter().all(|urgency| urgency.code.as_str() != wish.urgency) {
        let known: Vec<&str> = document.urgencies.iter().map(|urgency| urgency.code.as_str()).collect();
        return Err(Refusal::field("urgency", format!("expected one of the covenant's codes: {}", known.join(", "))));
    }
    let municipality = wish.municipality.as_deref().map(|code| {
        code.parse().map_err(|_| Refusal::field("identity.municipality", "expected a CBS municipality code of four digits, such as 0202"))
    });
    let urgency = wish.urgency.parse().map_err(|_| Refusal::field("urgency", "expected an urgency code of the covenant"))?;
    Ok(Question {
        from: wish.from.clone(),
        to: to.clone(),
        act: wish.act,
        service: None,
        age: wish.age,
        municipality: municipality.transpose()?,
        urgency: Some(urgency),
    })
}

/// The services of the asked party with the wished id or of the wished kind; at least one.
fn services(document: &Document, wish: &Wish, to: &OrgId) -> Result<Vec<ServiceId>, Refusal> {
    let fits = |service: &&schakel_domain::covenant::document::Service| {
        service.by == *to && (service.kind.as_str() == wish.service || service.id.as_str() == wish.service)
    };
    let found: Vec<_> = document.services.iter().filter(fits).map(|service| service.id.clone()).collect();
    let none = Refusal { field: Some("service".to_owned()), ..Refusal::new(Stage::Covenant, Reason::CovenantDenied) };
    if found.is_empty() { Err(none.because("this organisation does not offer this service in the covenant")) } else { Ok(found) }
}

/// A message names a clause that does not give what it asks; this grant would.
pub fn mismatch(given: &Grant) -> Refusal {
    Refusal::new(Stage::Covenant, Reason::ClauseMismatch).under(given.clause.as_str())
}

fn missing() -> Refusal {
    Refusal::new(Stage::Covenant, Reason::CovenantMissing)
}
