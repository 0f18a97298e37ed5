//! DOORS: every way in. A door identifies the caller, parses, and hands on; the desk decides.

pub mod federation;
