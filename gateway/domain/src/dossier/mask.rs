//! Trims a dossier to what a covenant's dataset allows, and lists what is in one.
//!
//! Two marks protect fields whatever the dataset says: a hidden address protects address, postal code, house number, telephone and
//! whereabouts; danger from a parent protects unsafe contacts. A protected field travels only when the covenant lists it
//! as such and the sender says that this receiver needs it.

use std::collections::BTreeSet;

use super::{Contact, ContactKind, Dossier, Identity, Safety};
use crate::field::Field;
use crate::personal::Words;

const HIDDEN: [Field; 5] = [Field::Address, Field::PostalCode, Field::HouseNumber, Field::Telephone, Field::Whereabouts];

/// What is left of a dossier when only `allowed` may travel; of `protected`, only what is in `needed`.
#[must_use]
pub fn trim(dossier: &Dossier, allowed: &BTreeSet<Field>, protected: &BTreeSet<Field>, needed: &BTreeSet<Field>) -> Dossier {
    let marked = marked(&dossier.safety);
    let released = |field: &Field| protected.contains(field) && needed.contains(field);
    let travels: BTreeSet<Field> =
        present(dossier).into_iter().filter(|field| released(field) || allowed.contains(field) && !marked.contains(field)).collect();
    keep(dossier, &travels)
}

/// The fields that have a value.
#[must_use]
pub fn present(dossier: &Dossier) -> BTreeSet<Field> {
    let id = &dossier.identity;
    let has_contact = |kind| dossier.contacts.iter().any(|contact| contact.kind == kind);
    [
        (Field::FamilyName, id.family_name.is_some()),
        (Field::GivenNames, id.given_names.is_some()),
        (Field::BirthDate, id.birth_date.is_some()),
        (Field::Sex, id.sex.is_some()),
        (Field::Bsn, id.bsn.is_some()),
        (Field::PostalCode, id.postal_code.is_some()),
        (Field::HouseNumber, id.house_number.is_some()),
        (Field::Address, id.address.is_some()),
        (Field::Telephone, id.telephone.is_some()),
        (Field::Municipality, id.municipality.is_some()),
        (Field::Age, dossier.age.is_some()),
        (Field::LegalRegime, dossier.legal.is_some()),
        (Field::LegalBasis, dossier.legal.is_some()),
        (Field::LegalConsent, dossier.legal.is_some()),
        (Field::LegalAuthority, dossier.legal.is_some()),
        (Field::IdentityStatus, dossier.legal.is_some()),
        (Field::LegalCourtOrder, dossier.legal.as_ref().is_some_and(|legal| legal.court_order.is_some())),
        (Field::AuthorityHolders, has_contact(ContactKind::AuthorityHolder)),
        (Field::SafeContacts, has_contact(ContactKind::Safe)),
        (Field::UnsafeContacts, has_contact(ContactKind::Unsafe)),
        (Field::Whereabouts, !dossier.whereabouts.is_empty()),
        (Field::Situation, !dossier.situation.is_empty()),
        (Field::Background, !dossier.background.is_empty()),
        (Field::Assessment, !dossier.assessment.is_empty()),
        (Field::Recommendation, !dossier.recommendation.is_empty()),
        (Field::Severity, dossier.severity.is_some()),
        (Field::Actions, !dossier.actions.is_empty()),
        (Field::Contingencies, !dossier.contingencies.is_empty()),
        (Field::Safety, dossier.safety != Safety::default()),
        (Field::KeyPoints, !dossier.key_points.is_empty()),
    ]
    .into_iter()
    .filter_map(|(field, present)| present.then_some(field))
    .collect()
}

fn marked(safety: &Safety) -> BTreeSet<Field> {
    let mut marked = BTreeSet::new();
    if safety.hidden_address {
        marked.extend(HIDDEN);
    }
    if safety.danger_from_parent {
        marked.insert(Field::UnsafeContacts);
    }
    marked
}

/// The legal status travels whole or not at all: half of it would mislead. It needs every legal field that is not the court order.
const LEGAL: [Field; 5] = [Field::LegalRegime, Field::LegalBasis, Field::LegalConsent, Field::LegalAuthority, Field::IdentityStatus];

