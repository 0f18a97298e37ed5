//! Each transition of both sides, each answer to a repeated or late message, and each no.

use super::{Message as M, Outgoing, Rejected};
use crate::custody::DeclineCode;

const QUESTION: u8 = 7;
const ADVICE: u8 = 8;
const FULL: DeclineCode = DeclineCode::NoCapacity;

type Message = M<u8>;

const ASK: Message = M::Ask { content: QUESTION };
const BID: Message = M::Bid { content: QUESTION };
const NO: Message = M::Decline { code: FULL };

fn say(to: char, message: Message) -> Outgoing<char, u8> {
    Outgoing { to, message }
}

mod asking {
    use super::super::requester::Input::{Cancel, CandidateDue, Close, DeadlinePassed, Receive};
    use super::super::requester::{self, Asked, Fact, MAX_CANDIDATES, Mode, Phase};
    use super::*;

    type Input = requester::Input<char, u8>;

    /// `q` asks `a`, `b` and `c`.
    struct Request(requester::State<char, u8>);

    impl Request {
        fn one_by_one() -> Self {
            Self::new(Mode::Sequence)
        }

        fn at_once() -> Self {
            Self::new(Mode::FanOut)
        }

        fn new(mode: Mode) -> Self {
            Self(requester::ask(&'q', QUESTION, mode, vec!['a', 'b', 'c']).unwrap().state.unwrap())
        }

        fn after(mut self, input: Input) -> Self {
            self.take(input);
            self
        }

        fn take(&mut self, input: Input) -> requester::Step<char, u8> {
            let step = requester::step(&self.0, input.clone()).unwrap_or_else(|no| panic!("{input:?} in {:?}: {no}", self.0.phase));
            if let Some(next) = &step.state {
                assert_ne!(*next, self.0, "a state that is returned differs");
                self.0 = next.clone();
            }
            step
        }

        fn refuses(&self, input: Input) -> Rejected {
            requester::step(&self.0, input).expect_err("must be refused")
        }

        /// Says exactly this, and changes nothing.
        fn answers(&mut self, input: Input, sends: &[Outgoing<char, u8>]) {
            let step = self.take(input.clone());

            assert_eq!((step.state, step.send.as_slice(), step.facts), (None, sends, vec![]), "{input:?}");
        }
    }

    fn from(from: char, message: Message) -> Input {
        Receive { from, message }
    }

    #[test]
    fn a_sequence_asks_the_first_and_a_fan_out_asks_all() {
        let first = requester::ask(&'q', QUESTION, Mode::Sequence, vec!['a', 'b']).unwrap();
        let all = requester::ask(&'q', QUESTION, Mode::FanOut, vec!['a', 'b']).unwrap();

        assert_eq!(first.send, [say('a', ASK)]);
        assert_eq!(first.facts, [Fact::Asked('a')]);
        assert_eq!(all.send, [say('a', ASK), say('b', ASK)]);
    }

    #[test]
    fn a_request_needs_a_list_of_others_each_named_once() {
        let many = (0..=u32::try_from(MAX_CANDIDATES).unwrap()).collect();

        for list in [vec![], vec!['a', 'b', 'a'], vec!['a', 'q']] {
            assert_eq!(requester::ask(&'q', QUESTION, Mode::Sequence, list).unwrap_err(), Rejected::BadCandidates);
        }
        assert_eq!(requester::ask(&9_999, QUESTION, Mode::Sequence, many).unwrap_err(), Rejected::BadCandidates);
    }

    #[test]
    fn a_yes_is_confirmed_and_decides() {
        let mut request = Request::one_by_one();

        let step = request.take(from('a', BID));

        assert_eq!(step.send, [say('a', M::Confirm)]);
        assert_eq!(step.facts, [Fact::Assigned('a')]);
        assert_eq!(request.0.assigned(), Some(&'a'));
        request.answers(from('a', BID), &[say('a', M::Confirm)]);
    }

    #[test]
    fn the_others_are_released_when_one_is_assigned() {
        let mut request = Request::at_once().after(from('c', NO));

        let step = request.take(from('b', BID));

        assert_eq!(step.send, [say('b', M::Confirm), say('a', M::Release)]);
        request.answers(from('a', BID), &[say('a', M::Release)]);
    }

