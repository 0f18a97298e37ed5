//! The model checker of the two protocols.
//!
//! Every state that a few organisations and a hostile network can reach is visited, and in each of them the rules must hold. The
//! model calls the `step` functions that the gateway ships; it adds only the network, the people and the properties.
//!
//! The network is the set of all messages ever sent. Each may be delivered at any time, any number of times, in any order, or
//! never: that is loss, duplication, delay, reordering, partition, retransmission after a crash, and replay by an attacker.
//!
//! A broken variant wraps `step` and must be caught, or the checker would be blind.
//!
//!     cargo test -p schakel-tests --test model          # smaller configurations, all broken variants: seconds
//!     cargo test -p schakel-tests --test model --config profile.dev.package.schakel-tests.opt-level=2 -- --ignored --nocapture
//!
//! The second visits everything, some nine million states, in two to three minutes. It needs the optimiser: the transition functions
//! are generic, so they are compiled here.

mod check;
mod custody;
mod expertise;
