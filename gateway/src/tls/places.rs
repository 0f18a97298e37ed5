//! How many connections there may be, in total and from one source, and who makes room when there are too many handshakes.
//!
//! Nobody waits in a queue behind strangers: a newcomer comes in, takes the place of the source that has the most unfinished
//! handshakes, or is closed. So a source with one connection is always served while another floods.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

use super::accept::Limits;
use super::failures::network;

/// The places of one door.
pub(super) struct Places {
    limits: Limits,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    /// Finished handshakes.
    open: usize,
    /// Unfinished ones.
    greeting: usize,
    sources: HashMap<IpAddr, Source>,
}

#[derive(Default)]
struct Source {
    open: usize,
    greeting: VecDeque<(u64, Option<AbortHandle>)>,
}

/// One connection's place; dropping it gives it back.
pub(super) struct Place {
    places: Arc<Places>,
    source: IpAddr,
    number: u64,
    open: bool,
}

impl Places {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, table: Mutex::default() })
    }

    /// A place for a connection that has yet to greet, and whose handshake was ended for it, if any. `None`: the door, or this source,
    /// has all it may have.
    pub(super) fn enter(self: &Arc<Self>, source: IpAddr) -> Option<(Place, Option<IpAddr>)> {
        let source = network(source);
        let mut table = self.table();
        let (mine, greeting) = table.sources.get(&source).map_or((0, 0), |held| (held.open, held.greeting.len()));
        if mine + greeting >= self.limits.per_source || table.open >= self.limits.connections {
            return None;
        }
        let gone = if table.greeting >= self.limits.handshakes { Some(table.make_room(greeting)?) } else { None };
        table.next += 1;
        let number = table.next;
        table.greeting += 1;
        table.sources.entry(source).or_default().greeting.push_back((number, None));
        Some((Place { places: Arc::clone(self), source, number, open: false }, gone))
    }

    /// Says how the handshake of this place can be ended when another needs the room.
    pub(super) fn attach(&self, (source, number): (IpAddr, u64), task: AbortHandle) {
        let mut table = self.table();
        let held = table.sources.get_mut(&source).and_then(|held| held.greeting.iter_mut().find(|(known, _)| *known == number));
        if let Some((_, handle)) = held {
            *handle = Some(task);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Ends the oldest handshake of the source with the most of them, if that is more than the newcomer's source has.
    fn make_room(&mut self, mine: usize) -> Option<IpAddr> {
        let (source, greedy) = self.sources.iter_mut().max_by_key(|(_, held)| held.greeting.len())?;
        if greedy.greeting.len() <= mine {
            return None;
        }
        let (_, task) = greedy.greeting.pop_front()?;
        self.greeting -= 1;
        if let Some(task) = task {
            task.abort();
        }
        Some(*source)
    }
}

impl Place {
    /// What [`Places::attach`] wants.
    pub(super) fn key(&self) -> (IpAddr, u64) {
        (self.source, self.number)
    }

    /// The handshake is done. False when all connections are taken: then the place is to be given back.
    pub(super) fn open(&mut self) -> bool {
        let mut table = self.places.table();
        if table.open >= self.places.limits.connections || !table.leave(self.source, self.number) {
            return false;
        }
        table.open += 1;
        table.sources.entry(self.source).or_default().open += 1;
        self.open = true;
        true
    }
}

impl Table {
    /// Takes an unfinished handshake out; false when it had to make room before.
    fn leave(&mut self, source: IpAddr, number: u64) -> bool {
        let Some(held) = self.sources.get_mut(&source) else { return false };
        let Some(at) = held.greeting.iter().position(|(known, _)| *known == number) else { return false };
        held.greeting.remove(at);
        self.greeting -= 1;
        self.forget(source);
        true
    }

    fn forget(&mut self, source: IpAddr) {
        if self.sources.get(&source).is_some_and(|held| held.open == 0 && held.greeting.is_empty()) {
            self.sources.remove(&source);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.places.table();
        if !self.open {
            table.leave(self.source, self.number);
            return;
        }
        table.open -= 1;
        if let Some(held) = table.sources.get_mut(&self.source) {
            held.open -= 1;
        }
        table.forget(self.source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn places(per_source: usize, handshakes: usize, connections: usize) -> Arc<Places> {
        Places::new(Limits { per_source, handshakes, connections, ..Limits::default() })
    }

    #[test]
    fn one_source_has_no_more_than_its_share_and_gets_it_back() {
        let places = places(2, 10, 10);
        let ((mut one, _), two) = (places.enter(from(1)).unwrap(), places.enter(from(1)).unwrap());
        assert!(one.open());

        assert!(places.enter(from(1)).is_none());
        assert!(places.enter(from(2)).is_some());
        drop(two);
        assert!(places.enter(from(1)).is_some());
        drop(one);
        assert!(places.table().sources.is_empty() && places.table().open == 0 && places.table().greeting == 0);
    }

    #[test]
    fn a_newcomer_takes_the_place_of_whoever_floods_and_a_flood_takes_nobodys() {
        let places = places(10, 4, 10);
        let mut flood: Vec<_> = (0..3).map(|_| places.enter(from(1)).unwrap().0).collect();
        let (mut honest, _) = places.enter(from(2)).unwrap();

        let (mut newcomer, gone) = places.enter(from(3)).unwrap();
        assert!(gone == Some(from(1)) && !flood[0].open(), "the oldest of the flood made room");
        assert!(places.enter(from(1)).is_none(), "a flood makes no room for itself");

        assert!(honest.open() && newcomer.open());
    }
}