    #[test]
    fn a_no_asks_the_next_one() {
        let mut request = Request::one_by_one();

        let step = request.take(from('a', NO));

        assert_eq!(step.send, [say('b', ASK)]);
        assert_eq!(step.facts, [Fact::CandidateDeclined('a', FULL), Fact::Asked('b')]);
        request.answers(from('a', NO), &[]);
    }

    #[test]
    fn a_candidate_that_is_silent_is_released_and_the_next_one_asked() {
        let mut request = Request::one_by_one();

        let step = request.take(CandidateDue { candidate: 'a' });

        assert_eq!(step.send, [say('a', M::Release), say('b', ASK)]);
        assert_eq!(step.facts, [Fact::CandidateLapsed('a'), Fact::Asked('b')]);
        request.answers(CandidateDue { candidate: 'a' }, &[]);
        request.answers(CandidateDue { candidate: 'c' }, &[]);
        request.answers(from('a', NO), &[]);
    }

    #[test]
    fn a_candidate_is_not_due_by_itself_in_a_fan_out() {
        Request::at_once().answers(CandidateDue { candidate: 'a' }, &[]);
    }

    #[test]
    fn a_late_yes_of_an_earlier_candidate_is_used_while_nobody_else_was_assigned() {
        let mut request = Request::one_by_one().after(CandidateDue { candidate: 'a' });

        let step = request.take(from('a', BID));

        assert_eq!(step.send, [say('a', M::Confirm), say('b', M::Release)]);
        assert_eq!(request.0.assigned(), Some(&'a'));
    }

    #[test]
    fn when_the_last_one_says_no_the_request_escalates() {
        let sequence = Request::one_by_one().after(from('a', NO)).after(CandidateDue { candidate: 'b' });
        let fan_out = Request::at_once().after(from('a', NO)).after(from('b', NO));

        for mut request in [sequence, fan_out] {
            let step = request.take(from('c', NO));

            assert_eq!(step.facts, [Fact::CandidateDeclined('c', FULL), Fact::Escalated]);
            assert_eq!(step.send, []);
            assert!(request.0.decided());
        }
    }

    #[test]
    fn when_the_last_one_is_silent_the_request_escalates() {
        let mut request = Request::one_by_one().after(from('a', NO)).after(from('b', NO));

        let step = request.take(CandidateDue { candidate: 'c' });

        assert_eq!(step.facts, [Fact::CandidateLapsed('c'), Fact::Escalated]);
        assert_eq!(step.send, [say('c', M::Release)]);
    }

    #[test]
    fn at_the_deadline_the_request_escalates_and_releases_who_is_still_asked() {
        let mut request = Request::at_once().after(from('b', NO));

        let step = request.take(DeadlinePassed);

        assert_eq!(step.facts, [Fact::Escalated]);
        assert_eq!(step.send, [say('a', M::Release), say('c', M::Release)]);
    }

    #[test]
    fn a_timer_that_fires_after_the_decision_does_nothing() {
        let mut request = Request::one_by_one().after(from('a', BID));

        request.answers(DeadlinePassed, &[]);
        request.answers(CandidateDue { candidate: 'a' }, &[]);
        request.answers(from('a', NO), &[]);
    }

    #[test]
    fn a_yes_after_escalation_is_shown_and_released_but_never_confirmed() {
        let mut request = Request::one_by_one().after(DeadlinePassed);

        let step = request.take(from('a', BID));

        assert_eq!(step.send, [say('a', M::Release)]);
        assert_eq!(step.facts, [Fact::LateBid('a')]);
        assert_eq!((request.0.phase.clone(), request.0.candidates[0].asked), (Phase::Escalated, Asked::LateBid));
        request.answers(from('a', BID), &[say('a', M::Release)]);
    }

    #[test]
    fn a_cancelled_request_releases_who_is_asked() {
        let mut request = Request::one_by_one();

        let step = request.take(Cancel);

        assert_eq!(step.send, [say('a', M::Release)]);
        assert_eq!(step.facts, [Fact::Cancelled]);
        request.answers(from('a', BID), &[say('a', M::Release)]);
        assert_eq!(request.refuses(Cancel), Rejected::NotOpen);
    }

    #[test]
    fn an_assigned_request_takes_advice_and_is_closed() {
        let mut request = Request::one_by_one().after(from('a', BID));

        let advised = request.take(from('a', M::Advice { content: ADVICE }));
        let closed = request.take(Close);

        assert_eq!(advised.facts, [Fact::AdviceReceived('a')]);
        assert_eq!(closed.send, [say('a', M::Close)]);
        assert_eq!(closed.facts, [Fact::Closed('a')]);
        request.answers(from('a', BID), &[say('a', M::Close)]);
        request.answers(from('a', NO), &[]);
    }

