//! Each transition of the protocol, each answer to a repeated or late message, and each no.

use super::Input::{self as In, Close, Force, Open, Propose, ReleasePledge, ResolveContested, StaffAccept, StaffDecline, Withdraw};
use super::{Answer, DeclineCode, Epoch, Fact, Key, MAX_EPOCH, MAX_INBOUND_PER_ORG, MAX_OUTBOUND};
use super::{Message as M, Outbound, Outcome, Outgoing, Rejected, Role, Term};

type State = super::State<char, u32, u8>;
type Input = In<char, u32, u8>;
type Message = M<char, u32, u8>;
type Step = super::Step<char, u32, u8>;

const PACKAGE: u8 = 7;
const TRANSFER: u8 = 9;
const FULL: DeclineCode = DeclineCode::NoCapacity;

fn epoch(step: u32) -> Epoch<char> {
    Epoch { step, ..Epoch::first('a') }
}

/// One organisation and its state.
struct Org {
    state: State,
}

impl Org {
    fn new(me: char) -> Self {
        Self { state: State::new(me) }
    }

    /// `a` leads the case.
    fn lead() -> Self {
        Self::new('a').after(Open)
    }

    /// `a` offered the case to `b`.
    fn offering() -> Self {
        Self::lead().after(offer(1, 'b'))
    }

    /// `a` gave the case to `b`, and waits for the receipt.
    fn transferring() -> Self {
        Self::offering().after(accepted(1))
    }

    /// `b` has an offer of `a`.
    fn offered() -> Self {
        Self::new('b').after(from('a', proposal(1)))
    }

    /// `b` reserved a place.
    fn pledged() -> Self {
        Self::offered().after(StaffAccept { offer: 1 })
    }

    /// `b` leads, because `a` gave it the case.
    fn activated() -> Self {
        Self::pledged().after(from('a', transfer(1)))
    }

    /// `b` led, and `a` took the case back.
    fn contested() -> Self {
        Self::activated().after(from('a', fence(1, 'a')))
    }

    fn after(mut self, input: Input) -> Self {
        self.take(input);
        self
    }

    fn take(&mut self, input: Input) -> Step {
        let step = super::step(&self.state, input.clone()).unwrap_or_else(|no| panic!("{input:?} in {:?}: {no}", self.state.role));
        if let Some(next) = &step.state {
            assert_ne!(*next, self.state, "a state that is returned differs");
            self.state = next.clone();
        }
        step
    }

    fn refuses(&self, input: Input) -> Rejected {
        super::step(&self.state, input).expect_err("must be refused")
    }

    /// Says exactly this, and changes nothing.
    fn answers(&mut self, input: Input, to: char, message: Message) {
        let step = self.take(input);

        assert_eq!(step.send, [Outgoing { to, message }]);
        assert_eq!((step.state, step.facts), (None, vec![]));
    }

    fn ignores(&mut self, input: Input) {
        let step = self.take(input.clone());

        assert_eq!(step, Step { state: None, send: vec![], facts: vec![] }, "{input:?}");
    }
}

fn offer(offer: u32, to: char) -> Input {
    Propose { offer, to, content: PACKAGE }
}

fn from(from: char, message: Message) -> Input {
    In::Receive { from, message, transfer: Some(TRANSFER) }
}

fn proposal(offer: u32) -> Message {
    M::Propose { offer, epoch: epoch(0), content: PACKAGE }
}

fn accepted(offer: u32) -> Input {
    from('b', M::Accept { offer, content: PACKAGE })
}

fn transfer(offer: u32) -> Message {
    M::Transfer { offer, epoch: epoch(1), content: PACKAGE }
}

fn receipt(offer: u32) -> Message {
    M::Receipt { offer, epoch: epoch(1), transfer: TRANSFER }
}

fn refusal(offer: u32) -> Message {
    M::Refuse { offer, epoch: epoch(1) }
}

fn fence(counter: u32, org: char) -> Message {
    M::Fence { term: Term { counter, org } }
}

fn said<O: Key, I: Key, H: Key>(step: &super::Step<O, I, H>) -> Vec<(O, M<O, I, H>)> {
    step.send.iter().map(|out| (out.to.clone(), out.message.clone())).collect()
}

mod lead {
    use super::*;

    #[test]
    fn who_opens_a_case_leads_it_in_the_first_epoch() {
        let mut org = Org::new('a');

        let step = org.take(Open);

        assert_eq!(org.state.lead(), Some(&epoch(0)));
        assert!(org.state.responsible());
        assert_eq!(step.facts, [Fact::BecameLead(epoch(0))]);
    }

