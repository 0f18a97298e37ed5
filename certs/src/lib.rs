//! Certificates of a gateway: what one must look like, who it stands for, how to ask for one, and a throw-away CA.
//!
//! In reading order: [`profile`] says in words and checks what a gateway certificate is, [`identity`] reads from a certificate
//! whom it stands for, [`csr`] makes a key and a request for the real CA, `issue` (feature `issue`) is the CA of demo and tests.
//!
//! Nothing here opens a connection or reads a clock: `now` is an argument.

pub mod csr;
mod files;
pub mod identity;
#[cfg(feature = "issue")]
pub mod issue;
pub mod profile;

mod params;

pub use files::FileError;
