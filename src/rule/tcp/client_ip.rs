//! `ClientIP`: the address the connection comes from.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Facts, Kind, Test};

pub(super) const KIND: Kind = Kind {
    name: "ClientIP",
    signature: "ClientIP(`network`)",
    doc: "The connection comes from the address or network; a PROXY header that is believed says \
          from where.",
    example: "ClientIP(`10.0.0.0/8`)",
    build,
};

#[derive(Debug)]
struct ClientIp(IpNet);

fn build(text: &str) -> Result<Box<dyn Test>, String> {
    let network = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => network,
        (_, Ok(address)) => IpNet::from(address),
        _ => return Err(format!("{text:?} is neither an address nor a network")),
    };
    Ok(Box::new(ClientIp(network)))
}

impl Test for ClientIp {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.contains(&facts.client_ip.to_canonical())
    }
}