    #[test]
    fn a_case_that_is_known_is_not_opened_again() {
        assert_eq!(Org::lead().refuses(Open), Rejected::AlreadyOpen);
        assert_eq!(Org::offered().refuses(Open), Rejected::AlreadyOpen);
        assert_eq!(Org::lead().after(Close).refuses(Open), Rejected::AlreadyOpen);
    }

    #[test]
    fn an_offer_goes_to_its_receiver_and_the_lead_stays() {
        let mut org = Org::lead();

        let step = org.take(offer(1, 'b'));

        assert_eq!(said(&step), [('b', proposal(1))]);
        assert_eq!(step.facts, [Fact::OfferMade(1)]);
        let open = org.state.open_offer().unwrap();
        assert_eq!((*open.offer, *open.to, open.in_transfer), (1, 'b', false));
        assert!(org.state.lead().is_some() && org.state.responsible());
    }

    #[test]
    fn only_a_lead_with_nothing_under_way_offers_or_closes() {
        for (org, no) in [
            (Org::new('a'), Rejected::NotLead),
            (Org::offering(), Rejected::OfferOpen),
            (Org::transferring(), Rejected::InTransfer),
            (Org::contested(), Rejected::Contested),
            (Org::lead().after(Close), Rejected::Closed),
        ] {
            assert_eq!(org.refuses(offer(2, 'c')), no);
            assert_eq!(org.refuses(Close), no);
        }
    }

    #[test]
    fn an_offer_needs_another_organisation_and_a_new_id() {
        assert_eq!(Org::lead().refuses(offer(1, 'a')), Rejected::ToSelf);
        assert_eq!(Org::offering().after(Withdraw { offer: 1 }).refuses(offer(1, 'b')), Rejected::OfferReused);
        assert_eq!(Org::activated().refuses(offer(1, 'a')), Rejected::OfferReused);
    }

    #[test]
    fn the_own_offers_of_a_case_are_bounded() {
        let mut org = Org::lead();
        for id in 0..u32::try_from(MAX_OUTBOUND).unwrap() {
            org.state.outbound.insert(id, Outbound { to: 'b', outcome: Outcome::Withdrawn });
        }

        assert_eq!(org.refuses(offer(10_000, 'b')), Rejected::TooMany);
    }

    #[test]
    fn a_withdrawn_offer_is_closed_and_its_receiver_told() {
        let mut org = Org::offering();

        let step = org.take(Withdraw { offer: 1 });

        assert_eq!(said(&step), [('b', M::Withdraw { offer: 1 })]);
        assert_eq!(step.facts, [Fact::OfferClosed(1, Outcome::Withdrawn)]);
        assert_eq!(org.state.role, Role::Lead { epoch: epoch(0) });
        assert_eq!(org.state.outbound(&1).unwrap().outcome, Outcome::Withdrawn);
    }

    #[test]
    fn nothing_is_withdrawn_after_the_transfer_or_twice() {
        assert_eq!(Org::transferring().refuses(Withdraw { offer: 1 }), Rejected::InTransfer);
        assert_eq!(Org::offering().after(Withdraw { offer: 1 }).refuses(Withdraw { offer: 1 }), Rejected::OfferNotOpen);
        assert_eq!(Org::lead().refuses(Withdraw { offer: 1 }), Rejected::NoSuchOffer);
    }

    #[test]
    fn a_closed_case_has_no_lead_and_nobody_responsible_here() {
        let mut org = Org::lead();

        let step = org.take(Close);

        assert_eq!(step.facts, [Fact::CaseClosed(epoch(0))]);
        assert!(org.state.lead().is_none() && !org.state.responsible());
    }

    #[test]
    fn a_closed_case_still_answers() {
        let mut org = Org::activated().after(Close);

        org.answers(from('a', transfer(1)), 'a', receipt(1));
        org.ignores(from('a', proposal(1)));
        let mut sender = Org::offering().after(Withdraw { offer: 1 }).after(Close);
        sender.answers(accepted(1), 'b', M::Withdraw { offer: 1 });
    }
}

mod sender {
    use super::*;

    #[test]
    fn an_acceptance_gives_the_token_away_and_keeps_the_responsibility() {
        let mut org = Org::offering();

        let step = org.take(accepted(1));

        assert_eq!(said(&step), [('b', transfer(1))]);
        assert_eq!(step.facts, [Fact::GaveToken(1, epoch(1))]);
        assert!(org.state.lead().is_none() && org.state.responsible());
        assert!(org.state.open_offer().unwrap().in_transfer);
    }

    #[test]
    fn an_acceptance_of_another_package_moves_nothing() {
        let other = from('b', M::Accept { offer: 1, content: PACKAGE + 1 });

        assert_eq!(Org::offering().refuses(other), Rejected::ContentChanged);
    }

