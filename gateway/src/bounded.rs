//! BOUNDED: reading a file without ever holding more than its bound, whatever the file turns out to be. Every other way to read a whole file
//! is forbidden (`tests/architecture/main.rs`): the size that a file has says nothing of what `/dev/zero` or a growing log goes on to give.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most bytes of a file of certificates, PEM.
pub(crate) const MAX_CERTIFICATE_BYTES: usize = 1 << 20;

/// The whole file, or an error when it is larger than `most` bytes.
pub(crate) fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {most} bytes")));
    }
    Ok(bytes)
}

/// The same, as text.
pub(crate) fn read_text(path: &Path, most: usize) -> io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a text (UTF-8)"))
}