    #[test]
    fn only_an_assigned_request_is_closed() {
        for request in [Request::one_by_one(), Request::one_by_one().after(DeadlinePassed), Request::one_by_one().after(Cancel)] {
            assert_eq!(request.refuses(Close), Rejected::NotOpen);
        }
        assert_eq!(Request::one_by_one().after(from('a', BID)).refuses(Cancel), Rejected::NotOpen);
    }

    #[test]
    fn only_who_was_asked_answers_and_only_who_helps_advises() {
        let request = Request::one_by_one().after(from('a', NO)).after(from('b', BID));

        for (org, message) in [('z', BID), ('c', BID), ('c', NO), ('a', M::Advice { content: ADVICE })] {
            assert_eq!(request.refuses(from(org, message)), Rejected::Foreign);
        }
    }

    #[test]
    fn a_candidate_cannot_speak_for_the_requester() {
        for message in [ASK, M::Confirm, M::Release, M::Close] {
            assert_eq!(Request::one_by_one().refuses(from('a', message)), Rejected::Foreign);
        }
    }

    #[test]
    fn a_yes_to_another_question_or_after_a_no_is_refused() {
        assert_eq!(Request::one_by_one().refuses(from('a', M::Bid { content: QUESTION + 1 })), Rejected::ContentChanged);
        assert_eq!(Request::one_by_one().after(from('a', NO)).refuses(from('a', BID)), Rejected::Unexpected);
    }

    #[test]
    fn a_request_survives_being_stored() {
        let request = Request::one_by_one().after(from('a', NO)).after(from('b', BID)).0;

        let stored = serde_json::to_string(&request).unwrap();

        assert_eq!(serde_json::from_str::<requester::State<char, u8>>(&stored).unwrap(), request);
    }
}

mod asked {
    use super::super::candidate::Input::{Advise, Receive, StaffBid, StaffDecline};
    use super::super::candidate::{self, Fact, Phase};
    use super::*;

    type Input = candidate::Input<char, u8>;

    /// A candidate of `q`.
    struct Question(candidate::State<char, u8>);

    impl Question {
        fn idle() -> Self {
            Self(candidate::State::new('q'))
        }

        fn asked() -> Self {
            Self::idle().after(said(ASK))
        }

        fn bid() -> Self {
            Self::asked().after(StaffBid)
        }

        fn confirmed() -> Self {
            Self::bid().after(said(M::Confirm))
        }

        fn after(mut self, input: Input) -> Self {
            self.take(input);
            self
        }

        fn take(&mut self, input: Input) -> candidate::Step<char, u8> {
            let step = candidate::step(&self.0, input.clone()).unwrap_or_else(|no| panic!("{input:?} in {:?}: {no}", self.0.phase));
            if let Some(next) = &step.state {
                assert_ne!(*next, self.0, "a state that is returned differs");
                self.0 = next.clone();
            }
            step
        }

        fn refuses(&self, input: Input) -> Rejected {
            candidate::step(&self.0, input).expect_err("must be refused")
        }

        /// Says exactly this, and changes nothing.
        fn answers(&mut self, input: Input, sends: &[Outgoing<char, u8>]) {
            let step = self.take(input.clone());

            assert_eq!((step.state, step.send.as_slice(), step.facts), (None, sends, vec![]), "{input:?}");
        }
    }

    fn said(message: Message) -> Input {
        Receive { from: 'q', message }
    }

    #[test]
    fn a_question_waits_for_a_person() {
        let mut question = Question::idle();

        let step = question.take(said(ASK));

        assert_eq!(step.facts, [Fact::QuestionReceived]);
        question.answers(said(ASK), &[]);
    }

    #[test]
    fn a_yes_is_sent_and_not_yet_confirmed() {
        let mut question = Question::asked();

        let step = question.take(StaffBid);

        assert_eq!(step.send, [say('q', BID)]);
        assert_eq!(step.facts, [Fact::BidMade]);
        assert!(question.0.unconfirmed_bid());
    }

    #[test]
    fn the_question_again_is_answered_with_the_answer_again() {
        Question::bid().answers(said(ASK), &[say('q', BID)]);
        Question::asked().after(StaffDecline { code: FULL }).answers(said(ASK), &[say('q', NO)]);
        Question::confirmed().answers(said(ASK), &[]);
    }

