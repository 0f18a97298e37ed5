//! Joins what a peer sent with what was known here. A dossier travels trimmed to its dataset: what is absent in it was not sent, which
//! does not mean that it is not so. Marks that protect somebody are never lost this way. Key points belong to one handover.

use schakel_domain::dossier::{Contact, Dossier, Identity, LegalStatus, MAX_ITEMS, Safety};
use schakel_domain::personal::Words;

/// What came, completed with what was known before.
pub(super) fn joined(before: &Dossier, came: Dossier) -> Dossier {
    Dossier {
        identity: identity(&before.identity, came.identity),
        age: came.age.or(before.age),
        legal: legal(before.legal.as_ref(), came.legal),
        contacts: contacts(&before.contacts, came.contacts),
        whereabouts: text(&before.whereabouts, came.whereabouts),
        situation: text(&before.situation, came.situation),
        background: text(&before.background, came.background),
        assessment: text(&before.assessment, came.assessment),
        recommendation: text(&before.recommendation, came.recommendation),
        severity: came.severity.or(before.severity),
        actions: list(&before.actions, came.actions),
        contingencies: list(&before.contingencies, came.contingencies),
        safety: safety(&before.safety, came.safety),
        key_points: came.key_points,
    }
}

fn identity(before: &Identity, came: Identity) -> Identity {
    let known = before.clone();
    Identity {
        family_name: came.family_name.or(known.family_name),
        given_names: came.given_names.or(known.given_names),
        birth_date: came.birth_date.or(known.birth_date),
        sex: came.sex.or(known.sex),
        bsn: came.bsn.or(known.bsn),
        postal_code: came.postal_code.or(known.postal_code),
        house_number: came.house_number.or(known.house_number),
        address: came.address.or(known.address),
        telephone: came.telephone.or(known.telephone),
        municipality: came.municipality.or(known.municipality),
    }
}

fn legal(before: Option<&LegalStatus>, came: Option<LegalStatus>) -> Option<LegalStatus> {
    let Some(mut legal) = came else { return before.cloned() };
    legal.court_order = legal.court_order.or_else(|| before?.court_order.clone());
    Some(legal)
}

/// Contacts travel by kind: a kind that did not come is kept.
fn contacts(before: &[Contact], came: Vec<Contact>) -> Vec<Contact> {
    let kept = before.iter().filter(|known| came.iter().all(|contact| contact.kind != known.kind)).cloned();
    let kept: Vec<Contact> = kept.collect();
    came.into_iter().chain(kept).take(MAX_ITEMS).collect()
}

fn safety(before: &Safety, came: Safety) -> Safety {
    Safety {
        hidden_address: came.hidden_address || before.hidden_address,
        danger_from_parent: came.danger_from_parent || before.danger_from_parent,
        self_harm: came.self_harm || before.self_harm,
        aggression: came.aggression || before.aggression,
        plan: text(&before.plan, came.plan),
    }
}

fn text(before: &Words, came: Words) -> Words {
    if came.is_empty() { before.clone() } else { came }
}

fn list<T: Clone>(before: &[T], came: Vec<T>) -> Vec<T> {
    if came.is_empty() { before.to_vec() } else { came }
}
