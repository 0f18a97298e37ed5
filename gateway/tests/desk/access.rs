//! Who may do what, crossed out in full and judged by a table that an auditor can read.
//!
//! `table` is the specification and knows nothing of the program. `situations` brings about every relation an organisation can have to a
//! case, `requests` makes the request of every method, `front` is the way in: real doors, real tokens, a real desk, joined in
//! `bench`. `matrix` goes
//! through all cells, `fields` does the same for what may travel.

pub(crate) mod bench;
mod fields;
mod front;
mod matrix;
pub(crate) mod requests;
mod situations;
pub(crate) mod table;
