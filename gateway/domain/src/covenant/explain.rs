//! The covenant in plain words for one organisation: what it may ask, what it must answer, within what time, with which data.

use std::fmt::Write;

use super::document::{Act, Clause, Document, Mode, Party};
use super::signed::{Covenant, Standing};
use crate::field::{Field, enumerate};
use crate::id::OrgId;
use crate::refusal::Lang;

/// The covenant as this organisation needs to know it. Says so when the covenant does not bind, or the organisation is no party.
#[must_use]
pub fn explain(covenant: &Covenant, org: &OrgId, lang: Lang) -> String {
    let Some(signed) = covenant.signed() else {
        return pick(
            lang,
            "Dit convenant is onleesbaar. Niemand mag iets vragen.\n",
            "This covenant cannot be read. Nobody may ask anything.\n",
        );
    };
    explained(&signed.document, &note(covenant.standing(), &signed.document, lang), org, lang)
}

/// What must be known before anything else is read: that none of it applies, or not yet.
fn note(standing: &Standing, document: &Document, lang: Lang) -> String {
    match standing {
        Standing::InForce => String::new(),
        Standing::Waiting { missing } => {
            let names: Vec<_> = missing.iter().map(|id| document.party_name(id)).collect();
            let names = enumerate(&names, lang);
            match lang {
                Lang::Nl => format!("\nLet op: dit convenant geldt nog niet. Nog niet getekend: {names}.\n"),
                Lang::En => format!("\nNote: this covenant is not yet in force. Not yet signed: {names}.\n"),
            }
        }
        Standing::Broken { .. } => pick(
            lang,
            "\nLet op: dit convenant klopt niet en geldt dus niet. Niemand mag op grond hiervan iets vragen.\n",
            "\nNote: this covenant does not hold and so does not apply. Nobody may ask anything under it.\n",
        ),
    }
}

/// The same of a document, signed or not.
#[must_use]
pub fn explain_document(document: &Document, org: &OrgId, lang: Lang) -> String {
    explained(document, "", org, lang)
}

/// The heading, the note below it, and the rest.
fn explained(document: &Document, note: &str, org: &OrgId, lang: Lang) -> String {
    let Some(party) = document.party(org) else {
        return match lang {
            Lang::Nl => format!("{org} is geen partij bij {}. Deze organisatie mag niets vragen.\n{note}", document.title.nl),
            Lang::En => format!("{org} is no party to {}. This organisation may ask nothing.\n{note}", document.title.en),
        };
    };
    let page = Page { document, party, lang };
    let mut text = page.heading();
    text.push_str(note);
    text.push_str(&page.asks());
    text.push_str(&page.answers());
    text.push_str(&page.datasets());
    text.push_str(&page.agreements());
    text
}

struct Page<'a> {
    document: &'a Document,
    party: &'a Party,
    lang: Lang,
}

