//! Whether each clause can be lived by: somebody asks, somebody answers in time, and only lawful data travels.

use super::Found;
use crate::covenant::document::{Act, Clause, Document, LegalBasis, Party, Regime, Service};
use crate::covenant::name::Who;
use crate::field::{Field, enumerate};
use crate::refusal::Lang;

impl<'a> Found<'a> {
    pub(super) fn datasets(&mut self) {
        for dataset in &self.document.datasets {
            let path = format!("datasets[{}]", dataset.id);
            self.unique(&format!("{path}.fields"), dataset.fields.iter().map(ToString::to_string));
            self.unique(&format!("{path}.protected"), dataset.protected.iter().map(ToString::to_string));
            self.unless(
                !dataset.fields.is_empty(),
                format!("{path}.fields"),
                ("deze dataset is leeg.", "this dataset is empty."),
                ("Noem minstens een veld.", "Name at least one field."),
            );
            // An address that travels without its mark would be passed on as an ordinary one.
            self.unless(
                dataset.protected.is_empty() || dataset.fields.contains(&Field::Safety),
                format!("{path}.protected"),
                (
                    "afgeschermde gegevens gaan mee zonder te zeggen dat ze afgeschermd zijn.",
                    "protected fields travel without saying that they are protected.",
                ),
                ("Voeg `safety` toe aan fields.", "Add `safety` to fields."),
            );
            for field in dataset.protected.iter().filter(|field| !field.is_protectable()) {
                self.add(
                    format!("{path}.protected"),
                    (
                        &format!("`{field}` is geen veld dat afgeschermd kan worden."),
                        &format!("`{field}` is not a field that can be protected."),
                    ),
                    ("Zet het bij fields.", "Move it to fields."),
                );
            }
        }
    }

    pub(super) fn clauses(&mut self) {
        for clause in &self.document.grants {
            let path = format!("grants[{}]", clause.id);
            self.who(&format!("{path}.from"), &clause.from, false);
            self.who(&format!("{path}.to"), &clause.to, true);
            self.clause_parties(&path, clause);
            self.clause_data(&path, clause);
            self.clause_times(&path, clause);
            self.clause_candidates(&path, clause);
        }
        self.unless(
            !self.document.grants.is_empty(),
            "grants",
            ("er is geen enkel artikel: niemand mag iets vragen.", "there is no clause: nobody may ask anything."),
            ("Voeg minstens een artikel toe.", "Add at least one clause."),
        );
    }

