//! The module `ip`: sets of addresses, and which address is the client's.

use std::net::{IpAddr, Ipv6Addr};

use http::HeaderName;
use ipnet::{IpNet, Ipv6Net};
use mlua::{BString, LuaString, Table, UserData, UserDataRegistry, Value};

use super::members::Others;
use super::{Doc, Function, Member, Module, Object, RequestObject};
use crate::message::Request;

pub(super) const MODULE: Module = Module {
    name: "ip",
    text: "Addresses and networks.",
    functions: &[
        Function {
            doc: Doc {
                name: "set",
                signature: "ip.set(networks: {string}) -> set",
                text: "A set of addresses and networks. Fails when one cannot be read.",
                example: "local inside = ip.set({ \"10.0.0.0/8\", \"::1\" })",
            },
            make: |lua, _| {
                lua.create_function(|_, networks: Vec<LuaString>| {
                    networks.iter().map(network).collect::<mlua::Result<Vec<_>>>().map(Set)
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "strategy",
                signature: "ip.strategy(choice: { depth: number?, excluded: {string}?, \
                            ipv6_subnet: number? }?) -> strategy",
                text: "How the client's address is found. `depth` takes it from \
                       `X-Forwarded-For`, counted from the right; `excluded` takes the last one \
                       there that is in none of these networks; else it is the connection's. \
                       `ipv6_subnet` makes all addresses of an IPv6 network of that length one; \
                       it does not go with `excluded`.",
                example: "local clients = ip.strategy({ depth = 1 })",
            },
            make: |lua, _| {
                lua.create_function(|_, choice: Option<Table>| strategy(choice.as_ref()))
                    .map(Value::Function)
            },
        },
    ],
};

/// Addresses and networks.
pub(super) struct Set(Vec<IpNet>);

pub(super) const SET: Object<Set> = Object {
    name: "set",
    text: "A set of addresses that `ip.set` has made.",
    members: &[Member {
        doc: Doc {
            name: "contains",
            signature: "set:contains(address: string) -> boolean",
            text: "Whether an address is in the set; text that is no address is in none.",
            example: "if not inside:contains(req.remote_ip) then return respond(403) end",
        },
        add: |registry| {
            registry.method("contains", |_, set, address: LuaString| {
                Ok(set.contains(&address.as_bytes()))
            });
        },
    }],
};

impl Set {
    fn contains(&self, text: &[u8]) -> bool {
        address(text).is_some_and(|ip| self.0.iter().any(|network| network.contains(&ip)))
    }
}

impl UserData for Set {
    fn register(registry: &mut UserDataRegistry<Self>) {
        SET.register(registry, &Others::NONE);
    }
}

/// Where a client's address is found.
pub(super) struct Strategy {
    choice: Choice,
    ipv6_subnet: Option<u8>,
}

enum Choice {
    /// At the other end of the connection.
    Peer,
    /// In `X-Forwarded-For`, so many from the right.
    Depth(usize),
    /// The last in `X-Forwarded-For` that is none of these.
    Excluded(Set),
}

pub(super) const STRATEGY: Object<Strategy> = Object {
    name: "strategy",
    text: "A way to find the client's address that `ip.strategy` has made.",
    members: &[Member {
        doc: Doc {
            name: "client",
            signature: "strategy:client(req: req) -> string",
            text: "The client's address; empty when there is none at that place. The \
                   connection's own is added to `X-Forwarded-For` only after all scripts.",
            example: "local address = clients:client(req)",
        },
        add: |registry| {
            registry.method("client", |_, strategy, req: RequestObject| {
                req.0.with(|request| Ok(BString::from(strategy.client(request))))
            });
        },
    }],
};

impl UserData for Strategy {
    fn register(registry: &mut UserDataRegistry<Self>) {
        STRATEGY.register(registry, &Others::NONE);
    }
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Strategy {
    fn client(&self, request: &Request) -> Vec<u8> {
        let found = match &self.choice {
            Choice::Peer => request.exchange.client.ip.as_bytes().to_vec(),
            Choice::Depth(depth) => {
                let all = forwarded(request);
                let place = all.len().checked_sub(*depth);
                place.and_then(|place| all.get(place)).map(|at| at.to_vec()).unwrap_or_default()
            }
            Choice::Excluded(set) => {
                let all = forwarded(request);
                let mut from_right = all.iter().rev().filter(|at| !at.is_empty());
                let found = from_right.find(|address| !set.contains(address));
                return found.map(|at| at.to_vec()).unwrap_or_default();
            }
        };
        match self.ipv6_subnet {
            Some(length) => masked(&found, length).unwrap_or(found),
            None => found,
        }
    }
}

/// What `X-Forwarded-For` said when the request came.
fn forwarded(request: &Request) -> Vec<&[u8]> {
    let lines = request.headers.values(&FORWARDED_FOR).into_iter();
    let parts = lines.flat_map(|line| line.split(|&b| b == b','));
    parts.map(<[u8]>::trim_ascii).collect()
}

/// The first address of an IPv6 address's network.
fn masked(text: &[u8], length: u8) -> Option<Vec<u8>> {
    let address: Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    let network = Ipv6Net::new(address, length).ok()?;
    Some(network.network().to_string().into_bytes())
}

/// An address, without its zone; one of IPv4 in an IPv6 address is the IPv4 address.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let plain = text.split_once('%').map_or(text, |(address, _)| address);
    plain.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn network(text: &LuaString) -> mlua::Result<IpNet> {
    let text = text.to_string_lossy();
    let text = text.trim();
    let address = || text.parse::<IpAddr>().map(|ip| IpNet::from(ip.to_canonical()));
    text.parse()
        .or_else(|_| address())
        .map_err(|_| mlua::Error::runtime(format!("{text:?} is neither an address nor a network")))
}

fn strategy(choice: Option<&Table>) -> mlua::Result<Strategy> {
    let wrong = |text: &str| mlua::Error::runtime(format!("ip.strategy: {text}"));
    let Some(choice) = choice else {
        return Ok(Strategy { choice: Choice::Peer, ipv6_subnet: None });
    };
    let depth: Option<usize> = choice.get("depth").map_err(|_| wrong("depth is a number"))?;
    let excluded: Option<Vec<LuaString>> = choice.get("excluded")?;
    let ipv6_subnet: Option<u8> = choice.get("ipv6_subnet")?;
    if ipv6_subnet.is_some_and(|length| length > 128) {
        return Err(wrong("ipv6_subnet is from 0 to 128"));
    }
    let excluded = excluded.filter(|networks| !networks.is_empty());
    let choice = match (depth.unwrap_or_default(), excluded) {
        (depth @ 1.., _) => Choice::Depth(depth),
        (0, Some(networks)) => {
            let networks = networks.iter().map(network).collect::<mlua::Result<Vec<_>>>()?;
            Choice::Excluded(Set(networks))
        }
        (0, None) => Choice::Peer,
    };
    Ok(Strategy { choice, ipv6_subnet })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_looked_for_in_sets() {
        let networks = ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"];
        let set = Set(networks.iter().map(|network| network.parse().unwrap()).collect());
        for (text, expect) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8::7", true),
            ("2001:db8::7%eth0", true),
            ("2001:db9::7", false),
            ("", false),
            ("10.1.2.3:80", false),
            ("nonsense", false),
        ] {
            assert_eq!(set.contains(text.as_bytes()), expect, "{text}");
        }
    }

    #[test]
    fn ipv6_networks_are_one_client() {
        for (text, length, expect) in [
            ("2001:db8:1:2:3:4:5:6", 64, Some("2001:db8:1:2::")),
            ("2001:db8::1", 128, Some("2001:db8::1")),
            ("10.0.0.1", 64, None),
            ("x", 64, None),
        ] {
            let got = masked(text.as_bytes(), length);
            let got = got.as_deref().map(|text| std::str::from_utf8(text).unwrap());
            assert_eq!(got, expect, "{text}");
        }
    }
}
