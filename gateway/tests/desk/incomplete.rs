//! What lacks something is refused by the name of what it lacks, and changes nothing: every write at the doors (`writes`) and every
//! message of a peer (`messages`), less each field in turn. `strip` takes a field out of the bytes, by the published descriptors.

mod messages;
mod strip;
mod writes;
