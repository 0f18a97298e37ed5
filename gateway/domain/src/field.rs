//! Every datum that may travel between organisations, by one stable name: the vocabulary of a covenant's datasets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::InvalidId;
use crate::refusal::Lang;

/// What sort of datum a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldClass {
    /// Says who the young person is.
    Identity,
    /// Legal status.
    Legal,
    /// Care content.
    Care,
    /// Names nobody; the only class an anonymous consultation may carry.
    Anonymous,
}

macro_rules! fields {
    ($($name:ident $path:literal $class:ident $nl:literal $en:literal;)*) => {
        /// A field of a dossier or consultation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Field { $(#[doc = $en] $name,)* }

        impl Field {
            /// Every field.
            pub const ALL: &'static [Field] = &[$(Field::$name,)*];

            /// The stable dotted name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Field::$name => $path,)* }
            }

            /// What sort of datum it is.
            #[must_use]
            pub fn class(self) -> FieldClass {
                match self { $(Field::$name => FieldClass::$class,)* }
            }

            /// What people call it.
            #[must_use]
            pub fn label(self, lang: Lang) -> &'static str {
                match (self, lang) { $((Field::$name, Lang::Nl) => $nl, (Field::$name, Lang::En) => $en,)* }
            }
        }
    };
}

fields! {
    FamilyName "identity.family_name" Identity "achternaam" "surname";
    GivenNames "identity.given_names" Identity "voornamen" "first names";
    BirthDate "identity.birth_date" Identity "geboortedatum" "date of birth";
    Sex "identity.sex" Identity "geslacht" "sex";
    Bsn "identity.bsn" Identity "BSN" "citizen service number (BSN)";
    PostalCode "identity.postal_code" Identity "postcode" "postal code";
    HouseNumber "identity.house_number" Identity "huisnummer" "house number";
    Address "identity.address" Identity "adres" "address";
    Telephone "identity.telephone" Identity "telefoon van de jeugdige" "telephone of the young person";
    Municipality "identity.municipality" Anonymous "gemeente" "municipality";
    Age "age" Anonymous "leeftijd in jaren" "age in years";
    Regime "legal.regime" Legal "wettelijk kader" "legal regime";
    Basis "legal.basis" Legal "grondslag" "legal basis";
    Consent "legal.consent" Legal "toestemming" "consent";
    Authority "legal.authority" Legal "gezag" "parental authority";
    CourtOrder "legal.court_order" Legal "rechterlijke beschikking" "court order";
    IdentityStatus "legal.identity_status" Legal "zekerheid over de identiteit" "certainty of identity";
    AuthorityHolders "contacts.authority_holders" Care "gezagsdragers" "holders of authority";
    SafeContacts "contacts.safe" Care "veilige contacten" "safe contacts";
    UnsafeContacts "contacts.unsafe" Care "onveilige contacten" "unsafe contacts";
    Whereabouts "whereabouts" Care "verblijfplaats nu" "present whereabouts";
    Situation "situation" Care "situatie" "situation";
    Background "background" Care "achtergrond" "background";
    Assessment "assessment" Care "beoordeling" "assessment";
    Recommendation "recommendation" Care "wat gevraagd wordt" "recommendation";
    Severity "severity" Anonymous "ernst (I-PASS)" "severity (I-PASS)";
    Actions "actions" Care "afgesproken acties" "agreed actions";
    Contingencies "contingencies" Care "als-dan-plan" "if-then plan";
    Safety "safety" Care "veiligheid" "safety";
    KeyPoints "key_points" Care "kernpunten" "key points";
    Question "question" Anonymous "vraag" "question";
    Advice "advice" Anonymous "advies" "advice";
}

impl FromStr for Field {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let known = Field::ALL.iter().find(|field| field.name() == text);
        known.copied().ok_or_else(|| InvalidId { what: "field", problem: format!("`{text}` is not a field that can travel") })
    }
}

impl TryFrom<String> for Field {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
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
    fn a_field_reads_back_its_own_name() {
        for field in Field::ALL {
            assert_eq!(field.name().parse::<Field>().unwrap(), *field);
        }
        assert!("identity.shoe_size".parse::<Field>().unwrap_err().problem.contains("identity.shoe_size"));
    }
}
