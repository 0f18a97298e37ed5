//! Who is calling, and what each role may do. One table; the doors authenticate, the desk authorises, nothing else decides.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::id::{Hash, InvalidId, OrgId};
use crate::person::PersonId;
use crate::refusal::{Reason, Refusal, Stage};

/// A role a caller can have. Tokens name roles; a certificate of an own system or a peer gives one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Crisis staff: works with cases.
    Worker,
    /// May also do what takes two people, and close cases.
    Coordinator,
    /// An organisation's own system or adapter: does what the responsible person named in each act may do.
    System,
    /// Keeps the log (logbeheerder) or audits it; sees no care content.
    Auditor,
    /// Runs the gateway; sees no care content.
    Operator,
    /// Another organisation's gateway.
    Peer,
    /// The gateway itself: timers.
    Gateway,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 7] = [Role::Worker, Role::Coordinator, Role::System, Role::Auditor, Role::Operator, Role::Peer, Role::Gateway];

    /// The name in tokens and in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Coordinator => "coordinator",
            Role::System => "system",
            Role::Auditor => "auditor",
            Role::Operator => "operator",
            Role::Peer => "peer",
            Role::Gateway => "gateway",
        }
    }
}

impl FromStr for Role {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let known = Role::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or_else(|| InvalidId { what: "role", problem: format!("`{text}` is not a role") })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who calls, as established by a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The organisation: our own for everybody but a peer.
    pub organization: OrgId,
    /// The person of the token's `sub`, when a person called.
    pub person: Option<PersonId>,
    /// Name of the client system or adapter, as in its token or certificate; logged.
    pub client: String,
    /// Roles.
    pub roles: BTreeSet<Role>,
    /// Whether the person logged in with two factors (`acr`).
    pub two_factor: bool,
    /// SHA-256 of the public key of the TLS certificate, when there was one.
    pub spki: Option<Hash>,
    /// Door it came in by: `care`, `audit`, `admin`, `federation`, `file-drop`, `clock`.
    pub door: &'static str,
}

impl Caller {
    /// Refuses an act that none of the caller's roles may do.
    ///
    /// # Errors
    /// `ROLE_DENIED`, or `TWO_FACTOR_REQUIRED` when reading the log without a second factor.
    pub fn may(&self, act: Act) -> Result<(), Refusal> {
        if !self.roles.iter().any(|role| permits(*role, act)) {
            let denied = Refusal::new(Stage::Caller, Reason::RoleDenied);
            return Err(denied.because(format!("none of this caller's roles may {}", act.name())));
        }
        let reads_log = matches!(act.group(), Group::Audit);
        if reads_log && !self.two_factor {
            return Err(Refusal::new(Stage::Caller, Reason::TwoFactorRequired));
        }
        Ok(())
    }
}

/// Acts that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Reading care data.
    CareRead,
    /// Changing care data.
    CareWrite,
    /// What two people do together, and what is final.
    TwoPeople,
    /// Reading agreements.
    Agreement,
    /// Changing agreements.
    AgreementWrite,
    /// Reading the log.
    Audit,
    /// Running the gateway.
    Operate,
    /// What only a peer's gateway does.
    Federation,
    /// What only the gateway itself does.
    Clock,
}

macro_rules! acts {
    ($($act:ident $name:literal $group:ident;)*) => {
        /// Everything anybody can ask of a gateway. A method of a door is one act; an act without a row here does not compile.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Act { $(#[doc = $name] $act,)* }

        impl Act {
            /// Every act.
            pub const ALL: &'static [Act] = &[$(Act::$act,)*];

            /// Its name in the log.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Act::$act => $name,)* }
            }

            /// The acts it belongs with.
            #[must_use]
            pub fn group(self) -> Group {
                match self { $(Act::$act => Group::$group,)* }
            }
        }
    };
}