    #[test]
    fn an_acceptance_again_is_answered_with_the_transfer_again() {
        Org::transferring().answers(accepted(1), 'b', transfer(1));
    }

    #[test]
    fn an_acceptance_of_a_closed_offer_is_answered_with_the_withdrawal() {
        let withdrawn = Org::offering().after(Withdraw { offer: 1 });
        let declined = Org::offering().after(from('b', M::Decline { offer: 1, code: FULL }));
        let refused = Org::transferring().after(from('b', refusal(1)));

        for mut org in [withdrawn, declined, refused] {
            org.answers(accepted(1), 'b', M::Withdraw { offer: 1 });
        }
    }

    #[test]
    fn an_acceptance_after_a_reclaim_is_answered_with_the_fence() {
        Org::transferring().after(Force).answers(accepted(1), 'b', fence(1, 'a'));
    }

    #[test]
    fn an_acceptance_after_the_receipt_is_not_answered() {
        Org::transferring().after(from('b', receipt(1))).ignores(accepted(1));
    }

    #[test]
    fn a_decline_ends_the_offer_with_its_code() {
        let mut org = Org::offering();

        let step = org.take(from('b', M::Decline { offer: 1, code: DeclineCode::OutsideHours }));

        assert_eq!(step.facts, [Fact::OfferClosed(1, Outcome::Declined(DeclineCode::OutsideHours))]);
        assert_eq!(org.state.role, Role::Lead { epoch: epoch(0) });
    }

    #[test]
    fn a_decline_that_crosses_the_transfer_waits_for_the_refusal() {
        Org::transferring().ignores(from('b', M::Decline { offer: 1, code: FULL }));
    }

    #[test]
    fn a_receipt_ends_the_responsibility() {
        let mut org = Org::transferring();

        let step = org.take(from('b', receipt(1)));

        assert_eq!(step.facts, [Fact::LeftCustody(1)]);
        assert_eq!(org.state.role, Role::Outside);
        assert!(!org.state.responsible());
        org.ignores(from('b', receipt(1)));
    }

    #[test]
    fn a_receipt_must_name_the_transfer_and_its_epoch() {
        let other = M::Receipt { offer: 1, epoch: epoch(1), transfer: TRANSFER + 1 };
        let early = M::Receipt { offer: 1, epoch: epoch(5), transfer: TRANSFER };
        let unproved = In::Receive { from: 'b', message: receipt(1), transfer: None };

        assert_eq!(Org::transferring().refuses(from('b', other)), Rejected::WrongReceipt);
        assert_eq!(Org::transferring().refuses(unproved), Rejected::WrongReceipt);
        assert_eq!(Org::transferring().refuses(from('b', early)), Rejected::WrongEpoch);
        assert_eq!(Org::offering().refuses(from('b', receipt(1))), Rejected::WrongEpoch);
    }

    #[test]
    fn an_offer_of_the_receiver_counts_as_its_receipt() {
        let mut org = Org::transferring();

        let step = org.take(from('b', M::Propose { offer: 2, epoch: epoch(1), content: PACKAGE }));

        assert_eq!(step.facts, [Fact::LeftCustody(1), Fact::OfferReceived(2)]);
        assert_eq!(org.state.role, Role::Outside);
        org.ignores(from('b', receipt(1)));
    }

    #[test]
    fn an_offer_of_a_third_party_is_no_receipt() {
        let org = Org::transferring().after(from('c', M::Propose { offer: 2, epoch: epoch(2), content: PACKAGE }));

        assert!(org.state.responsible());
    }

    #[test]
    fn a_refusal_makes_the_sender_lead_again_at_a_later_step() {
        let mut org = Org::transferring();

        let step = org.take(from('b', refusal(1)));

        assert_eq!(step.facts, [Fact::BecameLead(epoch(2)), Fact::OfferClosed(1, Outcome::Refused)]);
        assert_eq!(org.state.lead(), Some(&epoch(2)));
        org.ignores(from('b', refusal(1)));
    }

    #[test]
    fn a_refusal_of_what_was_not_transferred_is_refused() {
        assert_eq!(Org::offering().refuses(from('b', refusal(1))), Rejected::WrongEpoch);
        assert_eq!(Org::transferring().refuses(from('b', M::Refuse { offer: 1, epoch: epoch(4) })), Rejected::WrongEpoch);
    }

    #[test]
    fn only_the_organisation_an_offer_was_made_to_answers_it() {
        for message in [M::Accept { offer: 1, content: PACKAGE }, M::Decline { offer: 1, code: FULL }] {
            assert_eq!(Org::offering().refuses(from('c', message)), Rejected::Foreign);
        }
        for message in [receipt(1), refusal(1), M::Accept { offer: 1, content: PACKAGE }] {
            assert_eq!(Org::transferring().refuses(from('c', message)), Rejected::Foreign);
            assert_eq!(Org::transferring().after(Force).refuses(from('c', message)), Rejected::Foreign);
        }
    }

