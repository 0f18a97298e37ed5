//! Expertise: one requester, a few candidates, a clock, a crash, and a hostile network. The transitions are those of the gateway.
//!
//! Time is an integer. It may not pass over due work of a requester that is up, because timers are rows that are read again at
//! every start: that a timer fires late is therefore modelled by the requester being down.

mod broken;
mod properties;
mod runs;

use schakel_domain::custody::DeclineCode;
use schakel_domain::expertise::candidate::{self, Phase as Answer};
use schakel_domain::expertise::requester::{self, Asked, Fact, Mode, Phase};
use schakel_domain::expertise::{Message, Outgoing};
use stateright::{Model, Property};

use broken::Broken;

/// The requester is 0, the candidates are 1 and up.
type Org = u8;
type Hash = u8;
type Request = requester::State<Org, Hash>;
type Question = candidate::State<Org, Hash>;

const REQUESTER: Org = 0;
const QUESTION: Hash = 1;
/// Time that goes on after the deadline, so that what is late is seen.
const AFTER: u8 = 4;

/// A message on its way; one side is always the requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Envelope {
    to: Org,
    from: Org,
    message: Message<Hash>,
}

/// Everybody, every message ever sent, and the time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    request: Request,
    questions: Vec<Question>,
    /// A set, sorted.
    net: Vec<Envelope>,
    /// The timer rows of the requester: when the answer of each candidate is due.
    due: Vec<u8>,
    up: bool,
    crashes: u8,
    started_at: u8,
    /// The people who asked have been told an outcome.
    told: bool,
    /// The alarm at the people who asked went off by itself: it needs no server.
    alarmed: bool,
    /// For the properties only: candidates that were ever confirmed.
    confirmed: Vec<Org>,
}

/// What may happen next.
#[derive(Clone, Debug, PartialEq)]
enum Act {
    Tick,
    Crash,
    Restart,
    Timer,
    Watchdog,
    Cancel,
    Yes(Org),
    No(Org),
    Deliver(Envelope),
}

/// One configuration.
#[derive(Clone)]
struct Call {
    candidates: Org,
    mode: Mode,
    /// Time for one candidate, in ticks.
    respond_within: u8,
    /// Time for the whole request, in ticks.
    deadline: u8,
    broken: Broken,
}

