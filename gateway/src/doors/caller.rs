//! Who is calling: a person or auditor by a token, a system by its certificate, an operator by either or by a unix socket.
//!
//! A token that is there must be good: a bad one is never made up for by a good certificate. What cannot be identified is refused,
//! counted per source and minute, and not logged one by one: a stranger cannot fill the log.

pub mod keys;
mod known;
mod strangers;
mod token;

use std::collections::{BTreeMap, BTreeSet};

use arc_swap::ArcSwap;
use http::HeaderMap;
use jiff::Timestamp;
use schakel_domain::caller::{Caller, Role};
use schakel_domain::id::OrgId;
use schakel_domain::person::{Actor, PersonId};
use schakel_domain::refusal::{Reason, Refusal, Stage};

use self::known::Issuers;
pub use self::strangers::{Strangers, StrangersRow};
use self::token::Verified;
pub(crate) use self::token::algorithm;
pub use self::token::{Issuer, IssuerConfig, IssuerError};
use crate::tls::PeerInfo;

/// Longest `authorization` header, in bytes.
const MAX_HEADER: usize = 8 * 1024;

/// Why somebody is not known: the reason, and what exactly. Never more than a stranger may hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct No {
    reason: Reason,
    detail: &'static str,
}

impl From<&'static str> for No {
    fn from(detail: &'static str) -> Self {
        Self { reason: Reason::Unauthenticated, detail }
    }
}

/// A known caller of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// Who, for the desk.
    pub caller: Caller,
    /// The name shown on the telephone: the person's, or the system's.
    pub name: String,
    /// Function of the person, when the token says it.
    pub function: Option<String>,
    /// What identified the caller ends here: a long answer must end too.
    pub until: Option<Timestamp>,
}

impl Identified {
    /// The caller itself as the one who answers for a read that named nobody.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let roles: Vec<_> = self.caller.roles.iter().map(|role| role.as_str()).collect();
        Actor {
            person: self.caller.person.clone().unwrap_or_else(|| own(&self.caller.client)),
            name: self.name.clone(),
            function: self.function.clone().unwrap_or_else(|| roles.join(", ")),
        }
    }

    /// A person answers for own acts only; a system names the person who acted in it.
    ///
    /// # Errors
    /// `INVALID_FIELD` naming `actor.person`.
    pub fn answers_for(&self, actor: &Actor) -> Result<(), Refusal> {
        match &self.caller.person {
            Some(person) if *person != actor.person => {
                let other = Refusal::field("actor.person", "expected the person who logged in; nobody acts in another's name");
                Err(Refusal { stage: Stage::Caller, ..other })
            }
            _ => Ok(()),
        }
    }
}

/// A local id for a name that was already found plain.
fn own(name: &str) -> PersonId {
    PersonId::parse(&format!("local:{name}")).or_else(|_| PersonId::parse("local:system")).expect("a literal that parses")
}

/// How callers are known.
#[derive(Debug)]
pub struct Authentication {
    organization: OrgId,
    issuers: ArcSwap<Issuers>,
    operators: BTreeMap<String, PersonId>,
    strangers: Strangers,
}

impl Authentication {
    /// Who may be known: tokens of these issuers, and certificates of the own organisation's systems.
    ///
    /// `operators` names the natural person behind a client certificate (its name) or a user of a unix socket (`uid:1000`) that may
    /// run the gateway by the admin door; at every other door that client is an ordinary system.
    #[must_use]
    pub fn new(organization: OrgId, issuers: Vec<Issuer>, operators: BTreeMap<String, PersonId>) -> Self {
        Self { organization, issuers: ArcSwap::from_pointee(Issuers::new(issuers)), operators, strangers: Strangers::default() }
    }

    /// Replaces the issuers, as when their keys have changed.
    pub fn reload(&self, issuers: Vec<Issuer>) {
        self.issuers.store(std::sync::Arc::new(Issuers::new(issuers)));
    }

