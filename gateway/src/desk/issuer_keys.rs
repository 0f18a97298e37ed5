//! What people are told of the keys of our own identity provider: that they changed, that it cannot be reached, that its tokens are refused.
//! Who fetches them is the assembly's; here it is logged, and told as an event.

use schakel_domain::audit::entry::{Decision, NO_PROTOCOL, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};

use super::Desk;
use super::draft::Draft;
use super::trace::By;

/// How an issuer of tokens stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IssuerState {
    /// Its keys changed: the new ones are in force.
    Changed,
    /// It is reached again.
    Reached,
    /// It cannot be reached, or what it answers cannot be used; the keys of before still count.
    Unreachable,
    /// The keys of before count no longer, or there never were any: its tokens are refused.
    Refusing,
}

impl IssuerState {
    /// Kind of the event; none when only the log says it.
    fn event(self) -> Option<&'static str> {
        match self {
            IssuerState::Changed => None,
            IssuerState::Reached => Some("issuer.reached"),
            IssuerState::Unreachable => Some("issuer.unreachable"),
            IssuerState::Refusing => Some("issuer.refusing"),
        }
    }
}

impl Desk {
    /// Writes how an issuer stands, and tells people.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn issuer_told(&self, issuer: &str, state: IssuerState) -> Result<(), Refusal> {
        self.again_and_again(|| async {
            let mut draft = Draft::new(self);
            let clock = self.clock();
            let code = EventCode::ConfigurationChanged;
            let decision = match state {
                IssuerState::Changed | IssuerState::Reached => Decision::allowed(code.code(), code.words(Lang::Nl)),
                IssuerState::Unreachable | IssuerState::Refusing => {
                    let refusal = Refusal::new(Stage::Door, Reason::IssuerKeysUnavailable);
                    Decision::denied(refusal.reason.code(), refusal.sentence(Lang::Nl))
                }
            };
            let object = Object::new("configuration", "name", format!("token keys of {issuer}").as_str(), NO_PROTOCOL);
            self.note(&mut draft, code, By { caller: &clock, actor: None, second: None }, object, decision, None);
            if let Some(kind) = state.event() {
                draft.event(kind, format!("organizations/{}", self.parts.me), issuer);
            }
            draft.commit().await.map(drop)
        })
        .await
    }
}