impl Model for Call {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let asked = requester::ask(&REQUESTER, QUESTION, self.mode, (1..=self.candidates).collect()).expect("a usable list");
        let mut world = World {
            now: 0,
            request: asked.state.clone().expect("a new request has a state"),
            questions: (0..self.candidates).map(|_| Question::new(REQUESTER)).collect(),
            net: Vec::new(),
            due: vec![0; usize::from(self.candidates)],
            up: true,
            crashes: 0,
            started_at: 0,
            told: false,
            alarmed: false,
            confirmed: Vec::new(),
        };
        self.commit(&mut world, asked);
        vec![world]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        let timer = self.timer_fires(world);
        let watchdog = self.watchdog_alarms(world);
        acts.extend(timer.then_some(Act::Timer));
        acts.extend(watchdog.then_some(Act::Watchdog));
        acts.extend((!timer && !watchdog && world.now < self.deadline + AFTER).then_some(Act::Tick));
        acts.extend((world.up && world.crashes < 1).then_some(Act::Crash));
        acts.extend((!world.up).then_some(Act::Restart));
        acts.extend((world.up && !world.request.decided()).then_some(Act::Cancel));
        for (org, question) in (1..).zip(&world.questions) {
            if matches!(question.phase, Answer::Asked { .. }) {
                acts.extend([Act::Yes(org), Act::No(org)]);
            }
        }
        acts.extend(world.net.iter().copied().map(Act::Deliver));
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        match act {
            Act::Tick => Some(World { now: world.now + 1, ..world.clone() }),
            Act::Crash => Some(World { up: false, crashes: world.crashes + 1, ..world.clone() }),
            Act::Restart => Some(World { up: true, started_at: world.now, ..world.clone() }),
            Act::Watchdog => Some(World { alarmed: true, ..world.clone() }),
            Act::Timer => self.requester(world, self.due_input(world)?),
            Act::Cancel => self.requester(world, requester::Input::Cancel),
            Act::Yes(org) => self.candidate(world, org, candidate::Input::StaffBid),
            Act::No(org) => self.candidate(world, org, candidate::Input::StaffDecline { code: DeclineCode::NoCapacity }),
            Act::Deliver(envelope) => self.deliver(world, envelope),
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Call {
    /// The timer row that is overdue, if any.
    fn due_input(&self, world: &World) -> Option<requester::Input<Org, Hash>> {
        if world.request.decided() {
            return None;
        }
        if world.now >= self.deadline {
            return Some(requester::Input::DeadlinePassed);
        }
        let candidate = world.request.current()?.org;
        (world.now >= world.due[at(candidate)]).then_some(requester::Input::CandidateDue { candidate })
    }

    fn timer_fires(&self, world: &World) -> bool {
        let forgotten = self.broken == Broken::NoTimerAfterRestart && world.crashes > 0;
        world.up && !forgotten && self.due_input(world).is_some()
    }

    fn watchdog_alarms(&self, world: &World) -> bool {
        world.now > self.deadline && !world.told && !world.alarmed && self.broken != Broken::NoClientWatchdog
    }

    fn deliver(&self, world: &World, envelope: Envelope) -> Option<World> {
        let Envelope { to, from, message } = envelope;
        if to != REQUESTER {
            return self.candidate(world, to, candidate::Input::Receive { from, message });
        }
        if world.up { self.requester(world, requester::Input::Receive { from, message }) } else { None }
    }

    /// One step of the requester.
    fn requester(&self, world: &World, input: requester::Input<Org, Hash>) -> Option<World> {
        let step = self.broken.requester(&world.request, input).ok()?;
        if step.state.is_none() && !news(world, REQUESTER, &step.send) {
            return None;
        }
        let mut next = world.clone();
        self.commit(&mut next, step);
        Some(next)
    }

    /// What one transaction of the requester writes: state, messages, timer rows, and the word to those who asked.
    fn commit(&self, world: &mut World, step: requester::Step<Org, Hash>) {
        for fact in &step.facts {
            match fact {
                Fact::Asked(org) => {
                    let within = if self.mode == Mode::FanOut { self.deadline } else { self.respond_within };
                    world.due[at(*org)] = world.now + within;
                }
                Fact::Assigned(_) | Fact::Escalated | Fact::Cancelled => world.told = true,
                _ => {}
            }
        }
        if let Some(state) = step.state {
            world.request = state;
        }
        send(&mut world.net, REQUESTER, step.send);
    }

    /// One step of a candidate.
    fn candidate(&self, world: &World, org: Org, input: candidate::Input<Org, Hash>) -> Option<World> {
        let step = self.broken.candidate(&world.questions[at(org)], input).ok()?;
        if step.state.is_none() && !news(world, org, &step.send) {
            return None;
        }
        let mut next = world.clone();
        if let Some(state) = step.state {
            if state.phase == Answer::Confirmed
                && let Err(place) = next.confirmed.binary_search(&org)
            {
                next.confirmed.insert(place, org);
            }
            next.questions[at(org)] = state;
        }
        send(&mut next.net, org, step.send);
        Some(next)
    }

    /// Nothing that was sent changes anything any more.
    fn quiet(&self, world: &World) -> bool {
        world.up && world.net.iter().all(|envelope| self.deliver(world, *envelope).is_none())
    }
}

/// Whether anything of this was not sent before.
fn news(world: &World, from: Org, sent: &[Outgoing<Org, Hash>]) -> bool {
    sent.iter().any(|out| world.net.binary_search(&Envelope { to: out.to, from, message: out.message }).is_err())
}

fn send(net: &mut Vec<Envelope>, from: Org, sent: Vec<Outgoing<Org, Hash>>) {
    for out in sent {
        let envelope = Envelope { to: out.to, from, message: out.message };
        if let Err(place) = net.binary_search(&envelope) {
            net.insert(place, envelope);
        }
    }
}

fn at(candidate: Org) -> usize {
    usize::from(candidate) - 1
}
