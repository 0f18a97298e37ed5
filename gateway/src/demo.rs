//! DEMO: several organisations on one machine play a story, and a checker that took no part in it says whether the rules held.
//!
//! ```text
//!   scenario ──► player ──► client ──► doors of the organisation that acts ──► its gateway
//!                                                                               │  line (can be cut)
//!   checker ◄── the stores of all, read afterwards                              ▼
//!                                                                       gateways of the others
//! ```
//!
//! Nothing is mocked: real gateways, TLS, tokens, signatures and databases, made new for each run and thrown away.

pub mod checker;
pub mod client;
pub mod gateways;
pub mod line;
pub mod player;
pub mod report;
pub mod run;
pub mod scenario;
pub mod show;
pub mod tamper;
pub mod world;