    #[test]
    fn an_answer_to_an_offer_nobody_made_is_refused() {
        for message in [M::Accept { offer: 5, content: PACKAGE }, M::Decline { offer: 5, code: FULL }, receipt(5), refusal(5)] {
            assert_eq!(Org::offering().refuses(from('b', message)), Rejected::UnknownOffer);
        }
    }

    #[test]
    fn a_message_in_our_own_name_is_refused() {
        assert_eq!(Org::offering().refuses(from('a', proposal(3))), Rejected::Foreign);
    }
}

mod receiver {
    use super::*;

    #[test]
    fn an_offer_waits_for_a_person() {
        let mut org = Org::new('b');

        let step = org.take(from('a', proposal(1)));

        assert_eq!(step.facts, [Fact::OfferReceived(1)]);
        assert_eq!(said(&step), []);
        assert_eq!(org.state.inbound(&1).unwrap().answer, Answer::Received { epoch: epoch(0), content: PACKAGE });
        assert!(!org.state.responsible());
        org.ignores(from('a', proposal(1)));
    }

    #[test]
    fn an_acceptance_reserves_the_place_and_binds_the_package_that_was_read() {
        let mut org = Org::offered();

        let step = org.take(StaffAccept { offer: 1 });

        assert_eq!(said(&step), [('a', M::Accept { offer: 1, content: PACKAGE })]);
        assert_eq!(step.facts, [Fact::PledgeReserved(1)]);
        assert!(org.state.lead().is_none() && !org.state.responsible());
    }

    #[test]
    fn the_offer_again_is_answered_with_the_answer_again() {
        let code = DeclineCode::OutsideArea;

        Org::pledged().answers(from('a', proposal(1)), 'a', M::Accept { offer: 1, content: PACKAGE });
        Org::offered().after(StaffDecline { offer: 1, code }).answers(from('a', proposal(1)), 'a', M::Decline { offer: 1, code });
        Org::pledged().after(ReleasePledge { offer: 1, code }).answers(from('a', proposal(1)), 'a', M::Decline { offer: 1, code });
        Org::activated().ignores(from('a', proposal(1)));
    }

    #[test]
    fn a_decline_carries_its_code() {
        let mut org = Org::offered();

        let step = org.take(StaffDecline { offer: 1, code: DeclineCode::NotThisCare });

        assert_eq!(said(&step), [('a', M::Decline { offer: 1, code: DeclineCode::NotThisCare })]);
        assert_eq!(step.facts, [Fact::OfferDeclined(1, DeclineCode::NotThisCare)]);
    }

    #[test]
    fn the_first_answer_counts() {
        for org in [Org::pledged(), Org::offered().after(StaffDecline { offer: 1, code: FULL }), Org::activated()] {
            assert_eq!(org.refuses(StaffAccept { offer: 1 }), Rejected::AlreadyAnswered);
            assert_eq!(org.refuses(StaffDecline { offer: 1, code: FULL }), Rejected::AlreadyAnswered);
        }
    }

    #[test]
    fn an_offer_that_is_gone_cannot_be_answered() {
        let org = Org::offered().after(from('a', M::Withdraw { offer: 1 }));

        assert_eq!(org.refuses(StaffAccept { offer: 1 }), Rejected::OfferNotOpen);
        assert_eq!(org.refuses(StaffAccept { offer: 2 }), Rejected::NoSuchOffer);
        assert_eq!(org.refuses(StaffDecline { offer: 2, code: FULL }), Rejected::NoSuchOffer);
    }

    #[test]
    fn a_place_that_is_freed_here_is_told_and_a_crossing_transfer_refused() {
        let mut org = Org::pledged();

        let step = org.take(ReleasePledge { offer: 1, code: FULL });

        assert_eq!(said(&step), [('a', M::Decline { offer: 1, code: FULL })]);
        assert_eq!(step.facts, [Fact::PledgeReleased(1, FULL)]);
        org.answers(from('a', transfer(1)), 'a', refusal(1));
    }

    #[test]
    fn only_a_reserved_place_is_freed() {
        for org in [Org::offered(), Org::activated(), Org::pledged().after(ReleasePledge { offer: 1, code: FULL })] {
            assert_eq!(org.refuses(ReleasePledge { offer: 1, code: FULL }), Rejected::OfferNotOpen);
        }
        assert_eq!(Org::new('b').refuses(ReleasePledge { offer: 1, code: FULL }), Rejected::NoSuchOffer);
    }

