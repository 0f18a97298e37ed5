//! A gateway that lost its newest data: it decides nothing until people have made good what is missing.

use schakel_domain::audit::entry::{Decision, NO_PROTOCOL, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::id::OrgId;
use schakel_domain::refusal::{Reason, Refusal, Stage};

use super::Desk;
use super::draft::Draft;
use super::trace::By;

impl Desk {
    /// A peer holds messages of ours that our own store lacks: this gateway stops deciding, and says why.
    ///
    /// # Errors
    /// When the log cannot be written; it stops deciding all the same.
    pub async fn knows_more(&self, peer: &OrgId, theirs: u64, ours: u64) -> Result<(), Refusal> {
        if self.recovering.swap(true, std::sync::atomic::Ordering::AcqRel) {
            return Ok(());
        }
        tracing::error!(peer = %peer, theirs, ours, "a peer holds messages of ours that our store lacks: this gateway stops deciding");
        let mut draft = Draft::new(self);
        let clock = self.clock();
        let object = Object::new("gateway", "name", self.parts.gateway.clone(), NO_PROTOCOL);
        let sentence = format!("{peer} heeft bericht {theirs} van ons; hier is {ours} het hoogste.");
        let entry = self.note(
            &mut draft,
            EventCode::RecoveryEntered,
            By { caller: &clock, actor: None, second: None },
            object,
            Decision::denied(Reason::Recovering.code(), sentence),
            Some(peer),
        );
        draft.event("gateway.recovering", "gateway".to_owned(), "recovering");
        let done = match entry {
            Ok(()) => draft.commit().await.map(drop),
            Err(stop) => Err(stop),
        };
        done.map_err(|_| Refusal::new(Stage::Store, Reason::AuditUnavailable))
    }
}
