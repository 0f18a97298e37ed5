//! DEMO: several organisations on one machine play a story, and a checker that took no part in it says whether the rules held.

pub mod scenario;
