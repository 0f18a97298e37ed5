//! Which addresses we connect to for a URL that stands in a configuration: public ones, and those of networks that the configuration names.
//!
//! A name may lead anywhere, and somewhere else a moment later; so the address itself is judged, at the moment of connecting, and it is the
//! judged address that is connected to. Where a machine keeps secrets for whoever asks (link-local: cloud metadata), nothing allows it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::Deserialize;

/// A network that may be connected to although it is not public: `10.20.0.0/16`, `fd00:1::/64`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => masked_v4(address, self.bits) == first,
            (IpAddr::V6(first), IpAddr::V6(address)) => masked_v6(address, self.bits) == first,
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}`: expected a network such as 10.20.0.0/16, with no bit set behind its length");
        let (first, bits) = text.split_once('/').map_or((text, None), |(first, bits)| (first, Some(bits)));
        let first: IpAddr = first.parse().map_err(|_| wrong())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let plain = |bits: &&str| !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit());
        let bits = bits.map_or(Some(most), |bits| Some(bits).filter(plain)?.parse().ok()).ok_or_else(wrong)?;
        // A network that holds everything would be no list at all.
        if bits == 0 || bits > most || first.to_canonical() != first {
            return Err(wrong());
        }
        let network = Self { first, bits };
        if network.contains(first) { Ok(network) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

fn masked_v4(address: Ipv4Addr, bits: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0))
}

fn masked_v6(address: Ipv6Addr, bits: u8) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0))
}

/// Whether we connect to this address.
///
/// # Errors
/// What kind of address it is.
pub fn judge(address: IpAddr, allowed: &[Network]) -> Result<(), &'static str> {
    // An IPv4 address in the clothes of IPv6 is what it is inside.
    let address = address.to_canonical();
    let kind = match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    };
    match kind {
        None => Ok(()),
        Some(Special { may_be_named: true, .. }) if allowed.iter().any(|network| network.contains(address)) => Ok(()),
        Some(Special { name, .. }) => Err(name),
    }
}

/// An address that is not one of the public internet.
struct Special {
    name: &'static str,
    /// Whether a configuration can allow it.
    may_be_named: bool,
}

/// The registry of special-purpose addresses (RFC 6890 and what was added to it).
fn special_v4(address: Ipv4Addr) -> Option<Special> {
    let special = |name, may_be_named| Some(Special { name, may_be_named });
    match address.octets() {
        [0, ..] => special("unspecified", false),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => special("private", true),
        [100, 64..=127, ..] => special("shared (carrier)", true),
        [127, ..] => special("loopback", true),
        [169, 254, ..] => special("link-local", false),
        [192, 0, 0, _] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => special("reserved", false),
        [198, 18..=19, ..] => special("benchmarking", false),
        [224..=239, ..] => special("multicast", false),
        [240..=255, ..] => special("reserved", false),
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    let special = |name, may_be_named| Some(Special { name, may_be_named });
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => special("unspecified", false),
        [0, 0, 0, 0, 0, 0, 0, 1] => special("loopback", true),
        [0xfc00..=0xfdff, ..] => special("private", true),
        [0xfe80..=0xfebf, ..] => special("link-local", false),
        [0xff00..=0xffff, ..] => special("multicast", false),
        // What carries an IPv4 address to some other machine that unpacks it: translation, 6to4, Teredo and its neighbours.
        [0x64, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0..=0x1ff, ..] => special("a tunnel", false),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => special("reserved", false),
        [0x2000..=0x3fff, ..] => None,
        _ => special("reserved", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let network: Network = "10.20.0.0/16".parse().unwrap();

        assert!(network.contains("10.20.255.1".parse().unwrap()) && network.contains("::ffff:10.20.1.1".parse().unwrap()));
        assert!(!network.contains("10.21.0.0".parse().unwrap()) && !network.contains("fd00::1".parse().unwrap()));
        assert!("fd00:1::/64".parse::<Network>().unwrap().contains("fd00:1::9".parse().unwrap()));
        assert!("192.168.7.7".parse::<Network>().unwrap().contains("192.168.7.7".parse().unwrap()));
        for wrong in
            ["", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/0", "10.0.0.1/8", "::/0", "::ffff:10.0.0.0/104", "10.0.0.0/+8", "x/8", "10/8"]
        {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