    #[test]
    fn a_withdrawal_frees_the_place() {
        for mut org in [Org::offered(), Org::pledged()] {
            let step = org.take(from('a', M::Withdraw { offer: 1 }));

            assert_eq!(step.facts, [Fact::InboundWithdrawn(1)]);
            org.ignores(from('a', M::Withdraw { offer: 1 }));
            org.answers(from('a', transfer(1)), 'a', refusal(1));
        }
    }

    #[test]
    fn a_withdrawal_that_overtakes_its_offer_leaves_a_tombstone() {
        let mut org = Org::new('b').after(from('a', M::Withdraw { offer: 1 }));

        org.ignores(from('a', proposal(1)));

        assert_eq!(org.state.inbound(&1).unwrap().answer, Answer::Withdrawn);
    }

    #[test]
    fn a_withdrawal_after_the_token_came_changes_nothing() {
        Org::activated().ignores(from('a', M::Withdraw { offer: 1 }));
    }

    #[test]
    fn the_token_makes_the_receiver_lead_and_is_receipted_with_its_hash() {
        let mut org = Org::pledged();

        let step = org.take(from('a', transfer(1)));

        assert_eq!(said(&step), [('a', receipt(1))]);
        assert_eq!(step.facts, [Fact::BecameLead(epoch(1))]);
        assert_eq!(org.state.lead(), Some(&epoch(1)));
    }

    #[test]
    fn the_token_again_is_answered_with_the_same_receipt() {
        let again = In::Receive { from: 'a', message: transfer(1), transfer: Some(TRANSFER + 1) };

        Org::activated().answers(again, 'a', receipt(1));
    }

    #[test]
    fn a_token_older_than_what_is_known_is_acknowledged_without_leading() {
        let mut org = Org::pledged();
        org.state.seen = Some(epoch(4));

        let step = org.take(from('a', transfer(1)));

        assert_eq!(said(&step), [('a', receipt(1))]);
        assert_eq!(step.facts, [Fact::OldTokenAcknowledged(1)]);
        assert!(org.state.lead().is_none());
    }

    #[test]
    fn a_token_for_another_package_or_epoch_is_refused() {
        let package = M::Transfer { offer: 1, epoch: epoch(1), content: PACKAGE + 1 };
        let later = M::Transfer { offer: 1, epoch: epoch(2), content: PACKAGE };
        let unnamed = In::Receive { from: 'a', message: transfer(1), transfer: None };

        assert_eq!(Org::pledged().refuses(from('a', package)), Rejected::ContentChanged);
        assert_eq!(Org::pledged().refuses(from('a', later)), Rejected::WrongEpoch);
        assert_eq!(Org::pledged().refuses(unnamed), Rejected::WrongReceipt);
    }

    #[test]
    fn a_token_nobody_here_accepted_is_refused() {
        assert_eq!(Org::offered().refuses(from('a', transfer(1))), Rejected::NotAccepted);
        assert_eq!(Org::new('b').refuses(from('a', transfer(1))), Rejected::UnknownOffer);
    }

    #[test]
    fn an_offer_belongs_to_the_organisation_that_made_it() {
        for message in [proposal(1), M::Withdraw { offer: 1 }, transfer(1)] {
            assert_eq!(Org::pledged().refuses(from('c', message)), Rejected::Foreign);
        }
        for message in [proposal(1), M::Withdraw { offer: 1 }] {
            assert_eq!(Org::offering().refuses(from('b', message)), Rejected::Foreign);
        }
    }

    #[test]
    fn an_offer_id_is_not_used_for_another_package() {
        let changed = M::Propose { offer: 1, epoch: epoch(0), content: PACKAGE + 1 };

        assert_eq!(Org::offered().refuses(from('a', changed)), Rejected::ContentChanged);
    }

    #[test]
    fn an_old_offer_that_comes_late_is_not_shown() {
        Org::activated().after(offer(2, 'a')).ignores(from('a', proposal(8)));
    }

    #[test]
    fn a_second_lead_in_the_same_term_is_not_believed() {
        let rival = M::Propose { offer: 8, epoch: epoch(3), content: PACKAGE };

        assert_eq!(Org::activated().refuses(from('c', rival)), Rejected::WrongEpoch);
    }

    #[test]
    fn an_epoch_nobody_can_have_reached_is_not_believed() {
        let far = M::Propose { offer: 8, epoch: epoch(MAX_EPOCH), content: PACKAGE };
        let mine = M::Propose { offer: 8, epoch: Epoch { term: Term { counter: 3, org: 'b' }, step: 0 }, content: PACKAGE };

        assert_eq!(Org::new('b').refuses(from('a', far)), Rejected::WrongEpoch);
        assert_eq!(Org::new('b').refuses(from('a', mine)), Rejected::WrongEpoch);
    }

