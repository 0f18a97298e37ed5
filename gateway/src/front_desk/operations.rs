//! What operators read: how peers, messages and adapters stand.

use schakel_domain::command::PageOf;
use schakel_domain::id::OrgId;
use schakel_domain::refusal::Refusal;
use schakel_domain::view::{MessageState, MessageView, OperationsAnswer, PeerState, PeerView};

use super::{Front, unavailable};
use crate::courier::State;
use crate::store::{OutboxRow, OutboxState};

impl Front {
    pub(super) async fn peers(&self, page: &PageOf) -> Result<OperationsAnswer, Refusal> {
        let agreements = self.desk.agreements();
        let now = self.desk.now();
        let mut peers: Vec<OrgId> = agreements.parties(now);
        peers.retain(|org| org.as_str() > page.after.as_str());
        let more = peers.len() > page.size as usize;
        peers.truncate(page.size as usize);
        let ends = (self.certificate_ends)();
        let mut views = Vec::with_capacity(peers.len());
        for org in peers {
            let status = self.courier.status(&org).await.map_err(|error| unavailable(&error))?;
            let stopped = agreements.held().stopped.get(&org).cloned();
            let expired = agreements.held().records.for_new(&org, now).is_err();
            let state = match (&stopped, status.state) {
                (Some(_), _) => PeerState::Stopped,
                // Whatever else is wrong with it: this gateway lost data.
                (None, State::PeerKnowsMore) => PeerState::KnowsMore,
                (None, State::Waiting) => PeerState::Unreachable,
                (None, _) if expired => PeerState::Expired,
                (None, _) => PeerState::Open,
            };
            views.push(PeerView {
                name: agreements.name(&org),
                state,
                refusal: if stopped.is_some() { None } else { status.last_refusal },
                certificate_ends: ends.get(&org).copied(),
                reason: stopped.or(status.last_error),
                waiting: status.waiting,
                oldest: status.oldest,
                next_attempt: status.next_attempt.and_then(|wait| now.checked_add(wait).ok()),
                contact: None,
                organization: org,
            });
        }
        let next = views.last().map(|view| view.organization.to_string()).filter(|_| more);
        Ok(OperationsAnswer::Peers(views, next))
    }

    pub(super) async fn messages(&self, peer: &OrgId, state: MessageState, after: u64, size: u32) -> Result<OperationsAnswer, Refusal> {
        let wanted = match state {
            MessageState::Waiting => OutboxState::Waiting,
            MessageState::Delivered => OutboxState::Delivered,
            MessageState::Parked => OutboxState::Parked,
            MessageState::Cancelled => OutboxState::Cancelled,
        };
        let rows = self.desk.store().outbox(peer, wanted, after, size).await.map_err(|error| unavailable(&error))?;
        let next = rows.last().map(|row| row.number).filter(|_| rows.len() == size as usize);
        Ok(OperationsAnswer::Messages(rows.into_iter().map(|row| message_view(row, state)).collect(), next))
    }

    pub(super) fn adapters(&self, page: &PageOf) -> OperationsAnswer {
        let views = self.adapters.iter().map(|status| status.view());
        let mut left = views.filter(|view| view.name.as_str() > page.after.as_str());
        let shown: Vec<_> = left.by_ref().take(page.size as usize).collect();
        let next = left.next().and(shown.last()).map(|view| view.name.clone());
        OperationsAnswer::Adapters(shown, next)
    }
}

fn message_view(row: OutboxRow, state: MessageState) -> MessageView {
    MessageView {
        id: row.message.message,
        peer: row.message.peer,
        kind: row.message.kind,
        state,
        reason: row.reason,
        number: row.number,
        hash: row.message.hash,
        queued: row.queued,
        changed: row.changed,
    }
}
