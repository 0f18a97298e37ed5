//! What goes wrong between and under the gateways: crashes, cut and delayed lines, wrong clocks. Drawn from the seed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use schakel_domain::id::OrgId;
use turmoil::Sim;

use crate::dice::Dice;
use crate::disk::Point;
use crate::world::{ORGS, World, host, org};

/// How long the weather lasts, by true time.
pub(crate) const LASTS: Duration = Duration::from_secs(45);

/// When hours pass in a long night: while the weather lasts, so that timers fire in it.
const HOURS_AT: Duration = Duration::from_secs(30);
/// How far the clocks then go on: beyond every answer that is waited for.
const HOURS_MS: i64 = 30 * 3_600_000;

/// A line between two gateways.
type Line = (String, String);

/// Something that will be put right at a moment.
#[derive(Debug)]
enum Trouble {
    Down(OrgId),
    Cut(Line),
    CutOneWay(Line),
    Held(Line),
}

/// The weather of one run.
pub(crate) struct Weather {
    world: Arc<World>,
    dice: Dice,
    next: Duration,
    troubles: Vec<(Duration, Trouble)>,
    calm_ms: u64,
    /// Whether clocks go wrong.
    clocks: bool,
    /// Hours passed.
    passed: bool,
}

impl Weather {
    /// Sets how bad it gets, on the disks too.
    pub(crate) fn of(world: &Arc<World>) -> Self {
        let mut dice = Dice::of(world.seed, "weather");
        let points = [Point::Inbox, Point::Outbox, Point::Timer, Point::Command, Point::Other];
        for node in world.nodes.values() {
            let mut faults = node.disk.faults.lock().unwrap();
            faults.per_thousand = points.iter().map(|point| (*point, *dice.pick(&[0, 20, 80, 200]))).collect();
            faults.per_thousand.insert(Point::Read, *dice.pick(&[0, 0, 2, 10]));
        }
        let (calm_ms, clocks) = (*dice.pick(&[1_500, 4_000, 8_000]), dice.chance(500));
        Self { world: Arc::clone(world), dice, next: Duration::ZERO, troubles: Vec::new(), calm_ms, clocks, passed: false }
    }

    /// Lets happen what is due.
    pub(crate) fn blow(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        let (over, lasting) = std::mem::take(&mut self.troubles).into_iter().partition(|(until, _)| *until <= now);
        self.troubles = lasting;
        for (_, trouble) in over {
            self.ends(sim, trouble);
        }
        if self.world.long && !self.passed && now >= HOURS_AT {
            self.passed = true;
            self.world.nodes.values().for_each(|node| node.skew_ms.store(HOURS_MS, Ordering::Relaxed));
            self.say("hours pass");
        }
        if now >= self.next {
            let begun = self.begins(sim);
            if let Some(trouble) = begun {
                let lasts = if self.dice.chance(150) { self.dice.between(12_000, 35_000) } else { self.dice.between(100, 6_000) };
                self.say(&format!("{trouble:?} for {} ms", lasts.as_millis()));
                self.troubles.push((now + lasts, trouble));
            }
            self.next = now + self.dice.between(200, self.calm_ms);
        }
    }

    /// Puts everything right.
    pub(crate) fn clear_up(&mut self, sim: &mut Sim<'_>) {
        for (_, trouble) in std::mem::take(&mut self.troubles) {
            self.ends(sim, trouble);
        }
        for node in self.world.nodes.values() {
            node.disk.heal();
        }
        sim.set_max_message_latency(Duration::from_millis(150));
        self.say("the weather clears up");
    }

    fn begins(&mut self, sim: &mut Sim<'_>) -> Option<Trouble> {
        let one = org(self.dice.pick::<&str>(&ORGS));
        let others: Vec<OrgId> = ORGS.iter().map(|other| org(other)).filter(|other| *other != one).collect();
        let line = (host(&one), host(self.dice.pick(&others)));
        if self.troubles.iter().any(|(_, trouble)| trouble.touches(&one, &line)) {
            return None;
        }
        match self.dice.below(100) {
            0..30 => {
                self.world.node(&one).front.lock().unwrap().take();
                sim.crash(host(&one));
                Some(Trouble::Down(one))
            }
            30..50 => {
                sim.partition(line.0.as_str(), line.1.as_str());
                Some(Trouble::Cut(line))
            }
            50..65 => {
                sim.partition_oneway(line.0.as_str(), line.1.as_str());
                Some(Trouble::CutOneWay(line))
            }
            65..80 => {
                sim.hold(line.0.as_str(), line.1.as_str());
                Some(Trouble::Held(line))
            }
            80..90 if self.clocks && !self.passed => {
                let wrong = *self.dice.pick(&[-3_600_000, -600_000, -2_000, 0, 2_000, 600_000, 3_600_000]);
                self.world.node(&one).skew_ms.store(wrong, Ordering::Relaxed);
                self.say(&format!("the clock of {one} is {wrong} ms off"));
                None
            }
            _ => {
                let slow = *self.dice.pick(&[20, 150, 600, 2_500]);
                sim.set_max_message_latency(Duration::from_millis(slow));
                self.say(&format!("messages take up to {slow} ms"));
                None
            }
        }
    }

    fn ends(&self, sim: &mut Sim<'_>, trouble: Trouble) {
        self.say(&format!("no longer {trouble:?}"));
        match trouble {
            Trouble::Down(org) => sim.bounce(host(&org)),
            Trouble::Cut((a, b)) => sim.repair(a.as_str(), b.as_str()),
            Trouble::CutOneWay((a, b)) => sim.repair_oneway(a.as_str(), b.as_str()),
            Trouble::Held((a, b)) => sim.release(a.as_str(), b.as_str()),
        }
    }

    fn say(&self, what: &str) {
        self.world.chronicle.say(what);
    }
}

impl Trouble {
    fn touches(&self, one: &OrgId, line: &Line) -> bool {
        match self {
            Trouble::Down(org) => org == one,
            Trouble::Cut(other) | Trouble::CutOneWay(other) | Trouble::Held(other) => {
                other == line || (&other.0, &other.1) == (&line.1, &line.0)
            }
        }
    }
}
