//! WIRE: between what travels and what the domain knows. Neighbours: doors and the link call it; it decides nothing.
//!
//! `from_wire` functions read a message whole: they collect every wrong field with its path and refuse all of them together, so
//! that a caller corrects a request once. `to_wire` functions never fail. Plain functions, not `From`: a conversion is read where it
//! happens.

pub mod dossier;
pub mod fields;
pub mod words;
