//! Lies about offers and the token: in the wrong epoch, about somebody else's case, without what must come before.

use schakel_domain::custody::{DeclineCode, Epoch, Term};
use schakel_domain::id::{Hash, MessageId, OfferId};
use schakel_domain::message::{Body, Message};

use super::{Attempt, tricks};
use crate::peer::fresh;
use crate::stage::{Scene, Stage};

fn say(stage: &Stage, scene: &Scene, seq: u64, body: Body) -> Attempt {
    Attempt::Message(stage.bytes(&stage.peer.message(scene.case, seq, body)))
}

fn receipt(scene: &Scene, epoch: Epoch<schakel_domain::id::OrgId>, transfer: Hash) -> Body {
    Body::Receipt { offer: scene.offer, epoch, transfer }
}

tricks! {
    "a yes to an offer nobody made" => Refused(ProtocolViolation), stage {
        let scene = stage.ours().await;
        let other = Scene { offer: OfferId::new(fresh()), ..scene };
        say(stage, &other, 1, stage.yes(&other))
    }
    "a yes to an offer to somebody else" => Refused(ProtocolViolation), stage {
        let scene = stage.offers_to(&stage.other, "regie").await;
        say(stage, &scene, 1, stage.yes(&scene))
    }
    "a no to an offer to somebody else" => Refused(ProtocolViolation), stage {
        let scene = stage.offers_to(&stage.other, "regie").await;
        say(stage, &scene, 1, Body::Decline { offer: scene.offer, code: DeclineCode::NoCapacity, note: String::new() })
    }
    "a yes to other content" => Refused(ProtocolViolation), stage {
        let scene = stage.ours().await;
        let other = Scene { content: Hash([9; 32]), ..scene };
        say(stage, &other, 1, stage.yes(&other))
    }
    "a yes that repeats key points that do not exist" => Refused(ReadBackIncomplete), stage {
        let scene = stage.ours().await;
        let Body::Accept { offer, content, by, first_action, first_action_at, .. } = stage.yes(&scene) else { panic!() };
        let read_back = vec!["iets".to_owned(), "nog iets".to_owned()];
        say(stage, &scene, 1, Body::Accept { offer, content, by, read_back, first_action, first_action_at })
    }
    "a yes under another version of the covenant" => Refused(InvalidField), stage {
        let scene = stage.ours().await;
        let mut message = stage.peer.message(scene.case, 1, stage.yes(&scene));
        message.covenant.version = 2;
        Attempt::Message(stage.bytes(&message))
    }
    "a yes in the thread of another case" => Refused(ProtocolViolation), stage {
        let (scene, elsewhere) = (stage.ours().await, stage.ours().await);
        Attempt::Message(stage.bytes(&stage.peer.message(elsewhere.case, 1, stage.yes(&scene))))
    }
    "a yes in a thread of its own" => Refused(ProtocolViolation), stage {
        let scene = stage.ours().await;
        Attempt::Message(stage.bytes(&stage.peer.message(fresh(), 1, stage.yes(&scene))))
    }
    "a receipt before any transfer" => Refused(ProtocolViolation), stage {
        let scene = stage.ours().await;
        say(stage, &scene, 1, receipt(&scene, scene.epoch.next(), Hash([1; 32])))
    }
    "a receipt of a transfer that was never sent" => Refused(ProtocolViolation), stage {
        let scene = stage.transferring().await;
        say(stage, &scene, 2, receipt(&scene, scene.epoch.next(), Hash([1; 32])))
    }
    "a receipt of the transfer of another case" => Refused(ProtocolViolation), stage {
        let (scene, other) = (stage.transferring().await, stage.transferring().await);
        say(stage, &scene, 2, receipt(&scene, scene.epoch.next(), other.transfer))
    }
    "a receipt in an earlier epoch" => Refused(ProtocolViolation), stage {
        let scene = stage.transferring().await;
        say(stage, &scene, 2, receipt(&scene, scene.epoch.clone(), scene.transfer))
    }
    "a receipt in a later epoch" => Refused(ProtocolViolation), stage {
        let scene = stage.transferring().await;
        say(stage, &scene, 2, receipt(&scene, scene.epoch.next().next(), scene.transfer))
    }
    "a receipt in a reign of one's own" => Refused(ProtocolViolation), stage {
        let scene = stage.transferring().await;
        say(stage, &scene, 2, receipt(&scene, scene.epoch.next().reclaimed_by(stage.peer.us.clone()), scene.transfer))
    }
    "a receipt of a transfer to somebody else" => Refused(ProtocolViolation), stage {
        let scene = stage.offers_to(&stage.other, "regie").await;
        say(stage, &scene, 1, receipt(&scene, scene.epoch.next(), Hash([1; 32])))
    }
    "a refusal of the token in an earlier epoch" => Refused(ProtocolViolation), stage {
        let scene = stage.transferring().await;
        say(stage, &scene, 2, Body::Refuse { offer: scene.offer, epoch: scene.epoch.clone(), transfer: scene.transfer })
    }
    "a refusal of a token that was never given" => Refused(ProtocolViolation), stage {
        let scene = stage.ours().await;
        say(stage, &scene, 1, Body::Refuse { offer: scene.offer, epoch: scene.epoch.next(), transfer: Hash([1; 32]) })
    }
    "a token nobody accepted" => Refused(ProtocolViolation), stage {
        let scene = stage.offered().await;
        say(stage, &scene, 2, stage.transfer(&scene))
    }
    "a token without an offer" => Refused(ProtocolViolation), stage {
        let (scene, _) = stage.proposal();
        say(stage, &scene, 1, stage.transfer(&scene))
    }
    "a token with other content than was accepted" => Refused(ProtocolViolation), stage {
        let scene = stage.pledged().await;
        let package = schakel::wire::dossier::encode_dossier(&schakel_domain::dossier::Dossier::default());
        let other = Scene { content: Hash::sha256(&package), package, ..scene };
        say(stage, &other, 2, stage.transfer(&other))
    }
    "a token of two epochs later" => Refused(ProtocolViolation), stage {
        let scene = stage.pledged().await;
        let later = Scene { epoch: scene.epoch.next(), ..scene };
        say(stage, &later, 2, stage.transfer(&later))
    }
    "a token in a reign the peer gave itself" => Refused(ProtocolViolation), stage {
        let scene = stage.pledged().await;
        let own = Scene { epoch: scene.epoch.reclaimed_by(stage.peer.us.clone()), ..scene };
        say(stage, &own, 2, stage.transfer(&own))
    }
    "an offer of a case the victim leads, in its own reign" => Refused(ProtocolViolation), stage {
        let ours = stage.ours().await;
        let (scene, _) = stage.proposal();
        let scene = Scene { case: ours.case, epoch: ours.epoch.next(), ..scene };
        say(stage, &scene, 1, stage.propose(&scene, crate::victim::dossier()))
    }
    "an offer back, in the reign of the victim, of what it leads" => Refused(ProtocolViolation), stage {
        let led = stage.activated().await;
        let scene = Scene { offer: OfferId::new(fresh()), epoch: led.epoch.next(), ..led };
        say(stage, &scene, 3, stage.propose(&scene, crate::victim::dossier()))
    }
    "the victim's own offer, offered to the victim" => Refused(ProtocolViolation), stage {
        let scene = stage.ours().await;
        say(stage, &scene, 1, stage.propose(&scene, crate::victim::dossier()))
    }
    "the same offer with other content" => Refused(ProtocolViolation), stage {
        let scene = stage.offered().await;
        let other = schakel_domain::dossier::Dossier { situation: "iets anders".into(), ..crate::victim::dossier() };
        say(stage, &scene, 2, stage.propose(&scene, other))
    }
    "the same offer in another case" => Refused(ProtocolViolation), stage {
        let scene = stage.offered().await;
        let (elsewhere, _) = stage.proposal();
        let moved = Scene { case: elsewhere.case, ..scene };
        say(stage, &moved, 1, stage.propose(&moved, crate::victim::dossier()))
    }
    "a withdrawal of the victim's own offer" => Refused(ProtocolViolation), stage {
        let scene = stage.ours().await;
        say(stage, &scene, 1, Body::Withdraw { offer: scene.offer })
    }
    "a fence in the reign of the victim" => Refused(ProtocolViolation), stage {
        let scene = stage.ours().await;
        let epoch = Epoch { term: Term { counter: 1, org: stage.victim.id.clone() }, step: 0 };
        say(stage, &scene, 1, Body::Fence { epoch })
    }
    "a fence by somebody who was never in the case" => Refused(ProtocolViolation), stage {
        let scene = stage.offers_to(&stage.other, "regie").await;
        say(stage, &scene, 1, Body::Fence { epoch: scene.epoch.reclaimed_by(stage.peer.us.clone()) })
    }
    "a fence in a reign beyond all bounds" => Refused(InvalidField), stage {
        let scene = stage.ours().await;
        let term = Term { counter: schakel_domain::custody::MAX_EPOCH + 1, org: stage.peer.us.clone() };
        say(stage, &scene, 1, Body::Fence { epoch: Epoch { term, step: 0 } })
    }
    "a fence of a case nobody here knows" => Refused(ProtocolViolation), stage {
        let (scene, _) = stage.proposal();
        say(stage, &scene, 1, Body::Fence { epoch: scene.epoch.reclaimed_by(stage.peer.us.clone()) })
    }
    "seen: something that was never sent" => Refused(ProtocolViolation), stage {
        let scene = stage.ours().await;
        say(stage, &scene, 1, Body::Seen { subject: fresh().to_string(), at: jiff::Timestamp::now() })
    }
    "seen: an offer in another case" => Refused(ProtocolViolation), stage {
        let (scene, other) = (stage.ours().await, stage.ours().await);
        say(stage, &scene, 1, Body::Seen { subject: other.offer.to_string(), at: jiff::Timestamp::now() })
    }
    "seen: an offer to somebody else" => Refused(ProtocolViolation), stage {
        let scene = stage.offers_to(&stage.other, "regie").await;
        say(stage, &scene, 1, Body::Seen { subject: scene.offer.to_string(), at: jiff::Timestamp::now() })
    }
    "a message before its turn" => Later(OutOfOrder), stage {
        let scene = stage.ours().await;
        say(stage, &scene, 2, stage.yes(&scene))
    }
    "a message a thousand places ahead" => Later(OutOfOrder), stage {
        let scene = stage.ours().await;
        say(stage, &scene, 1_000, stage.yes(&scene))
    }
    "another message at a place that was taken" => Refused(MessageConflict), stage {
        let scene = stage.offered().await;
        say(stage, &scene, 1, Body::Withdraw { offer: scene.offer })
    }
    "a void in the place of a message that was taken" => Refused(MessageConflict), stage {
        let scene = stage.offered().await;
        say(stage, &scene, 1, Body::Void { replaces: MessageId::new(fresh()) })
    }
    "another message under an id that was used" => Refused(MessageConflict), stage {
        let (scene, message) = stage.proposal();
        stage.peer.send_well(std::slice::from_ref(&message)).await;
        let again = Message { seq: 2, body: Body::Withdraw { offer: scene.offer }, ..message };
        Attempt::Message(stage.bytes(&again))
    }
    "the ten thousand and first message of a thread" => Later(OutOfOrder), stage {
        let scene = stage.ours().await;
        say(stage, &scene, 10_001, stage.yes(&scene))
    }
    "the same message again under another number" => Nothing, stage {
        let (_, message) = stage.proposal();
        stage.peer.send_well(std::slice::from_ref(&message)).await;
        Attempt::Message(stage.bytes(&message))
    }
    "the yes of before, after the token left" => Nothing, stage {
        let scene = stage.ours().await;
        let yes = stage.peer.message(scene.case, 1, stage.yes(&scene));
        stage.peer.send_well(std::slice::from_ref(&yes)).await;
        Attempt::Message(stage.bytes(&yes))
    }
    "the token again, after the victim leads" => Nothing, stage {
        let scene = stage.pledged().await;
        let token = stage.peer.message(scene.case, 2, stage.transfer(&scene));
        stage.peer.send_well(std::slice::from_ref(&token)).await;
        Attempt::Message(stage.bytes(&token))
    }
}