    fn named(&self, who: &[Who]) -> Vec<&'a Party> {
        self.document.parties.iter().filter(|party| self.document.names(who, party)).collect()
    }

    fn clause_parties(&mut self, path: &str, clause: &Clause) {
        let (from, to) = (self.named(&clause.from), self.named(&clause.to));
        let pair = from.iter().any(|asker| to.iter().any(|asked| asked.id != asker.id));
        self.unless(
            pair,
            path,
            ("er is geen partij die een andere partij iets mag vragen.", "there is no party that may ask another party anything."),
            ("Verbeter from of to.", "Correct from or to."),
        );
        let explicit = |who: &[Who]| who.iter().all(|who| *who != Who::All);
        let barred = from.iter().filter(|_| explicit(&clause.from)).chain(to.iter().filter(|_| explicit(&clause.to)));
        let barred: Vec<_> = barred.filter(|party| self.document.is_figures_only(party)).map(|party| party.name.clone()).collect();
        self.unless(
            barred.is_empty() || !clause.act.concerns_case(),
            path,
            (
                &format!("{} ziet alleen cijfers, nooit een zaak.", enumerate(&barred, Lang::Nl)),
                &format!("{} sees figures only, never a case.", enumerate(&barred, Lang::En)),
            ),
            ("Haal deze partij uit het artikel.", "Remove this party from the clause."),
        );
        let wrong: Vec<_> = from.iter().filter(|party| !fits(party.regime, clause.legal_basis)).map(|party| party.name.as_str()).collect();
        self.unless(
            wrong.is_empty(),
            format!("{path}.legal_basis"),
            (
                &format!("deze grondslag hoort niet bij het wettelijk kader van {}.", enumerate(&wrong, Lang::Nl)),
                &format!("this basis does not belong to the legal regime of {}.", enumerate(&wrong, Lang::En)),
            ),
            ("Kies een andere grondslag, of maak een eigen artikel per kader.", "Choose another basis, or a clause for each regime."),
        );
    }

    fn clause_data(&mut self, path: &str, clause: &Clause) {
        let path = format!("{path}.dataset");
        let Some(id) = &clause.dataset else {
            self.unless(
                clause.act == Act::Figures,
                path,
                ("het artikel zegt niet welke gegevens mee mogen.", "the clause does not say which data may travel."),
                ("Noem een dataset.", "Name a dataset."),
            );
            return;
        };
        let Some(dataset) = self.document.dataset(id) else {
            self.unknown(path, id, ("dataset", "dataset"));
            return;
        };
        self.unless(
            clause.act != Act::Figures,
            path.clone(),
            ("bij cijfers gaan geen gegevens van een zaak mee.", "with figures no data of a case travel."),
            ("Haal de dataset weg.", "Remove the dataset."),
        );
        self.unless(
            !clause.act.asks_expertise() || [Field::Question, Field::Advice].iter().all(|field| dataset.fields.contains(field)),
            path.clone(),
            (
                "zonder `question` en `advice` valt er niets te vragen of te antwoorden.",
                "without `question` and `advice` nothing can be asked or answered.",
            ),
            ("Voeg beide toe aan fields van de dataset.", "Add both to fields of the dataset."),
        );
        let personal: Vec<Field> = dataset.fields.iter().chain(&dataset.protected).copied().filter(|field| !field.is_anonymous()).collect();
        let nameless = clause.act == Act::ConsultAnonymous || clause.legal_basis == LegalBasis::NoPersonalData;
        self.unless(
            !nameless || personal.is_empty(),
            path,
            (
                &format!("een vraag zonder persoonsgegevens bevat: {}.", Field::labels(&personal, Lang::Nl)),
                &format!("a question without personal data holds: {}.", Field::labels(&personal, Lang::En)),
            ),
            ("Kies een dataset zonder deze velden.", "Choose a dataset without these fields."),
        );
    }

    fn clause_times(&mut self, path: &str, clause: &Clause) {
        let document = self.document;
        for code in clause.response.keys().filter(|code| document.urgency(code).is_none()) {
            self.unknown(format!("{path}.response"), code, ("urgentie", "urgency"));
        }
        if !clause.act.concerns_case() {
            return;
        }
        for urgency in document.urgencies.iter().filter(|urgency| document.response(clause, &urgency.code).is_none()) {
            self.add(
                format!("{path}.response"),
                (
                    &format!("geen reactietijd voor urgentie `{}`.", urgency.code),
                    &format!("no response time for urgency `{}`.", urgency.code),
                ),
                ("Zet een tijd in het artikel of in de urgentietabel.", "Set a time in the clause or in the urgency table."),
            );
        }
    }

    fn clause_candidates(&mut self, path: &str, clause: &Clause) {
        let document = self.document;
        for id in clause.order.iter().filter(|id| !document.party(id).is_some_and(|party| document.names(&clause.to, party))) {
            self.add(
                format!("{path}.order"),
                (&format!("`{id}` staat in de volgorde maar niet in to."), &format!("`{id}` stands in the order but not in to.")),
                ("Zet de partij in to of haal haar uit order.", "Add the party to to, or remove it from order."),
            );
        }
        self.unique(&format!("{path}.order"), clause.order.iter().map(ToString::to_string));
        if let Some(escalation) = clause.escalation.as_ref().filter(|rule| document.party(&rule.to).is_none()) {
            self.unknown(format!("{path}.escalation"), &escalation.to, ("partij", "party"));
        }
        if !clause.act.concerns_case() {
            return;
        }
        self.unless(
            clause.escalation.is_some(),
            format!("{path}.escalation"),
            ("niemand wordt gebeld als er geen antwoord komt.", "nobody is called when no answer comes."),
            ("Noem wie er dan belt of gebeld wordt.", "Name who is called then."),
        );
        let lacks = |who: &Who| !document.services.iter().any(|service| reaches(document, who, clause, service));
        for who in clause.to.iter().filter(|who| lacks(who)) {
            self.add(
                format!("{path}.to"),
                (&format!("`{who}` biedt de gevraagde dienst niet aan."), &format!("`{who}` does not offer the service asked for.")),
                ("Voeg de dienst toe of verbeter het artikel.", "Add the service or correct the clause."),
            );
        }
    }
}

/// Whether these words of a clause reach this service: it is of the right kind, and its provider or itself is named.
pub(in crate::covenant) fn reaches(document: &Document, who: &Who, clause: &Clause, service: &Service) -> bool {
    let right_kind = clause.service.as_ref().is_none_or(|kind| *kind == service.kind);
    let named = match who {
        Who::Service(id) => *id == service.id,
        other => document.party(&service.by).is_some_and(|party| document.names(std::slice::from_ref(other), party)),
    };
    right_kind && named
}

/// Chapter 7.3 of the Youth Act does not hold for treatment under the WGBO, save for supervision orders; the WGBO holds there alone.
fn fits(regime: Regime, basis: LegalBasis) -> bool {
    match basis {
        LegalBasis::JeugdwetDirectlyInvolved => regime != Regime::Wgbo,
        LegalBasis::WgboDirectlyInvolved => regime == Regime::Wgbo,
        _ => true,
    }
}