    #[test]
    fn one_peer_cannot_fill_the_case() {
        let mut org = Org::new('b');
        for id in 0..u32::try_from(MAX_INBOUND_PER_ORG).unwrap() {
            org.take(from('a', proposal(id)));
        }

        assert_eq!(org.refuses(from('a', proposal(1_000))), Rejected::TooMany);
        assert_eq!(org.refuses(from('a', M::Withdraw { offer: 1_000 })), Rejected::TooMany);
        org.take(from('c', proposal(1_000)));
    }

    #[test]
    fn a_case_comes_back_by_an_ordinary_offer() {
        let mut org = Org::transferring().after(from('b', receipt(1)));
        org.take(from('b', M::Propose { offer: 2, epoch: epoch(1), content: PACKAGE }));
        org.take(StaffAccept { offer: 2 });

        org.take(from('b', M::Transfer { offer: 2, epoch: epoch(2), content: PACKAGE }));

        assert_eq!(org.state.lead(), Some(&epoch(2)));
    }
}

mod reclaim {
    use super::*;

    fn forced(counter: u32, org: char, step: u32) -> Epoch<char> {
        Epoch { term: Term { counter, org }, step }
    }

    #[test]
    fn a_reclaim_leads_under_a_new_term_of_its_own_and_fences_the_receiver() {
        let mut org = Org::transferring();

        let step = org.take(Force);

        assert_eq!(org.state.lead(), Some(&forced(1, 'a', 1)));
        assert_eq!(said(&step), [('b', fence(1, 'a'))]);
        assert_eq!(step.facts, [Fact::BecameLead(forced(1, 'a', 1)), Fact::OfferClosed(1, Outcome::Reclaimed)]);
        org.ignores(from('b', receipt(1)));
        org.ignores(from('b', refusal(1)));
    }

    #[test]
    fn only_a_token_in_flight_is_reclaimed() {
        for (org, no) in [
            (Org::new('a'), Rejected::NotInTransfer),
            (Org::lead(), Rejected::NotInTransfer),
            (Org::offering(), Rejected::NotInTransfer),
            (Org::contested(), Rejected::Contested),
            (Org::lead().after(Close), Rejected::Closed),
        ] {
            assert_eq!(org.refuses(Force), no);
        }
    }

    #[test]
    fn a_fenced_lead_is_contested_and_stays_responsible() {
        let mut org = Org::activated();

        let step = org.take(from('a', fence(1, 'a')));

        assert_eq!(org.state.role, Role::Contested { epoch: epoch(1), by: Term { counter: 1, org: 'a' } });
        assert!(org.state.responsible() && org.state.lead().is_none());
        assert_eq!(step.facts, [Fact::BecameContested(Term { counter: 1, org: 'a' })]);
        org.ignores(from('a', fence(1, 'a')));
    }

    #[test]
    fn a_fenced_offer_is_withdrawn_so_that_no_place_stays_reserved() {
        let mut org = Org::activated().after(offer(2, 'c'));

        let step = org.take(from('a', fence(1, 'a')));

        assert_eq!(said(&step), [('c', M::Withdraw { offer: 2 })]);
        assert_eq!(step.facts, [Fact::BecameContested(Term { counter: 1, org: 'a' }), Fact::OfferClosed(2, Outcome::Withdrawn)]);
        org.answers(from('c', M::Accept { offer: 2, content: PACKAGE }), 'c', M::Withdraw { offer: 2 });
    }

    #[test]
    fn a_fence_follows_the_token_to_where_it_went() {
        let given = Org::activated().after(offer(2, 'c')).after(from('c', M::Accept { offer: 2, content: PACKAGE }));
        let receipt = M::Receipt { offer: 2, epoch: epoch(2), transfer: TRANSFER };
        let passed = Org { state: given.state.clone() }.after(from('c', receipt));

        for (mut org, role) in [(given, Role::Contested { epoch: epoch(2), by: Term { counter: 1, org: 'a' } }), (passed, Role::Outside)] {
            let step = org.take(from('a', fence(1, 'a')));

            assert_eq!(said(&step), [('c', fence(1, 'a'))]);
            assert_eq!(org.state.role, role);
            org.ignores(from('a', fence(1, 'a')));
        }
    }

    #[test]
    fn a_fence_follows_the_token_even_from_one_who_reclaimed_later() {
        let mut org = Org::activated().after(offer(2, 'c')).after(from('c', M::Accept { offer: 2, content: PACKAGE }));
        org.take(from('a', M::Propose { offer: 3, epoch: forced(1, 'a', 1), content: PACKAGE }));
        org.take(StaffAccept { offer: 3 });
        org.take(from('a', M::Transfer { offer: 3, epoch: forced(1, 'a', 2), content: PACKAGE }));
        org.take(offer(4, 'a'));
        org.take(from('a', M::Accept { offer: 4, content: PACKAGE }));
        org.take(Force);

        let step = org.take(from('a', fence(1, 'a')));

        assert_eq!(said(&step), [('c', fence(2, 'b')), ('a', fence(2, 'b'))]);
    }

