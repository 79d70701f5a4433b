//! Which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be connected to, once a name is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All.
    Everywhere,
    /// All but the link's own and those at which clouds tell machines their secrets.
    BeyondTheLink,
}

/// Where clouds tell machines of themselves, beside 169.254.169.254, which is the link's own:
/// Amazon's address for IPv6 and Alibaba's.
const METADATA: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
];

impl Reach {
    /// Whether the address may be connected to.
    pub(super) fn includes(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let on_link = match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        self == Self::Everywhere || !(on_link || METADATA.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_left_out() {
        for (address, expect) in [
            ("127.0.0.1", true),
            ("10.0.0.1", true),
            ("169.253.255.255", true),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("100.100.100.200", false),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("fd00::1", true),
            ("::1", true),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(Reach::BeyondTheLink.includes(address), expect, "{address}");
            assert!(Reach::Everywhere.includes(address));
        }
    }
}
