//! What no covenant allows: another covenant, another version, another text, another service, more than the dataset.

use schakel_domain::dossier::{Bsn, Dossier};
use schakel_domain::id::{CaseId, Hash};
use schakel_domain::message::{Body, Message};

use super::{Attempt, tricks};
use crate::peer::fresh;
use crate::stage::Stage;
use crate::victim::dossier;

fn offer(stage: &Stage, change: impl FnOnce(&mut Message)) -> Attempt {
    let (_, mut message) = stage.proposal();
    change(&mut message);
    Attempt::Message(stage.bytes(&message))
}

fn with_service(message: &mut Message, name: &str) {
    let Body::Propose(propose) = &mut message.body else { panic!() };
    propose.service = name.to_owned();
}

tricks! {
    "a covenant nobody knows" => Refused(CovenantMissing), stage {
        offer(stage, |message| message.covenant.id = "zelfgemaakt".parse().unwrap())
    }
    "a version that does not exist" => Refused(CovenantMissing), stage { offer(stage, |message| message.covenant.version = 9) }
    "another text under the right name" => Refused(CovenantBroken), stage {
        offer(stage, |message| message.covenant.hash = Hash([5; 32]))
    }
    "an offer under a made-up clause" => Refused(ClauseMismatch), stage { offer(stage, |message| message.clause = "99.9".to_owned()) }
    "an offer under the clause of questions" => Refused(ClauseMismatch), stage { offer(stage, |message| message.clause = "3.1".to_owned()) }
    "an offer under no clause" => Refused(InvalidField), stage { offer(stage, |message| message.clause = String::new()) }
    "a question under a made-up clause" => Refused(ClauseMismatch), stage {
        let (_, question) = stage.question(CaseId::new(fresh()), 1, dossier());
        Attempt::Message(stage.bytes(&Message { clause: "99.9".to_owned(), ..question }))
    }
    "a service the victim does not offer" => Refused(CovenantDenied), stage {
        offer(stage, |message| with_service(message, "lvb-crisis"))
    }
    "a service nobody offers" => Refused(CovenantDenied), stage {
        offer(stage, |message| with_service(message, "verlengde-arm"))
    }
    "an urgency the covenant does not have" => Refused(InvalidField), stage {
        offer(stage, |message| {
            let Body::Propose(propose) = &mut message.body else { panic!() };
            propose.urgency = "gisteren".to_owned();
        })
    }
    "somebody of an age no clause covers" => Refused(CovenantDenied), stage {
        let (scene, mut message) = stage.proposal();
        message.body = stage.propose(&scene, Dossier { age: Some(41), ..dossier() });
        Attempt::Message(stage.bytes(&message))
    }
    "somebody from a town no clause covers" => Refused(CovenantDenied), stage {
        let (scene, mut message) = stage.proposal();
        let mut elsewhere = dossier();
        elsewhere.identity.municipality = Some("0363".to_owned());
        message.body = stage.propose(&scene, elsewhere);
        Attempt::Message(stage.bytes(&message))
    }
    "a question with a citizen number" => Refused(DatasetExceeded), stage {
        let mut more = dossier();
        more.identity.bsn = Some(Bsn::parse("999990019").unwrap());
        Attempt::Message(stage.bytes(&stage.question(CaseId::new(fresh()), 1, more).1))
    }
    "a question with an action list" => Refused(DatasetExceeded), stage {
        let more = Dossier { key_points: vec!["let op".into()], ..dossier() };
        Attempt::Message(stage.bytes(&stage.question(CaseId::new(fresh()), 1, more).1))
    }
    "an anonymous question with a town" => Refused(DatasetExceeded), stage {
        let mut message = stage.anonymous();
        let Body::Ask(ask) = &mut message.body else { panic!() };
        let schakel_domain::message::AskAbout::Nobody { municipality, .. } = &mut ask.about else { panic!() };
        *municipality = Some("0202".to_owned());
        Attempt::Message(stage.bytes(&message))
    }
    "a return of what never went" => Refused(CovenantDenied), stage {
        offer(stage, |message| {
            with_service(message, "lvb-crisis");
            let Body::Propose(propose) = &mut message.body else { panic!() };
            propose.is_return = true;
        })
    }
}
