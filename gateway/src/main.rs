//! Schakel.
fn main() {}
