//! Lies about questions: answers to what was never asked, help nobody confirmed, another question under the same name.

use schakel_domain::custody::DeclineCode;
use schakel_domain::id::{CaseId, ConsultationId};
use schakel_domain::message::{Body, Message};

use super::{Attempt, tricks};
use crate::peer::fresh;
use crate::stage::Stage;
use crate::victim::{actor, dossier};

fn say(stage: &Stage, thread: impl ToString, seq: u64, body: Body) -> Attempt {
    Attempt::Message(stage.bytes(&with_clause(stage.peer.message(thread, seq, body))))
}

fn with_clause(message: Message) -> Message {
    Message { clause: "3.2".to_owned(), ..message }
}

fn bid(consultation: ConsultationId) -> Body {
    Body::Bid { consultation, available: None, by: actor(), note: String::new() }
}

fn advice(consultation: ConsultationId) -> Body {
    Body::Advice { consultation, text: "kom langs".to_owned(), by: actor() }
}

tricks! {
    "help for a question nobody asked" => Refused(ProtocolViolation), stage {
        let (case, _) = stage.asked().await;
        say(stage, case, 1, bid(ConsultationId::new(fresh())))
    }
    "help for a question in another case" => Refused(ProtocolViolation), stage {
        let ((case, _), (_, other)) = (stage.asked().await, stage.asked().await);
        say(stage, case, 1, bid(other))
    }
    "advice before anybody was chosen" => Refused(ProtocolViolation), stage {
        let (case, asked) = stage.asked().await;
        say(stage, case, 1, advice(asked))
    }
    "a question put to oneself in the victim's name" => Refused(ProtocolViolation), stage {
        let (case, asked) = stage.asked().await;
        say(stage, case, 1, Body::Confirm { consultation: asked })
    }
    "an end to the victim's own question" => Refused(ProtocolViolation), stage {
        let (case, asked) = stage.asked().await;
        say(stage, case, 1, Body::CloseConsultation { consultation: asked })
    }
    "a confirmation of help nobody offered" => Refused(ProtocolViolation), stage {
        let (id, message) = stage.question(CaseId::new(fresh()), 1, dossier());
        stage.peer.send_well(std::slice::from_ref(&message)).await;
        say(stage, &message.thread, 2, Body::Confirm { consultation: id })
    }
    "advice on one's own question" => Refused(ProtocolViolation), stage {
        let (id, message) = stage.question(CaseId::new(fresh()), 1, dossier());
        stage.peer.send_well(std::slice::from_ref(&message)).await;
        say(stage, &message.thread, 2, advice(id))
    }
    "a no to one's own question" => Refused(ProtocolViolation), stage {
        let (id, message) = stage.question(CaseId::new(fresh()), 1, dossier());
        stage.peer.send_well(std::slice::from_ref(&message)).await;
        say(stage, &message.thread, 2, Body::DeclineAsk { consultation: id, code: DeclineCode::Other, note: "x".to_owned() })
    }
    "another question under the same name" => Refused(ProtocolViolation), stage {
        let (_, message) = stage.question(CaseId::new(fresh()), 1, dossier());
        stage.peer.send_well(std::slice::from_ref(&message)).await;
        let mut again = Message { id: schakel_domain::id::MessageId::new(fresh()), seq: 2, ..message };
        let Body::Ask(ask) = &mut again.body else { panic!() };
        ask.question = "Iets heel anders".to_owned();
        Attempt::Message(stage.bytes(&again))
    }
    "help under another version of the covenant" => Refused(InvalidField), stage {
        let (case, asked) = stage.asked().await;
        let mut message = with_clause(stage.peer.message(case, 1, bid(asked)));
        message.covenant.version = 2;
        Attempt::Message(stage.bytes(&message))
    }
    "a reply in a thread nobody knows" => Refused(ProtocolViolation), stage {
        say(stage, fresh(), 1, bid(ConsultationId::new(fresh())))
    }
}
