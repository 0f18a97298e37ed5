//! A token: a secret that is shown to the gateway and to nobody else. What it says of the person is read here only to repeat it as the
//! actor of a write; the gateway checks the token and that both are the same.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schakel_proto::r#type::v1::Actor;
use serde::Deserialize;
use tonic::metadata::AsciiMetadataValue;
use zeroize::Zeroizing;

use crate::cli::Failure;

/// Largest token that is read, in bytes: what a door accepts.
const MAX_TOKEN: usize = 8 << 10;

/// A token of the organisation's identity provider.
pub(in crate::cli) struct Token(Zeroizing<String>);

#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    function: Option<String>,
}

impl Token {
    /// Reads it from a file, or a pipe, that is its owner's alone.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let fail = |error: &dyn std::fmt::Display| Failure::file(path, error);
        let file = File::open(path).map_err(|error| fail(&error))?;
        let mode = file.metadata().map_err(|error| fail(&error))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(fail(&format_args!("mode {mode:04o} lets others read the token; use chmod 0600")));
        }
        let mut text = Zeroizing::new(String::with_capacity(MAX_TOKEN + 1));
        file.take(MAX_TOKEN as u64 + 1).read_to_string(&mut text).map_err(|error| fail(&error))?;
        let token = Zeroizing::new(text.trim().to_owned());
        let signs = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if text.len() > MAX_TOKEN || token.is_empty() || !token.bytes().all(signs) {
            return Err(fail(&"expected one token (JWT) and nothing else"));
        }
        Ok(Self(token))
    }

    /// The value of the `authorization` header.
    pub(super) fn header(&self) -> Result<AsciiMetadataValue, Failure> {
        let text = Zeroizing::new(format!("Bearer {}", *self.0));
        let mut value = AsciiMetadataValue::try_from(text.as_str()).map_err(|_| Failure::new("the token cannot stand in a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The person it is for. Name and function may be given when the token does not say them.
    pub(in crate::cli) fn person(&self, name: Option<String>, function: Option<String>) -> Result<Actor, Failure> {
        let claims = self.claims().ok_or_else(|| Failure::new("the token cannot be read: expected a JWT with a sub"))?;
        let name = name.or(claims.name).unwrap_or_else(|| claims.sub.clone());
        let none = || Failure::new("the token does not say your function: give it with --first-function");
        Ok(Actor { person: claims.sub, name, function: function.or(claims.function).ok_or_else(none)? })
    }

    fn claims(&self) -> Option<Claims> {
        let part = self.0.split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    }
}