    #[test]
    fn a_fence_takes_older_offers_away() {
        let mut org = Org::pledged();

        let step = org.take(from('a', fence(1, 'a')));

        let learned = Fact::LearnedOfReclaim(Term { counter: 1, org: 'a' });
        assert_eq!(step.facts, [Fact::InboundWithdrawn(1), learned]);
        org.answers(from('a', transfer(1)), 'a', refusal(1));
    }

    #[test]
    fn an_offer_under_an_older_term_is_answered_with_the_fence() {
        let mut org = Org::pledged().after(from('a', fence(1, 'a')));

        org.answers(from('c', M::Propose { offer: 8, epoch: epoch(1), content: PACKAGE }), 'c', fence(1, 'a'));
    }

    #[test]
    fn of_two_reclaims_the_lower_one_hears_of_the_higher_one() {
        let passing = Org::activated().after(offer(2, 'c')).after(from('c', M::Accept { offer: 2, content: PACKAGE }));
        let mut higher = passing.after(Force);

        let step = higher.take(from('a', fence(1, 'a')));
        let lower = Org::transferring().after(Force).after(from('b', fence(1, 'b')));

        assert_eq!(said(&step), [('a', fence(1, 'b'))]);
        assert_eq!(lower.state.role, Role::Contested { epoch: forced(1, 'a', 1), by: Term { counter: 1, org: 'b' } });
        assert_eq!(higher.state.lead(), Some(&forced(1, 'b', 2)));
    }

    #[test]
    fn a_stranger_cannot_fence_and_nobody_makes_a_term_of_another() {
        assert_eq!(Org::activated().refuses(from('z', fence(1, 'z'))), Rejected::Foreign);
        assert_eq!(Org::activated().refuses(from('a', fence(1, 'b'))), Rejected::WrongEpoch);
        assert_eq!(Org::activated().refuses(from('a', fence(MAX_EPOCH, 'a'))), Rejected::WrongEpoch);
    }

    #[test]
    fn a_contested_side_steps_back_without_ever_leading() {
        let mut org = Org::contested();

        let step = org.take(ResolveContested);

        assert_eq!(step.facts, [Fact::ContestResolved]);
        assert_eq!(org.state.role, Role::Outside);
        assert_eq!(org.refuses(ResolveContested), Rejected::NotContested);
        org.answers(from('a', transfer(1)), 'a', receipt(1));
        org.ignores(from('a', fence(1, 'a')));
    }

    #[test]
    fn a_side_that_stepped_back_can_be_given_the_case() {
        let mut org = Org::contested().after(ResolveContested);
        org.take(from('a', M::Propose { offer: 2, epoch: forced(1, 'a', 1), content: PACKAGE }));
        org.take(StaffAccept { offer: 2 });

        org.take(from('a', M::Transfer { offer: 2, epoch: forced(1, 'a', 2), content: PACKAGE }));

        assert_eq!(org.state.lead(), Some(&forced(1, 'a', 2)));
    }

    #[test]
    fn a_lead_under_an_old_term_that_is_given_the_case_withdraws_its_own_offer() {
        let mut org = Org::activated().after(offer(2, 'c'));
        org.take(from('a', M::Propose { offer: 3, epoch: forced(1, 'a', 1), content: PACKAGE }));
        org.take(StaffAccept { offer: 3 });

        let step = org.take(from('a', M::Transfer { offer: 3, epoch: forced(1, 'a', 2), content: PACKAGE }));

        assert!(said(&step).contains(&('c', M::Withdraw { offer: 2 })));
        assert_eq!(org.state.lead(), Some(&forced(1, 'a', 2)));
    }
}

#[test]
fn a_state_survives_being_stored() {
    for org in [Org::lead(), Org::transferring(), Org::activated().after(offer(2, 'c')), Org::contested()] {
        let stored = serde_json::to_string(&org.state).unwrap();

        assert_eq!(serde_json::from_str::<State>(&stored).unwrap(), org.state);
    }
}

#[test]
fn the_ids_of_the_gateway_serve_as_keys_of_the_stored_state() {
    let offer: crate::id::OfferId = "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36".parse().unwrap();
    let [me, to] = ["ura:90000123", "kvk:90000456"].map(|id| id.parse::<crate::id::OrgId>().unwrap());
    let content = crate::id::Hash::sha256(b"package");
    let mut state = super::CaseCustody::new(me);
    for input in [Open, Propose { offer, to, content }, Withdraw { offer }] {
        state = super::step(&state, input).unwrap().state.unwrap();
    }

    let stored = serde_json::to_string(&state).unwrap();

    assert!(stored.contains(&offer.to_string()));
    assert_eq!(serde_json::from_str::<super::CaseCustody>(&stored).unwrap(), state);
}

