//! The rules of Schakel, as functions of their arguments: no IO, no async, no clock, no randomness.
//!
//! In reading order: [`id`] names things and [`person`] people, [`refusal`] says no, [`caller`] may do what its role permits. A
//! [`dossier`] is what may be known, [`field`] by field. `covenant` decides who may ask whom for what; [`custody`] and
//! `expertise` are the two protocols; [`message`] is what gateways say, [`command`] what one may ask and [`view`] what is answered.
//! [`erasure`] says what may be destroyed. `audit` is the mathematics and format of the log, [`bound`] what every door and the wire hold texts and moments to.

pub mod audit;
pub mod bound;
pub mod caller;
pub mod canonical;
pub mod command;
pub mod covenant;
pub mod custody;
pub mod dossier;
pub mod erasure;
pub mod expertise;
pub mod field;
pub mod id;
pub mod message;
pub mod municipality;
pub mod party_record;
pub mod person;
pub mod personal;
pub mod refusal;
pub mod signature;
pub mod traceparent;
pub mod view;
