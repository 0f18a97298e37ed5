//! Runs one model to its end and says what was found.

use std::fmt::Debug;
use std::hash::Hash;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

/// A run that takes longer than this is a failure, not a pass.
const LIMIT: Duration = Duration::from_secs(1800);

/// What a run of a model found.
#[derive(Default)]
pub(crate) struct Found {
    /// Different states visited.
    pub(crate) states: usize,
    generated: usize,
    depth: usize,
    seconds: f32,
    violated: Vec<Violation>,
    /// Properties of the kind "sometimes" that were reached.
    reached: Vec<&'static str>,
}

/// A property that does not hold, and the way there.
#[derive(Debug)]
struct Violation {
    property: &'static str,
    actions: Vec<String>,
}

/// Visits every state; every property named `P..` must hold, and each of `reachable` must be reached, or the rest proves nothing.
pub(crate) fn holds<M>(name: &str, model: M, reachable: &[&str]) -> Found
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Hash + Send + Sync + Clone + PartialEq,
    M::Action: Debug + Clone + PartialEq,
{
    let found = explore(model, HasDiscoveries::All, None);

    println!("{name}: {} states ({} generated), depth {}, {:.1} s", found.states, found.generated, found.depth, found.seconds);
    assert!(found.violated.is_empty(), "{name}: violated {:#?}", found.violated);
    for wanted in reachable {
        assert!(found.reached.iter().any(|reached| reached.starts_with(wanted)), "{name}: {wanted} was never reached");
    }
    found
}

/// Visits states until a property is violated whose name starts with `expected`, and tells the shortest way there.
pub(crate) fn caught<M>(name: &str, model: M, expected: &str)
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Debug + Hash + Send + Sync + Clone + PartialEq,
    M::Action: Debug + Clone + PartialEq,
{
    let names: Vec<_> = model.properties().iter().map(|property| property.name).filter(|name| name.starts_with(expected)).collect();
    let until = HasDiscoveries::AnyOf(names.iter().copied().collect());
    let search = |below| {
        let found = explore(model.clone(), until.clone(), below);
        (found.states, found.violated.into_iter().find(|violation| violation.property.starts_with(expected)))
    };

    let (states, mut next) = search(None);
    let mut shortest = None;
    // The checker keeps the last violation of a block of states, so look again for a shorter one.
    while let Some(violation) = next {
        next = search(Some(violation.actions.len())).1;
        shortest = Some(violation);
    }

    let found = shortest.unwrap_or_else(|| panic!("{name}: not caught by {expected}"));
    println!("{name}: caught by {} after {} steps ({states} states)", found.property, found.actions.len());
    for action in &found.actions {
        println!("    {action}");
    }
}

/// Visits the states that are reached with fewer than `below` actions, or all of them.
fn explore<M>(model: M, until: HasDiscoveries, below: Option<usize>) -> Found
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Hash + Send + Sync + Clone + PartialEq,
    M::Action: Debug + Clone + PartialEq,
{
    let start = Instant::now();
    // One thread, so that the search is breadth first.
    let mut builder = model.checker().threads(1).finish_when(until).timeout(LIMIT);
    if let Some(below) = below {
        // A state reached with n actions has depth n + 1 here, and the target itself is left out.
        builder = builder.target_max_depth(below + 1);
    }
    let checker = builder.spawn_bfs().join();
    let seconds = start.elapsed();
    assert!(seconds < LIMIT, "not finished within {LIMIT:?}");

    let mut found = Found {
        states: checker.unique_state_count(),
        generated: checker.state_count(),
        depth: checker.max_depth(),
        seconds: seconds.as_secs_f32(),
        ..Found::default()
    };
    for (property, path) in checker.discoveries() {
        if property.starts_with('P') {
            let actions = path.into_actions().iter().map(|action| format!("{action:?}")).collect();
            found.violated.push(Violation { property, actions });
        } else {
            found.reached.push(property);
        }
    }
    found.violated.sort_by_key(|violation| (violation.actions.len(), violation.property));
    found
}
