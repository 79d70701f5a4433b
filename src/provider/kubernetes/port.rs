//! A port of a Service as objects refer to it: by its number or by its name.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::objects::{Service, ServiceKind, ServicePort};
use serde_json::Value;

/// A port of a Service. A number in quotes is a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Port {
    /// Not given.
    #[default]
    None,
    Number(u16),
    Name(String),
}

impl Port {
    /// The port of a Service that is meant.
    pub(super) fn find(&self, service: &Service) -> Option<ServicePort> {
        let by = |is: &dyn Fn(&ServicePort) -> bool| service.ports.iter().find(|port| is(port));
        let found = match self {
            Self::None => None,
            Self::Name(name) => by(&|port| port.name == *name),
            Self::Number(number) => by(&|port| port.port == *number).or_else(|| {
                let number = Value::from(*number);
                by(&|port| port.target_port.as_ref() == Some(&number))
            }),
        };
        match (found, self, service.kind) {
            (Some(port), ..) => Some(port.clone()),
            // Another name needs no ports of its own.
            (None, Self::Number(port), ServiceKind::ExternalName) if service.ports.is_empty() => {
                Some(ServicePort { port: *port, ..ServicePort::default() })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Number(port) => port.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = Port;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port's number or its name")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Port, E> {
                Ok(Port::None)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Port, E> {
                match u16::try_from(number) {
                    Ok(0) => Ok(Port::None),
                    Ok(port) => Ok(Port::Number(port)),
                    Err(_) => Err(E::custom(format!("{number} is no port"))),
                }
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Port, E> {
                Ok(if name.is_empty() { Port::None } else { Port::Name(name.to_owned()) })
            }
        }

        deserializer.deserialize_any(Either)
    }
}
