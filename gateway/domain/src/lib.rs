//! The rules of Schakel, as functions of their arguments: no IO, no async, no clock, no randomness.
//!
//! In reading order:
//! [`id`] names things, [`refusal`] says no, [`canonical`] gives a value one sequence of bytes, `covenant` decides who may ask
//! whom for what, `custody` and `expertise` are the two protocols, [`audit`] is the mathematics and format of the log.

pub mod audit;
pub mod canonical;
pub mod id;
pub mod refusal;
