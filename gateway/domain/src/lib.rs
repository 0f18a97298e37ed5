//! The rules of Schakel, as functions of their arguments: no IO, no async, no clock, no randomness.
//!
//! In reading order:
//! [`id`] names things, [`refusal`] says no, `covenant` decides who may ask whom for what, `custody` and `expertise` are the
//! two protocols, `audit` is the mathematics and format of the log.

pub mod canonical;
pub mod covenant;
pub mod field;
pub mod id;
pub mod municipality;
pub mod party_record;
pub mod refusal;
pub mod signature;