#[test]
fn decline_codes_are_stored_under_their_stable_names() {
    for code in DeclineCode::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
    }
}

/// Random walks, far beyond what a model checker can visit completely: more organisations, more offers, more reclaims.
mod walks {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;

    use super::*;

    const ORGS: [char; 5] = ['a', 'b', 'c', 'd', 'e'];

    struct Chain {
        orgs: Vec<State>,
        sent: Vec<(char, char, Message)>,
        led: Vec<(Epoch<char>, char)>,
        offers: u32,
        forced: bool,
    }

    impl Chain {
        fn new() -> Self {
            let orgs = ORGS.map(State::new).to_vec();
            let mut chain = Self { orgs, sent: vec![], led: vec![], offers: 0, forced: false };
            chain.happens(0, Open);
            chain
        }

        /// One act: what it is and whose follow from two numbers.
        fn acts(&mut self, what: u8, which: usize) {
            let at = which % ORGS.len();
            let other = ORGS[(at + 1 + which / ORGS.len() % (ORGS.len() - 1)) % ORGS.len()];
            let inbound = |state: &State| state.inbound.keys().nth(which % state.inbound.len().max(1)).copied();
            let input = match (what % 16, inbound(&self.orgs[at]), self.orgs[at].open_offer().map(|open| *open.offer)) {
                (0..=1, ..) => Propose { offer: self.offers, to: other, content: PACKAGE },
                (2, _, Some(offer)) => Withdraw { offer },
                (3, ..) => Force,
                (4, ..) => ResolveContested,
                (5..=7, Some(offer), _) => StaffAccept { offer },
                (8, Some(offer), _) => StaffDecline { offer, code: FULL },
                (9, Some(offer), _) if which.is_multiple_of(3) => ReleasePledge { offer, code: FULL },
                _ => return self.deliver(which),
            };
            self.offers += u32::from(matches!(input, Propose { .. }));
            self.forced |= input == Force && matches!(self.orgs[at].role, Role::Transferring { .. });
            self.happens(at, input);
        }

        /// Any message ever sent, the newest ones more often.
        fn deliver(&mut self, which: usize) {
            let back = if which.is_multiple_of(4) { which / 4 } else { which / 4 % 3 };
            let Some(at) = self.sent.len().checked_sub(1 + back % self.sent.len().max(1)) else { return };
            let (to, sender, message) = self.sent[at];
            let at = ORGS.iter().position(|org| *org == to).unwrap();
            self.happens(at, from(sender, message));
        }

        fn happens(&mut self, at: usize, input: Input) {
            let Ok(step) = crate::custody::step(&self.orgs[at], input) else { return };
            self.sent.extend(step.send.into_iter().map(|out| (out.to, ORGS[at], out.message)));
            if let Some(next) = step.state {
                self.orgs[at] = next;
            }
            self.led.extend(self.orgs[at].lead().map(|epoch| (*epoch, ORGS[at])));
        }

        fn check(&self) {
            assert!(self.orgs.iter().any(State::responsible), "nobody is responsible");
            let leads = self.orgs.iter().filter(|org| org.lead().is_some()).count();
            assert!(self.forced || leads <= 1, "{leads} leads");
            for (epoch, org) in &self.led {
                assert!(self.led.iter().all(|(other, rival)| epoch != other || org == rival), "two leads in {epoch:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_happens_somebody_is_responsible_and_one_leads(acts in prop::collection::vec((any::<u8>(), 0..10_000_usize), 1..120)) {
            let mut chain = Chain::new();

            for (what, which) in acts {
                chain.acts(what, which);
                chain.check();
            }
        }
    }

    #[test]
    fn the_walks_reach_handovers_and_reclaims() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let acts = prop::collection::vec((any::<u8>(), 0..10_000_usize), 120);
        let (mut handovers, mut reclaims) = (0, 0);

        for _ in 0..200 {
            let mut chain = Chain::new();
            for (what, which) in acts.new_tree(&mut runner).unwrap().current() {
                chain.acts(what, which);
            }
            handovers += usize::from(chain.led.iter().any(|(epoch, _)| epoch.step > 1));
            reclaims += usize::from(chain.orgs.iter().any(|org| matches!(org.role, Role::Contested { .. })));
        }

        assert!(handovers > 20 && reclaims > 3, "{handovers} handovers, {reclaims} reclaims");
    }
}
