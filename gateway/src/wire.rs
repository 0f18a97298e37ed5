//! WIRE: between what travels and what the domain knows. Neighbours: doors and the link call it; it decides nothing.
//!
//! Functions that read a message read it whole: they collect every wrong field with its path and refuse all of them together, so
//! that a caller corrects a request once. Functions that write one never fail. Plain functions, not `From`: a conversion is read
//! where it happens.

pub mod agreement;
pub mod care;
pub mod dossier;
pub mod federation;
pub mod fields;
pub mod log;
pub mod names;
pub mod operations;
pub mod status;
pub mod words;
