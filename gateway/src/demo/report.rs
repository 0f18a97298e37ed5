//! REPORT: what a demo found, for programs; and where everything is, for clients that want to go on from there.

use serde_json::{Value, json};

use super::checker::Findings;
use super::tamper::Verdict;
use super::world::{TokenRole, World};

/// One step, judged.
#[derive(Debug, Clone)]
pub struct StepReport {
    /// What it was.
    pub name: String,
    /// Everything expected was true.
    pub ok: bool,
    /// What was not.
    pub detail: Option<String>,
}

/// What a demo found.
#[derive(Debug, Clone)]
pub struct Report {
    /// Organisations that took part.
    pub organizations: usize,
    /// Every step.
    pub steps: Vec<StepReport>,
    /// What the stores show.
    pub findings: Findings,
    /// What became of changes in a copy of a log.
    pub tampered: Vec<Verdict>,
}

impl Report {
    /// Every step went as it should, no rule was broken, and every log holds.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.steps.iter().all(|step| step.ok) && self.findings.violations.is_empty() && self.verified()
    }

    /// Every log holds, and so did every original beside a changed copy.
    #[must_use]
    pub fn verified(&self) -> bool {
        self.findings.logs_hold && self.tampered.iter().all(|verdict| verdict.original_ok)
    }

    /// Every change in a copy was found where it was made; false when the story made none.
    #[must_use]
    pub fn tamper_found(&self) -> bool {
        !self.tampered.is_empty() && self.tampered.iter().all(Verdict::as_it_should)
    }

    /// The report as one object.
    #[must_use]
    pub fn json(&self) -> Value {
        let step = |step: &StepReport| match &step.detail {
            Some(detail) => json!({ "name": step.name, "ok": step.ok, "detail": detail }),
            None => json!({ "name": step.name, "ok": step.ok }),
        };
        json!({
            "ok": self.ok(),
            "organizations": self.organizations,
            "consultations": self.findings.consultations,
            "handovers": self.findings.handovers,
            "custody": {
                "transitions": self.findings.transitions,
                "violations": self.findings.violations.len(),
                "details": self.findings.violations.iter().map(ToString::to_string).collect::<Vec<_>>(),
            },
            "audit": {
                "entries": self.findings.entries,
                "verified": self.verified(),
                "tamper_found": self.tamper_found(),
            },
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

/// `demo.json`: where every door, certificate and token is. Everything in it is throw-away.
#[must_use]
pub fn demo_json(world: &World, processes: bool) -> Value {
    let organization = |home: &super::world::Home| {
        let role = |role: TokenRole| {
            let actor = home.holders.get(role.as_str());
            let actor = actor.map(|actor| json!({ "person": actor.person.as_str(), "name": actor.name, "function": actor.function }));
            (role.as_str().to_owned(), actor.unwrap_or(Value::Null))
        };
        json!({
            "id": home.id,
            "key": home.key.as_str(),
            "name": home.name,
            "endpoints": {
                "federation": home.ports.federation.to_string(),
                "line": home.ports.line.to_string(),
                "care": home.ports.care.to_string(),
                "audit": home.ports.audit.to_string(),
                "admin": home.ports.admin.to_string(),
            },
            "ca": world.ca,
            "client_certificate": home.client_certificate,
            "client_key": home.client_key,
            "tokens": home.tokens,
            "actors": TokenRole::ALL.into_iter().map(role).collect::<serde_json::Map<_, _>>(),
            "config": home.config,
            "data": home.data,
            "file_drop": home.drop,
        })
    };
    json!({
        "notice": "invented people, throw-away keys",
        "pid": std::process::id(),
        "processes": processes,
        "organizations": world.homes.iter().map(organization).collect::<Vec<_>>(),
    })
}