    #[test]
    fn the_first_answer_counts() {
        for question in [Question::bid(), Question::asked().after(StaffDecline { code: FULL }), Question::confirmed()] {
            assert_eq!(question.refuses(StaffBid), Rejected::AlreadyAnswered);
            assert_eq!(question.refuses(StaffDecline { code: FULL }), Rejected::AlreadyAnswered);
        }
    }

    #[test]
    fn a_question_that_is_gone_cannot_be_answered() {
        let released = Question::asked().after(said(M::Release));
        let closed = Question::confirmed().after(said(M::Close));

        for question in [Question::idle(), released, closed] {
            assert_eq!(question.refuses(StaffBid), Rejected::NotOpen);
            assert_eq!(question.refuses(Advise { content: ADVICE }), Rejected::NotOpen);
        }
    }

    #[test]
    fn a_confirmation_makes_a_bid_certain() {
        let mut question = Question::bid();

        let step = question.take(said(M::Confirm));

        assert_eq!(step.facts, [Fact::Confirmed]);
        assert_eq!(question.0.phase, Phase::Confirmed);
        question.answers(said(M::Confirm), &[]);
    }

    #[test]
    fn a_confirmation_wins_over_a_release_before_and_after_it() {
        let mut question = Question::bid().after(said(M::Release));

        question.take(said(M::Confirm));
        question.answers(said(M::Release), &[]);

        assert_eq!(question.0.phase, Phase::Confirmed);
    }

    #[test]
    fn nobody_is_confirmed_who_made_no_bid() {
        let declined = Question::asked().after(StaffDecline { code: FULL });
        let released = Question::asked().after(said(M::Release));

        for question in [Question::idle(), Question::asked(), declined, released] {
            assert_eq!(question.refuses(said(M::Confirm)), Rejected::Unexpected);
            assert_eq!(question.refuses(said(M::Close)), Rejected::Unexpected);
        }
    }

    #[test]
    fn a_release_that_overtakes_its_question_leaves_a_tombstone() {
        let mut question = Question::idle().after(said(M::Release));

        question.answers(said(ASK), &[]);

        assert_eq!(question.0.phase, Phase::Released { bid: false });
    }

    #[test]
    fn a_release_frees_who_is_asked_or_bid() {
        for mut question in [Question::asked(), Question::bid()] {
            let step = question.take(said(M::Release));

            assert_eq!(step.facts, [Fact::Released]);
            question.answers(said(M::Release), &[]);
        }
        Question::asked().after(StaffDecline { code: FULL }).answers(said(M::Release), &[]);
    }

    #[test]
    fn only_a_confirmed_candidate_advises() {
        let step = Question::confirmed().take(Advise { content: ADVICE });

        assert_eq!(step.send, [say('q', M::Advice { content: ADVICE })]);
        assert_eq!(step.facts, [Fact::AdviceSent]);
        assert_eq!(Question::bid().refuses(Advise { content: ADVICE }), Rejected::NotOpen);
    }

    #[test]
    fn the_end_is_understood_even_before_the_confirmation() {
        for mut question in [Question::confirmed(), Question::bid(), Question::bid().after(said(M::Release))] {
            let step = question.take(said(M::Close));

            assert_eq!(step.facts, [Fact::Closed]);
            question.answers(said(M::Close), &[]);
            question.answers(said(M::Confirm), &[]);
        }
    }

    #[test]
    fn only_the_requester_is_believed_and_only_what_is_its_to_say() {
        assert_eq!(Question::bid().refuses(Receive { from: 'z', message: M::Confirm }), Rejected::Foreign);
        for message in [BID, NO, M::Advice { content: ADVICE }] {
            assert_eq!(Question::bid().refuses(said(message)), Rejected::Foreign);
        }
    }

    #[test]
    fn another_question_under_the_same_name_is_refused() {
        for question in [Question::asked(), Question::bid()] {
            assert_eq!(question.refuses(said(M::Ask { content: QUESTION + 1 })), Rejected::ContentChanged);
        }
    }

    #[test]
    fn a_question_survives_being_stored() {
        let question = Question::bid().0;

        let stored = serde_json::to_string(&question).unwrap();

        assert_eq!(serde_json::from_str::<candidate::State<char, u8>>(&stored).unwrap(), question);
    }
}