    /// Calls that could not be identified.
    #[must_use]
    pub fn strangers(&self) -> &Strangers {
        &self.strangers
    }

    /// Establishes who calls.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`; the caller hears what kind of proof is missing or wrong, never more. `ISSUER_KEYS_UNAVAILABLE` when nobody can tell.
    pub fn identify(
        &self,
        door: &'static str,
        headers: &HeaderMap,
        connection: Option<&PeerInfo>,
        now: Timestamp,
    ) -> Result<Identified, Refusal> {
        let known = self.proofs(door, headers, connection, now);
        known.map_err(|why| {
            self.strangers.count(now, connection.and_then(|connection| connection.remote).map(|remote| remote.ip()));
            Refusal::new(Stage::Caller, why.reason).because(why.detail)
        })
    }

    fn proofs(&self, door: &'static str, headers: &HeaderMap, connection: Option<&PeerInfo>, now: Timestamp) -> Result<Identified, No> {
        if connection.is_some_and(|connection| connection.org.is_some()) {
            return Err("a gateway's certificate does not open this door".into());
        }
        if connection.is_some_and(|connection| connection.life.ended().is_some()) {
            return Err("the certificate no longer counts".into());
        }
        if connection.and_then(|connection| connection.not_after).is_some_and(|end| end < now) {
            return Err("the certificate has expired".into());
        }
        match bearer(headers)? {
            Some(token) => {
                let verified = self.issuers.load().verify(token, now)?;
                self.person(door, verified, connection)
            }
            None => self.system(door, connection.ok_or("no token and no certificate")?),
        }
    }

    fn person(&self, door: &'static str, verified: Verified, connection: Option<&PeerInfo>) -> Result<Identified, No> {
        let thumbprint = connection.and_then(|connection| connection.thumbprint);
        if verified.bound_to.is_some() && verified.bound_to != thumbprint {
            return Err("the token is bound to another certificate".into());
        }
        let certified = connection.and_then(|connection| connection.client.as_ref()).map(|client| client.as_str().to_owned());
        let ends = [verified.until, connection.and_then(|connection| connection.not_after)];
        let caller = Caller {
            organization: self.organization.clone(),
            person: Some(verified.person),
            client: certified.unwrap_or(verified.client),
            roles: verified.roles,
            two_factor: verified.two_factor,
            spki: connection.and_then(|connection| connection.spki),
            door,
        };
        Ok(Identified { caller, name: verified.name, function: verified.function, until: ends.into_iter().flatten().min() })
    }

    fn system(&self, door: &'static str, connection: &PeerInfo) -> Result<Identified, No> {
        let client = match (&connection.client, connection.uid) {
            (Some(client), _) => client.as_str().to_owned(),
            (None, Some(uid)) => format!("uid:{uid}"),
            (None, None) => return Err("no token and no certificate".into()),
        };
        let operator = self.operators.get(&client).filter(|_| door == "admin");
        if connection.client.is_none() && operator.is_none() {
            return Err("this user of the socket is not an operator".into());
        }
        let caller = Caller {
            organization: self.organization.clone(),
            person: operator.cloned(),
            client: client.clone(),
            roles: BTreeSet::from([if operator.is_some() { Role::Operator } else { Role::System }]),
            two_factor: false,
            spki: connection.spki,
            door,
        };
        Ok(Identified { caller, name: client, function: None, until: connection.not_after })
    }
}

/// The token of a request; none is no error, two are.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, &'static str> {
    let mut given = headers.get_all(http::header::AUTHORIZATION).iter();
    let Some(first) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err("more than one authorization header");
    }
    if first.len() > MAX_HEADER {
        return Err("the authorization header is too long");
    }
    let text = first.to_str().map_err(|_| "the authorization header is not ASCII")?;
    let (scheme, token) = text.split_once(' ').ok_or("expected authorization: Bearer and a token")?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err("expected authorization: Bearer and a token");
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests;
