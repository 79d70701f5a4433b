//! `ClientIP`: the address the connection comes from.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Facts, Kind, Test, first};

pub(super) const KIND: Kind = Kind {
    name: "ClientIP",
    signature: "ClientIP(`network`)",
    doc: "The connection comes from the address or network, whatever forwarding headers say.",
    example: "ClientIP(`10.0.0.0/8`)",
    arity: (1, 1),
    build,
};

#[derive(Debug)]
struct ClientIp(IpNet);

fn build(args: &[String]) -> Result<Box<dyn Test>, String> {
    Ok(Box::new(ClientIp(network(first(args))?)))
}

/// A network, or an address as one.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => Ok(network),
        (_, Ok(address)) => Ok(IpNet::from(address)),
        _ => Err(format!("{text:?} is neither an address nor a network")),
    }
}

impl Test for ClientIp {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.contains(&facts.client_ip.to_canonical())
    }
}