acts! {
    OpenCase "open-case" CareWrite;
    AmendCase "amend-case" CareWrite;
    ReadCase "read-case" CareRead;
    ListCases "list-cases" CareRead;
    CloseCase "close-case" CareWrite;
    AskErasure "ask-erasure" CareWrite;
    KeepCase "keep-case" TwoPeople;
    EraseCase "erase-case" TwoPeople;
    ReadErasure "read-erasure" CareRead;
    Ask "ask-expertise" CareWrite;
    ReadConsultation "read-consultation" CareRead;
    ListConsultations "list-consultations" CareRead;
    AcceptConsultation "accept-consultation" CareWrite;
    DeclineConsultation "decline-consultation" CareWrite;
    Advise "advise" CareWrite;
    CancelConsultation "cancel-consultation" CareWrite;
    CloseConsultation "close-consultation" CareWrite;
    Offer "offer-handover" CareWrite;
    ReadHandover "read-handover" CareRead;
    ListHandovers "list-handovers" CareRead;
    AcceptHandover "accept-handover" CareWrite;
    DeclineHandover "decline-handover" CareWrite;
    WithdrawHandover "withdraw-handover" CareWrite;
    ReleasePledge "release-pledge" TwoPeople;
    ForceReclaim "force-reclaim" TwoPeople;
    ResolveContested "resolve-contested" TwoPeople;
    ReadProof "read-proof" CareRead;
    WatchEvents "watch-events" CareRead;
    ReadDuty "read-duty" CareRead;
    ReadCovenant "read-covenant" Agreement;
    CheckCovenant "check-covenant" Agreement;
    InstallCovenant "install-covenant" AgreementWrite;
    InstallPartyRecord "install-party-record" AgreementWrite;
    ReadLog "read-log" Audit;
    ExportLog "export-log" Audit;
    VerifyLog "verify-log" Audit;
    ReadPeers "read-peers" Operate;
    ReadOutbox "read-outbox" Operate;
    RetryMessage "retry-message" Operate;
    CancelMessage "cancel-message" Operate;
    ReplayMessage "replay-message" Operate;
    StopPeer "stop-peer" Operate;
    ResumePeer "resume-peer" Operate;
    EndRecovery "end-recovery" Operate;
    ReadAdapters "read-adapters" Operate;
    Receive "receive" Federation;
    ExchangeDocuments "exchange-documents" Federation;
    Tick "tick" Clock;
}

/// The one table: what each role may do.
#[must_use]
pub fn permits(role: Role, act: Act) -> bool {
    use Group::{Agreement, AgreementWrite, Audit, CareRead, CareWrite, Clock, Federation, Operate, TwoPeople};
    match role {
        Role::Worker => matches!(act.group(), CareRead | CareWrite | Agreement),
        Role::Coordinator => matches!(act.group(), CareRead | CareWrite | TwoPeople | Agreement),
        Role::System => matches!(act.group(), CareRead | CareWrite | Agreement),
        Role::Auditor => matches!(act.group(), Audit | Agreement),
        Role::Operator => matches!(act.group(), Operate | Agreement | AgreementWrite),
        Role::Peer => matches!(act.group(), Federation),
        Role::Gateway => matches!(act.group(), Clock | Federation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(role: Role) -> Caller {
        Caller {
            organization: "ura:90000123".parse().unwrap(),
            person: None,
            client: "test".to_owned(),
            roles: BTreeSet::from([role]),
            two_factor: false,
            spki: None,
            door: "care",
        }
    }

    #[test]
    fn care_is_for_care_workers_and_the_log_for_auditors() {
        assert!(caller(Role::Worker).may(Act::AcceptHandover).is_ok());
        for (role, act) in [
            (Role::Auditor, Act::ReadCase),
            (Role::Operator, Act::ReadCase),
            (Role::Worker, Act::ForceReclaim),
            (Role::Peer, Act::ReadCase),
        ] {
            assert_eq!(caller(role).may(act).unwrap_err().reason, Reason::RoleDenied, "{role} {}", act.name());
        }
    }

    #[test]
    fn the_log_opens_only_with_a_second_factor() {
        let once = caller(Role::Auditor);
        let twice = Caller { two_factor: true, ..once.clone() };

        assert_eq!(once.may(Act::ReadLog).unwrap_err().reason, Reason::TwoFactorRequired);
        assert!(twice.may(Act::ReadLog).is_ok());
    }
}
