//! Every datum that may travel between two organisations, by one stable name.
//!
//! A dataset of a covenant is a list of these names; a door maps each wire field to one of them; what is not named here cannot travel.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::refusal::Lang;

/// What kind of datum a field is; decides where it may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldClass {
    /// Says who the young person is. Never in an anonymous question.
    Identity,
    /// Says who or where somebody is and can put a person in danger: a case may mark it, and then it travels only when the
    /// receiver needs it and the covenant lists it as protected. Never in an anonymous question.
    Protectable,
    /// The content of the care. Never in an anonymous question: free text about a person names persons.
    Care,
    /// The legal status of the case. Never in an anonymous question.
    Legal,
    /// May travel in an anonymous question. Free text among these is scanned before it leaves.
    Anonymous,
}

/// The name is not one of [`Field::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a field{}", hint.map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
pub struct UnknownField {
    /// What was written, cut to 64 characters.
    pub name: String,
    /// The nearest field that exists, when one is near.
    pub hint: Option<&'static str>,
}

macro_rules! fields {
    ($($name:ident $text:literal $class:ident nl: $nl:literal en: $en:literal;)*) => {
        /// A datum that may travel. Serialised as its dotted name; names are never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Field { $(#[doc = $en] $name,)* }

        impl Field {
            /// Every field, in the order they are shown.
            pub const ALL: &'static [Field] = &[$(Field::$name,)*];

            /// The stable dotted name, such as `identity.birth_date`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Field::$name => $text,)* }
            }

            /// What kind of datum this is.
            #[must_use]
            pub fn class(self) -> FieldClass {
                match self { $(Field::$name => FieldClass::$class,)* }
            }

            /// The name for people, lower case, to stand inside a sentence.
            #[must_use]
            pub fn label(self, lang: Lang) -> &'static str {
                match (self, lang) { $((Field::$name, Lang::Nl) => $nl, (Field::$name, Lang::En) => $en,)* }
            }
        }
    };
}

fields! {
    FamilyName "identity.family_name" Identity nl: "achternaam" en: "family name";
    GivenNames "identity.given_names" Identity nl: "voornamen" en: "given names";
    BirthDate "identity.birth_date" Identity nl: "geboortedatum" en: "date of birth";
    Sex "identity.sex" Identity nl: "geslacht" en: "sex";
    Bsn "identity.bsn" Identity nl: "burgerservicenummer (BSN)" en: "citizen service number (BSN)";
    PostalCode "identity.postal_code" Protectable nl: "postcode" en: "postal code";
    HouseNumber "identity.house_number" Protectable nl: "huisnummer" en: "house number";
    Address "identity.address" Protectable nl: "adres" en: "address";
    Telephone "identity.telephone" Protectable nl: "telefoonnummer" en: "telephone number";
    Municipality "identity.municipality" Identity nl: "gemeente" en: "municipality";
    Age "age" Anonymous nl: "leeftijd in hele jaren" en: "age in whole years";
    LegalRegime "legal.regime" Legal nl: "wettelijk kader" en: "legal regime";
    LegalBasis "legal.basis" Legal nl: "grondslag" en: "legal basis";
    LegalConsent "legal.consent" Legal nl: "toestemming (of waarom niet)" en: "consent (or why not)";
    LegalAuthority "legal.authority" Legal nl: "gezag" en: "parental authority";
    LegalCourtOrder "legal.court_order" Legal nl: "beschikking van de rechter" en: "court order";
    IdentityStatus "legal.identity_status" Legal nl: "hoe de identiteit is vastgesteld" en: "how identity was established";
    AuthorityHolders "contacts.authority_holders" Protectable nl: "wie het gezag heeft" en: "who holds authority";
    SafeContacts "contacts.safe" Protectable nl: "wie veilig te bellen is" en: "who is safe to call";
    UnsafeContacts "contacts.unsafe" Protectable nl: "wie niet gebeld mag worden" en: "who must not be called";
    Whereabouts "whereabouts" Protectable nl: "waar de jeugdige nu is" en: "where the young person is now";
    Situation "situation" Care nl: "situatie" en: "situation";
    Background "background" Care nl: "achtergrond" en: "background";
    Assessment "assessment" Care nl: "beoordeling" en: "assessment";
    Recommendation "recommendation" Care nl: "wat er nodig is" en: "recommendation";
    Severity "severity" Anonymous nl: "ernst" en: "severity";
    Actions "actions" Care nl: "actielijst" en: "action list";
    Contingencies "contingencies" Care nl: "als-dan-plan" en: "if-then plan";
    Safety "safety" Care nl: "veiligheid" en: "safety";
    KeyPoints "key_points" Care nl: "kernpunten" en: "key points";
    Question "question" Anonymous nl: "vraag" en: "question";
    Advice "advice" Anonymous nl: "advies" en: "advice";
}

