//! WIRE: between generated types and the domain's. Strict one way, deterministic the other; nothing here decides.

pub mod federation;
