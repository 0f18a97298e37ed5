//! Bytes in a sealed part: as base64, a third longer than they are. As a list of numbers they would be nearly four times as long, and two
//! dozen records would fill a commit.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(bytes))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    STANDARD.decode(text).map_err(|_| D::Error::custom("expected base64"))
}

#[cfg(test)]
mod tests {
    use super::super::HandoverSealed;

    #[test]
    fn a_package_comes_back_and_costs_a_third_more() {
        let package: Vec<u8> = (0..=255).cycle().take(30_000).collect();
        let sealed = HandoverSealed { package: package.clone(), ..HandoverSealed::default() };

        let text = serde_json::to_string(&sealed).unwrap();

        assert!(text.len() < 41_000, "{}", text.len());
        assert_eq!(serde_json::from_str::<HandoverSealed>(&text).unwrap().package, package);
    }
}
