//! Writes databases in the format of mmdb files, version 2.0, small ones for IPv4.

use serde_json::{Value, json};

#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(u32),
    Data(u32),
}

/// A database with what is known of networks such as `10.0.0.0/8`.
pub(crate) fn database(networks: &[(&str, Value)]) -> Vec<u8> {
    let (mut nodes, mut data) = (vec![[Record::Empty; 2]], Vec::new());
    for (network, facts) in networks {
        let offset = u32::try_from(data.len()).unwrap();
        write(&mut data, facts);
        insert(&mut nodes, network, offset);
    }
    let count = u32::try_from(nodes.len()).unwrap();
    let mut bytes = Vec::new();
    for record in nodes.iter().flatten() {
        let number = match record {
            Record::Empty => count,
            Record::Node(node) => *node,
            Record::Data(offset) => count + 16 + offset,
        };
        bytes.extend_from_slice(&number.to_be_bytes()[1..]);
    }
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    metadata(&mut bytes, count);
    bytes
}

fn insert(nodes: &mut Vec<[Record; 2]>, network: &str, offset: u32) {
    let (address, length) = network.split_once('/').unwrap();
    let address = u32::from(address.parse::<std::net::Ipv4Addr>().unwrap());
    let length: u32 = length.parse().unwrap();
    let mut at = 0;
    for bit in 0..length {
        let side = usize::from(address >> (31 - bit) & 1 == 1);
        if bit + 1 == length {
            nodes[at][side] = Record::Data(offset);
            return;
        }
        at = match nodes[at][side] {
            Record::Node(node) => node as usize,
            _ => {
                nodes.push([Record::Empty; 2]);
                let node = nodes.len() - 1;
                nodes[at][side] = Record::Node(u32::try_from(node).unwrap());
                node
            }
        };
    }
}

fn metadata(bytes: &mut Vec<u8>, count: u32) {
    head(bytes, 7, 9);
    let mut number = |name: &str, kind: u8, value: u64| {
        write(bytes, &json!(name));
        let all = value.to_be_bytes();
        let from = all.iter().position(|&byte| byte != 0).unwrap_or(8);
        head(bytes, kind, all.len() - from);
        bytes.extend_from_slice(&all[from..]);
    };
    number("node_count", 6, u64::from(count));
    number("record_size", 5, 24);
    number("ip_version", 5, 4);
    number("binary_format_major_version", 5, 2);
    number("binary_format_minor_version", 5, 0);
    number("build_epoch", 9, 1_700_000_000);
    for (name, value) in [
        ("database_type", json!("Test")),
        ("languages", json!(["en"])),
        ("description", json!({"en": "made for a test"})),
    ] {
        write(bytes, &json!(name));
        write(bytes, &value);
    }
}

/// What kind of value follows, and how long it is.
fn head(bytes: &mut Vec<u8>, kind: u8, length: usize) {
    let size = u8::try_from(length.min(29)).unwrap();
    if kind <= 7 {
        bytes.push(kind << 5 | size);
    } else {
        bytes.extend_from_slice(&[size, kind - 7]);
    }
    if length >= 29 {
        bytes.push(u8::try_from(length - 29).unwrap());
    }
}

fn write(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => {
            head(bytes, 2, text.len());
            bytes.extend_from_slice(text.as_bytes());
        }
        Value::Number(number) => {
            head(bytes, 3, 8);
            bytes.extend_from_slice(&number.as_f64().unwrap().to_be_bytes());
        }
        Value::Array(items) => {
            head(bytes, 11, items.len());
            for item in items {
                write(bytes, item);
            }
        }
        Value::Object(fields) => {
            head(bytes, 7, fields.len());
            for (name, value) in fields {
                write(bytes, &json!(name));
                write(bytes, value);
            }
        }
        other => panic!("{other}"),
    }
}
