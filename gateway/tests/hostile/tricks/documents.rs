//! Covenants and party records that are not what they seem, and questions for what is none of the peer's business.

use schakel_domain::covenant::SignedCovenant;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::offer_document_request::Document;

use super::{Attempt, tricks};
use crate::stage::Stage;

fn offer(document: Document) -> Attempt {
    Attempt::Offer(pb::OfferDocumentRequest { document: Some(document) })
}

fn covenant(bundle: &SignedCovenant) -> Attempt {
    offer(Document::Covenant(bundle.to_json().into_bytes()))
}

/// The covenant with another text, the signatures as they were.
fn altered(stage: &Stage) -> SignedCovenant {
    let mut bundle = stage.bundle.clone();
    bundle.document.retention.case_years += 1;
    bundle
}

tricks! {
    "a covenant that is no covenant" => Ends(CovenantBroken), _stage { offer(Document::Covenant(b"{}".to_vec())) }
    "the covenant with one figure changed" => Ends(CovenantBroken), stage { covenant(&altered(stage)) }
    "the same, without any signature" => Ends(CovenantDenied), stage {
        covenant(&SignedCovenant::unsigned(altered(stage).document))
    }
    "a covenant of others alone" => Ends(CovenantDenied), stage {
        let mut document = stage.bundle.document.clone();
        document.id = "van-anderen".parse().unwrap();
        let keep = |id: &schakel_domain::id::OrgId| *id != stage.victim.id;
        document.parties.retain(|party| keep(&party.id));
        covenant(&SignedCovenant::unsigned(document))
    }
    "a next version nobody signed" => Ends(CovenantDenied), stage {
        let mut document = stage.bundle.document.clone();
        document.version = 2;
        document.predecessor = Some(stage.bundle.document.hash());
        document.change = Some(schakel_domain::covenant::document::Change::Ordinary);
        document.in_force_from = "2027-01-01".parse().unwrap();
        document.predecessor_until = Some("2027-02-01".parse().unwrap());
        covenant(&SignedCovenant::unsigned(document))
    }
    "a version without the one before it" => Ends(CovenantBroken), stage {
        let mut document = stage.bundle.document.clone();
        document.version = 7;
        document.predecessor = Some(stage.bundle.document.hash());
        document.change = Some(schakel_domain::covenant::document::Change::Ordinary);
        covenant(&SignedCovenant::unsigned(document))
    }
    "a covenant that the victim signed with a key that is not its own" => Ends(CovenantDenied), stage {
        let mut document = stage.bundle.document.clone();
        document.id = "met-valse-sleutel".parse().unwrap();
        let (id, key) = (stage.victim.id.clone(), schakel_domain::signature::SecretKey::from_seed(&[3; 32]).unwrap());
        assert!(document.set_root_key(&id, key.public()));
        let mut bundle = SignedCovenant::unsigned(document);
        bundle.sign(&id, &key).unwrap();
        covenant(&bundle)
    }
    "a party record that is none" => Ends(InvalidField), _stage { offer(Document::PartyRecord(b"[]".to_vec())) }
    "the victim's own record with another telephone" => Ends(BadSignature), stage {
        let other = stage.record.replace("+31", "+32").replace("\"number\": 1", "\"number\": 2");
        assert_ne!(other, stage.record);
        offer(Document::PartyRecord(other.into_bytes()))
    }
    "no document" => Ends(InvalidField), _stage { Attempt::Offer(pb::OfferDocumentRequest { document: None }) }
    "a covenant that is none of the peer's business" => Ends(NotFound), _stage { Attempt::Covenant("geheim".to_owned(), 1) }
    "the record of nobody" => Ends(InvalidField), _stage { Attempt::Record("nobody".to_owned()) }
    "the record of a stranger" => Ends(NotFound), _stage { Attempt::Record("ura:99999999".to_owned()) }
}