fn keep(dossier: &Dossier, travels: &BTreeSet<Field>) -> Dossier {
    let has = |field| travels.contains(&field);
    let text = |field, value: &Words| if has(field) { value.clone() } else { Words::default() };
    let option = |field, value: &Option<Words>| value.clone().filter(|_| has(field));
    let id = &dossier.identity;
    Dossier {
        identity: Identity {
            family_name: option(Field::FamilyName, &id.family_name),
            given_names: option(Field::GivenNames, &id.given_names),
            birth_date: id.birth_date.clone().filter(|_| has(Field::BirthDate)),
            sex: option(Field::Sex, &id.sex),
            bsn: id.bsn.clone().filter(|_| has(Field::Bsn)),
            postal_code: option(Field::PostalCode, &id.postal_code),
            house_number: option(Field::HouseNumber, &id.house_number),
            address: option(Field::Address, &id.address),
            telephone: option(Field::Telephone, &id.telephone),
            municipality: id.municipality.clone().filter(|_| has(Field::Municipality)),
        },
        age: dossier.age.filter(|_| has(Field::Age)),
        legal: dossier.legal.clone().filter(|_| LEGAL.iter().all(|field| has(*field))).map(|mut legal| {
            legal.court_order = legal.court_order.filter(|_| has(Field::LegalCourtOrder));
            legal
        }),
        contacts: dossier.contacts.iter().filter(|contact| has(contact_field(contact))).cloned().collect(),
        whereabouts: text(Field::Whereabouts, &dossier.whereabouts),
        situation: text(Field::Situation, &dossier.situation),
        background: text(Field::Background, &dossier.background),
        assessment: text(Field::Assessment, &dossier.assessment),
        recommendation: text(Field::Recommendation, &dossier.recommendation),
        severity: dossier.severity.filter(|_| has(Field::Severity)),
        actions: if has(Field::Actions) { dossier.actions.clone() } else { Vec::new() },
        contingencies: if has(Field::Contingencies) { dossier.contingencies.clone() } else { Vec::new() },
        safety: if has(Field::Safety) { dossier.safety.clone() } else { Safety::default() },
        key_points: if has(Field::KeyPoints) { dossier.key_points.clone() } else { Vec::new() },
    }
}

fn contact_field(contact: &Contact) -> Field {
    match contact.kind {
        ContactKind::AuthorityHolder => Field::AuthorityHolders,
        ContactKind::Safe => Field::SafeContacts,
        ContactKind::Unsafe => Field::UnsafeContacts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dossier() -> Dossier {
        Dossier {
            identity: Identity { given_names: Some("Noor".into()), address: Some("Zandweg 1".into()), ..Identity::default() },
            situation: "onrust".into(),
            whereabouts: "bij oma".into(),
            ..Dossier::default()
        }
    }

    fn set(fields: &[Field]) -> BTreeSet<Field> {
        fields.iter().copied().collect()
    }

    #[test]
    fn only_the_dataset_travels() {
        let trimmed = trim(&dossier(), &set(&[Field::Situation]), &set(&[]), &set(&[]));

        assert_eq!(present(&trimmed), set(&[Field::Situation]));
    }

    #[test]
    fn a_hidden_address_stays_unless_listed_as_protected_and_needed() {
        let mut hidden = dossier();
        hidden.safety.hidden_address = true;
        let dataset = set(&[Field::Address, Field::Whereabouts, Field::Situation]);

        let by_dataset = trim(&hidden, &dataset, &set(&[]), &set(&[Field::Address]));
        let not_needed = trim(&hidden, &dataset, &set(&[Field::Address]), &set(&[]));
        let needed = trim(&hidden, &dataset, &set(&[Field::Address]), &set(&[Field::Address]));

        assert_eq!(present(&by_dataset), set(&[Field::Situation]));
        assert_eq!(present(&not_needed), set(&[Field::Situation]));
        assert_eq!(present(&needed), set(&[Field::Situation, Field::Address]));
    }

    #[test]
    fn every_present_field_survives_a_full_dataset() {
        let all: BTreeSet<Field> = Field::ALL.iter().copied().collect();

        assert_eq!(trim(&dossier(), &all, &set(&[]), &set(&[])), dossier());
    }
}
