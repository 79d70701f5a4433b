//! `ClientIP`: the connection comes from one of several networks.

use ipnet::IpNet;

use super::{Kind, MANY};
use crate::rule::matcher::client_ip::network;
use crate::rule::matcher::{Facts, Test};

pub(super) const KIND: Kind = Kind {
    name: "ClientIP",
    signature: "ClientIP(`network`, ...)",
    doc: "The connection comes from one of the addresses or networks, whatever forwarding headers \
          say.",
    example: "ClientIP(`10.0.0.0/8`, `::1`)",
    arity: MANY,
    build,
};

#[derive(Debug)]
struct ClientIps(Vec<IpNet>);

fn build(args: &[String]) -> Result<Box<dyn Test>, String> {
    Ok(Box::new(ClientIps(args.iter().map(|text| network(text)).collect::<Result<_, _>>()?)))
}

impl Test for ClientIps {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let address = facts.client_ip.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}
