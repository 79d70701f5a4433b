//! The kinds as they are declared in `kinds.yaml`.
//!
//! Must not know how they are printed.

use serde::Deserialize;
use serde_json::Value;

use super::DefinitionError;

/// A kind of custom resource.
#[derive(Debug, Deserialize)]
pub(super) struct Declared {
    /// Such as `IngressRoute`.
    pub(super) kind: String,
    /// As it stands in URLs.
    pub(super) plural: String,
    /// One sentence.
    pub(super) doc: String,
    /// What `kubectl get -o wide` shows beside the name and the age.
    pub(super) columns: Vec<Value>,
    /// Which scripts its options are of, beside its own.
    pub(super) scripts: Option<Scripts>,
    /// Its own options.
    pub(super) spec: Value,
}

/// Scripts by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scripts {
    /// Middlewares of HTTP.
    Http,
    /// Middlewares of TCP.
    Tcp,
}

/// Parts within parts are this deep.
const PARTS_DEEP_MAX: usize = 4;

/// All kinds, in the order of the declarations.
pub(super) fn declared() -> Result<Vec<Declared>, DefinitionError> {
    #[derive(Deserialize)]
    struct File {
        kinds: Vec<Declared>,
    }
    let mut text: serde_yaml::Value = serde_yaml::from_str(include_str!("kinds.yaml"))?;
    // A part may be made of parts, which one pass leaves as they are.
    for _ in 0..PARTS_DEEP_MAX {
        text.apply_merge()?;
    }
    Ok(serde_yaml::from_value::<File>(text)?.kinds)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::de::DeserializeOwned;

    use super::*;
    use crate::model;
    use crate::value::fields_of;

    /// What the declaration at a path of a kind's options has and the struct has not, and the
    /// other way round.
    fn check<T: DeserializeOwned>(kind: &str, path: &[&str], expect: (&[&str], &[&str])) {
        let all = declared().unwrap();
        let mut options = &all.iter().find(|known| known.kind == kind).unwrap().spec;
        for name in path {
            let option = &options[*name];
            let inner = option.get("of").filter(|of| of.is_object()).unwrap_or(option);
            options = &inner["fields"];
        }
        let declared: BTreeSet<&str> = options.as_object().unwrap().keys().map(|k| &**k).collect();
        let asked: BTreeSet<&str> = fields_of::<T>().into_iter().collect();
        let more: Vec<&str> = declared.difference(&asked).copied().collect();
        let less: Vec<&str> = asked.difference(&declared).copied().collect();
        assert_eq!((&*more, &*less), expect, "{kind} {path:?}");
    }

    #[test]
    fn sections_have_the_fields_of_the_model() {
        let service = ["routes", "services"];
        let of = |name: &'static str| [service[0], service[1], name];
        check::<model::HashBy>("IngressRoute", &of("hashBy"), (&[], &[]));
        check::<model::Sticky>("IngressRoute", &of("sticky"), (&[], &[]));
        let cookie = ["routes", "services", "sticky", "cookie"];
        check::<model::Cookie>("IngressRoute", &cookie, (&[], &[]));
        check::<model::ServerHealthCheck>("IngressRoute", &of("healthCheck"), (&[], &[]));
        check::<model::PassiveHealthCheck>("IngressRoute", &of("passiveHealthCheck"), (&[], &[]));
        check::<model::ResponseForwarding>("IngressRoute", &of("responseForwarding"), (&[], &[]));
        check::<model::Observability>("IngressRoute", &["routes", "observability"], (&[], &[]));
        check::<model::TlsDomain>("IngressRoute", &["tls", "domains"], (&[], &[]));
        check::<model::ProxyProtocol>("ServersTransportTCP", &["proxyProtocol"], (&[], &[]));
        check::<model::FailoverErrors>("TraefikService", &["failover", "errors"], (&[], &[]));
        check::<model::TlsOptions>("TLSOption", &[], (&[], &[]));
        check::<model::ClientAuth>("TLSOption", &["clientAuth"], (&["secretNames"], &["caFiles"]));
        let timeouts = ["forwardingTimeouts"];
        check::<model::ForwardingTimeouts>("ServersTransport", &timeouts, (&[], &[]));
        // Objects name Secrets, and some options are told to be missing instead of being pruned.
        let secrets = ["certificatesSecrets", "peerCertSANs", "rootCAsSecrets"];
        check::<model::ServersTransport>("ServersTransport", &[], (&secrets, &["certificates"]));
        let tls = (&secrets[..], &["certificates"][..]);
        check::<model::TcpTransportTls>("ServersTransportTCP", &["tls"], tls);
        check::<model::TcpServersTransport>("ServersTransportTCP", &[], (&[], &[]));
    }
}
