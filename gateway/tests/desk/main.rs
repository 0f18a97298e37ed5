//! Proves the desk: real desks of several organisations, real stores and vaults, and a postman who may do anything a network does.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access;
mod agreed;
mod backlog;
mod commands;
mod consultations;
mod cosigning;
mod deadlines;
mod erasure;
mod handovers;
mod incomplete;
mod installs;
mod invariants;
mod judged;
mod kit;
mod operators;
mod poison;
mod repeated;
mod replicas;
mod restored;
mod schedules;
mod secrets;
mod unanswered;
mod unreadable;
mod unsendable;
mod waiting;
mod watched;
mod wrong_clocks;