impl Page<'_> {
    fn say(&self, nl: &str, en: &str) -> String {
        pick(self.lang, nl, en)
    }

    fn heading(&self) -> String {
        let Document { title, version, in_force_from, .. } = self.document;
        let (title, name) = (title.get(self.lang), &self.party.name);
        match self.lang {
            Lang::Nl => format!("{title}, versie {version} (geldt vanaf {in_force_from})\nUitleg voor {name}\n"),
            Lang::En => format!("{title}, version {version} (in force from {in_force_from})\nExplained for {name}\n"),
        }
    }

    fn asks(&self) -> String {
        let mut text = self.say("\nWAT U MAG VRAGEN\n", "\nWHAT YOU MAY ASK\n");
        let mine = self.document.grants.iter().filter(|clause| self.may_ask(self.party, clause));
        let clauses: Vec<_> = mine.filter_map(|clause| self.ask(clause)).collect();
        if clauses.is_empty() {
            text.push_str(&self.say("U mag op grond van dit convenant niets vragen.\n", "You may ask nothing under this covenant.\n"));
        }
        text.push_str(&clauses.join("\n"));
        text
    }

    fn answers(&self) -> String {
        let mut text = self.say("\nWAT U MOET BEANTWOORDEN\n", "\nWHAT YOU MUST ANSWER\n");
        let mine = self.document.grants.iter().filter(|clause| self.may_be_asked(self.party, clause));
        let clauses: Vec<_> = mine.filter_map(|clause| self.answer(clause)).collect();
        if clauses.is_empty() {
            text.push_str(
                &self.say("Niemand mag u op grond van dit convenant iets vragen.\n", "Nobody may ask you anything under this covenant.\n"),
            );
        }
        text.push_str(&clauses.join("\n"));
        text
    }

    fn ask(&self, clause: &Clause) -> Option<String> {
        let others = self.others(|party| self.may_be_asked(party, clause))?;
        let what = match (clause.act, self.lang) {
            (Act::Consult, Lang::Nl) => format!("U mag {others} om expertise vragen over een jeugdige, op naam."),
            (Act::ConsultAnonymous, Lang::Nl) => format!("U mag {others} om expertise vragen zonder te zeggen over wie het gaat."),
            (Act::Handover, Lang::Nl) => format!("U mag {others} vragen een zaak van u over te nemen."),
            (Act::Figures, Lang::Nl) => format!("U mag {others} om cijfers vragen. U ziet nooit een zaak."),
            (Act::Consult, Lang::En) => format!("You may ask {others} for expertise about a named young person."),
            (Act::ConsultAnonymous, Lang::En) => format!("You may ask {others} for expertise without saying who it is about."),
            (Act::Handover, Lang::En) => format!("You may ask {others} to take over a case of yours."),
            (Act::Figures, Lang::En) => format!("You may ask {others} for figures. You never see a case."),
        };
        let mut text = self.clause(clause, &what);
        text.push_str(&self.data(clause, &self.say("Dit mag u meesturen (zie onder)", "You may send (see below)")));
        text.push_str(&self.times(clause, &self.say("U krijgt antwoord binnen", "You get an answer within")));
        text.push_str(&self.next(clause));
        Some(text)
    }

    fn answer(&self, clause: &Clause) -> Option<String> {
        let others = self.others(|party| self.may_ask(party, clause))?;
        let what = match (clause.act, self.lang) {
            (Act::Consult, Lang::Nl) => format!("Deze organisaties mogen u om expertise vragen over een jeugdige, op naam: {others}."),
            (Act::ConsultAnonymous, Lang::Nl) => {
                format!("Deze organisaties mogen u om expertise vragen zonder te zeggen over wie het gaat: {others}.")
            }
            (Act::Handover, Lang::Nl) => format!("Deze organisaties mogen u vragen een zaak over te nemen: {others}."),
            (Act::Figures, Lang::Nl) => format!("Deze organisaties mogen u om cijfers vragen, nooit om een zaak: {others}."),
            (Act::Consult, Lang::En) => format!("These organisations may ask you for expertise about a named young person: {others}."),
            (Act::ConsultAnonymous, Lang::En) => {
                format!("These organisations may ask you for expertise without saying who it is about: {others}.")
            }
            (Act::Handover, Lang::En) => format!("These organisations may ask you to take over a case: {others}."),
            (Act::Figures, Lang::En) => format!("These organisations may ask you for figures, never for a case: {others}."),
        };
        let mut text = self.clause(clause, &what);
        text.push_str(&self.data(clause, &self.say("U krijgt hoogstens (zie onder)", "You get at most (see below)")));
        text.push_str(&self.times(clause, &self.say("U antwoordt binnen", "You answer within")));
        Some(text)
    }

    fn clause(&self, clause: &Clause, what: &str) -> String {
        let (purpose, basis) = (clause.purpose.get(self.lang), clause.legal_basis.label(self.lang));
        match self.lang {
            Lang::Nl => format!("Artikel {}. {what}\n  Doel: {purpose}.\n  Grondslag: {basis}.\n", clause.id),
            Lang::En => format!("Clause {}. {what}\n  Purpose: {purpose}.\n  Legal basis: {basis}.\n", clause.id),
        }
    }

    fn data(&self, clause: &Clause, lead: &str) -> String {
        let dataset = clause.dataset.as_ref().and_then(|id| self.document.dataset(id));
        dataset.map_or_else(String::new, |dataset| format!("  {lead}: {}.\n", dataset.title.get(self.lang)))
    }

    /// What each dataset that concerns this party holds; once, for several clauses share one.
    fn datasets(&self) -> String {
        let document = self.document;
        let mine = |clause: &&Clause| self.may_ask(self.party, clause) || self.may_be_asked(self.party, clause);
        let used: Vec<_> = document.grants.iter().filter(mine).filter_map(|clause| clause.dataset.as_ref()).collect();
        let mut text = String::new();
        for dataset in document.datasets.iter().filter(|dataset| used.contains(&&dataset.id)) {
            let guarded = |too: bool| dataset.protected.iter().filter(move |field| dataset.fields.contains(field) == too);
            let (title, labels) = (dataset.title.get(self.lang), Field::labels(&dataset.fields, self.lang));
            let _ = writeln!(text, "{title}: {labels}.");
            if guarded(true).next().is_some() {
                let lead = self.say(
                    "Is dit in de zaak afgeschermd, dan alleen als het voor de hulp nodig is",
                    "When the case protects this, only if the help needs it",
                );
                let _ = writeln!(text, "  {lead}: {}.", Field::labels(guarded(true), self.lang));
            }
            if guarded(false).next().is_some() {
                let lead = self.say("Altijd alleen als het voor de hulp nodig is", "Always only if the help needs it");
                let _ = writeln!(text, "  {lead}: {}.", Field::labels(guarded(false), self.lang));
            }
        }
        if text.is_empty() { text } else { self.say("\nWELKE GEGEVENS\n", "\nWHICH DATA\n") + &text }
    }

    fn times(&self, clause: &Clause, lead: &str) -> String {
        if !clause.act.concerns_case() {
            return String::new();
        }
        let time = |urgency: &super::document::Urgency| {
            let period = self.document.response(clause, &urgency.code)?;
            Some(format!("{}: {}", urgency.label.get(self.lang), period.words(self.lang)))
        };
        let times: Vec<_> = self.document.urgencies.iter().filter_map(time).collect();
        format!("  {lead}: {}.\n", times.join("; "))
    }

    /// Who is asked after whom, and who is called when nobody answers.
    fn next(&self, clause: &Clause) -> String {
        let mut text = String::new();
        if clause.mode == Mode::FanOut {
            text.push_str(&self.say("  De vraag gaat naar allen tegelijk.\n", "  The question goes to all at once.\n"));
        } else if clause.order.len() > 1 {
            let names: Vec<_> = clause.order.iter().map(|id| self.document.party_name(id)).collect();
            let lead = self.say("Volgorde, na wie in het eigen gebied werkt", "Order, after who works in the area");
            let _ = writeln!(text, "  {lead}: {}.", names.join(self.say(", dan ", ", then ").as_str()));
        }
        let Some(rule) = &clause.escalation else { return text };
        let own = self.document.party(&rule.to).map(|party| &party.telephone);
        let (who, name) = (rule.who.get(self.lang), self.document.party_name(&rule.to));
        let number = rule.telephone.as_ref().or(own).map_or("", |number| number.as_str());
        let line = match self.lang {
            Lang::Nl => format!("  Geen antwoord? Bel {who} van {name}: {number}.\n"),
            Lang::En => format!("  No answer? Call {who} of {name}: {number}.\n"),
        };
        text.push_str(&line);
        text
    }

    fn agreements(&self) -> String {
        let deadlines = &self.document.deadlines;
        let (receipt, undelivered) = (deadlines.transfer_receipt.words(self.lang), deadlines.undelivered.words(self.lang));
        let years = self.document.retention.audit_log_years;
        match self.lang {
            Lang::Nl => format!(
                "\nALTIJD\nU blijft verantwoordelijk tot de ander de ontvangst heeft bevestigd. Komt die niet binnen {receipt}, bel dan.\n\
                 Komt een bericht na {undelivered} nog niet aan, bel dan.\nElke vraag, elk antwoord en elke inzage staat in het logboek; dat blijft {years} jaar bewaard.\n"
            ),
            Lang::En => format!(
                "\nALWAYS\nYou stay responsible until the other has confirmed receipt. If that does not come within {receipt}, telephone.\n\
                 If a message has not arrived after {undelivered}, telephone.\nEvery question, answer and reading is in the log, which is kept for {years} years.\n"
            ),
        }
    }

    fn may_ask(&self, party: &Party, clause: &Clause) -> bool {
        self.document.names(&clause.from, party) && !self.barred(party, clause)
    }

    fn may_be_asked(&self, party: &Party, clause: &Clause) -> bool {
        let document = self.document;
        let reached = |who: &super::name::Who, service: &super::document::Service| {
            service.by == party.id && super::check::reaches(document, who, clause, service)
        };
        let serves = document.services.iter().any(|service| clause.to.iter().any(|who| reached(who, service)));
        document.names(&clause.to, party) && !self.barred(party, clause) && (serves || !clause.act.concerns_case())
    }

    fn barred(&self, party: &Party, clause: &Clause) -> bool {
        clause.act.concerns_case() && self.document.is_figures_only(party)
    }

    fn others(&self, takes_part: impl Fn(&Party) -> bool) -> Option<String> {
        let others = self.document.parties.iter().filter(|party| party.id != self.party.id && takes_part(party));
        let names: Vec<_> = others.map(|party| party.name.as_str()).collect();
        (!names.is_empty()).then(|| enumerate(&names, self.lang))
    }
}

fn pick(lang: Lang, nl: &str, en: &str) -> String {
    match lang {
        Lang::Nl => nl.to_owned(),
        Lang::En => en.to_owned(),
    }
}
