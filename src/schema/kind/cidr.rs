//! `cidr`: an address or a network.

use std::net::IpAddr;

use std::sync::Arc;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::super::Source;
use super::super::place::Place;
use super::{Entry, Kind, openapi, printed};

pub(super) const ENTRY: Entry = Entry {
    name: "cidr",
    doc: "An IPv4 or IPv6 address, or a network such as `10.0.0.0/8`. Scripts get the text.",
    example: r#"{"type": "list", "of": "cidr"}"#,
    build: |_| Ok(Arc::new(Cidr)),
};

#[derive(Debug)]
struct Cidr;

fn network(value: &Value) -> Option<&str> {
    let text = value.as_str()?.trim();
    let known = text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok();
    known.then_some(text)
}

impl Kind for Cidr {
    fn title(&self) -> String {
        "CIDR".to_owned()
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        network(value).is_some()
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        match network(value) {
            Some(network) => Some(Value::from(network)),
            None => place.refuse_value(format!(
                "expected an address or a network such as 10.0.0.0/8, got {}",
                printed(value)
            )),
        }
    }

    fn openapi(&self) -> Map<String, Value> {
        openapi("string")
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "string".to_owned()
    }
}