impl Field {
    /// Whether an anonymous question may hold this field.
    #[must_use]
    pub fn is_anonymous(self) -> bool {
        self.class() == FieldClass::Anonymous
    }

    /// Whether a case may mark this field as one that travels only when the receiver needs it.
    #[must_use]
    pub fn is_protectable(self) -> bool {
        matches!(self.class(), FieldClass::Protectable | FieldClass::Identity)
    }

    /// The labels of several fields as one enumeration: `achternaam, geslacht en situatie`.
    #[must_use]
    pub fn labels<'a>(fields: impl IntoIterator<Item = &'a Field>, lang: Lang) -> String {
        let labels: Vec<_> = fields.into_iter().map(|field| field.label(lang)).collect();
        enumerate(&labels, lang)
    }
}

/// Joins words into one enumeration: `a, b en c`.
pub(crate) fn enumerate<T: AsRef<str>>(words: &[T], lang: Lang) -> String {
    let and = match lang {
        Lang::Nl => " en ",
        Lang::En => " and ",
    };
    match words {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<_> = most.iter().map(AsRef::as_ref).collect();
            format!("{}{and}{}", most.join(", "), last.as_ref())
        }
    }
}

impl FromStr for Field {
    type Err = UnknownField;

    fn from_str(text: &str) -> Result<Self, UnknownField> {
        Field::ALL
            .iter()
            .copied()
            .find(|field| field.name() == text)
            .ok_or_else(|| UnknownField { name: text.chars().take(64).collect(), hint: nearest(text) })
    }
}

/// The field whose letters are mostly the same; a hint for people, so a rough measure will do.
fn nearest(text: &str) -> Option<&'static str> {
    let letters: BTreeSet<char> = text.chars().take(64).collect();
    let tail = text.rsplit('.').next().unwrap_or_default();
    let likeness = |field: &&Field| {
        let name = field.name();
        let same_tail = name.rsplit('.').next() == Some(tail);
        let shared = name.chars().filter(|c| letters.contains(c)).count() * 100 / name.len().max(text.len()).max(1);
        if same_tail { 200 } else { shared }
    };
    Field::ALL.iter().max_by_key(likeness).filter(|field| likeness(field) >= 80).map(|field| field.name())
}

impl TryFrom<String> for Field {
    type Error = UnknownField;

    fn try_from(text: String) -> Result<Self, UnknownField> {
        text.parse()
    }
}

impl From<Field> for String {
    fn from(field: Field) -> String {
        field.name().to_owned()
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_reads_back_its_own_name() {
        let names: BTreeSet<_> = Field::ALL.iter().map(|field| field.name()).collect();

        assert_eq!(names.len(), Field::ALL.len());
        for field in Field::ALL {
            assert_eq!(field.name().parse::<Field>().unwrap(), *field);
            assert_eq!(serde_json::to_value(field).unwrap(), field.name());
        }
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_nearest_name() {
        let wrong = "identity.bns".parse::<Field>().unwrap_err();

        assert_eq!(wrong.to_string(), "`identity.bns` is not a field; did you mean `identity.bsn`?");
        assert_eq!("zzz".parse::<Field>().unwrap_err().hint, None);
    }

    #[test]
    fn nothing_that_says_who_or_where_somebody_is_counts_as_anonymous() {
        let anonymous: Vec<_> = Field::ALL.iter().filter(|field| field.is_anonymous()).map(|field| field.name()).collect();

        assert_eq!(anonymous, ["age", "severity", "question", "advice"]);
    }
}
