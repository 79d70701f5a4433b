//! Options of Traefik that are not built yet: each is refused or warned of by name.

/// What happens to an option that Moongate does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The start is stopped, since ignoring it would change what is served.
    Refused,
    /// It is ignored with a warning, since nothing that is served depends on it.
    Ignored,
}

/// Options by path, `*` for any name; those below a path share its fate.
const OPTIONS: &[(&str, Fate)] = &[
    ("certificatesresolvers.*.tailscale", Fate::Refused),
    ("experimental.abortonpluginfailure", Fate::Ignored),
    ("experimental.fastproxy", Fate::Ignored),
    ("experimental.knative", Fate::Refused),
    ("experimental.kubernetesgateway", Fate::Refused),
    ("experimental.kubernetesingressnginx", Fate::Refused),
    ("experimental.localplugins", Fate::Refused),
    ("experimental.plugins", Fate::Refused),
    ("hostresolver", Fate::Refused),
    ("metrics.datadog", Fate::Refused),
    ("metrics.influxdb", Fate::Refused),
    ("metrics.influxdb2", Fate::Refused),
    ("metrics.statsd", Fate::Refused),
    ("providers.consul", Fate::Refused),
    ("providers.consulcatalog", Fate::Refused),
    ("providers.docker", Fate::Refused),
    ("providers.ecs", Fate::Refused),
    ("providers.etcd", Fate::Refused),
    ("providers.http", Fate::Refused),
    ("providers.knative", Fate::Refused),
    ("providers.kubernetescrd.disablepasshostheaders", Fate::Ignored),
    ("providers.kubernetesgateway", Fate::Refused),
    ("providers.kubernetesingress.disablepasshostheaders", Fate::Ignored),
    ("providers.kubernetesingressnginx", Fate::Refused),
    ("providers.marathon", Fate::Refused),
    ("providers.nomad", Fate::Refused),
    ("providers.plugin", Fate::Refused),
    ("providers.rancher", Fate::Refused),
    ("providers.redis", Fate::Refused),
    ("providers.rest", Fate::Refused),
    ("providers.swarm", Fate::Refused),
    ("providers.zookeeper", Fate::Refused),
    ("serverstransport.spiffe", Fate::Refused),
    ("spiffe", Fate::Refused),
    ("tcpserverstransport.tls.spiffe", Fate::Refused),
    ("tracing.datadog", Fate::Refused),
    ("tracing.elastic", Fate::Refused),
    ("tracing.haystack", Fate::Refused),
    ("tracing.instana", Fate::Refused),
    ("tracing.jaeger", Fate::Refused),
    ("tracing.spannamelimit", Fate::Ignored),
    ("tracing.zipkin", Fate::Refused),
];

/// The fate of the option at a path, written with dots and in any case.
pub(super) fn fate(path: &str) -> Option<Fate> {
    let path = path.to_ascii_lowercase();
    let parts: Vec<&str> = path.split('.').collect();
    let matches = |option: &str| {
        let mut wanted = option.split('.');
        let mut given = parts.iter();
        loop {
            match (wanted.next(), given.next()) {
                (None, _) => return true,
                (Some(_), None) => return false,
                (Some("*"), Some(_)) => {}
                (Some(name), Some(part)) => {
                    let part = part.split('[').next().unwrap_or_default();
                    if name != part {
                        return false;
                    }
                }
            }
        }
    };
    OPTIONS.iter().find(|(option, _)| matches(option)).map(|(_, fate)| *fate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_by_path_and_below() {
        assert_eq!(fate("providers.docker"), Some(Fate::Refused));
        assert_eq!(fate("Providers.Docker.Endpoint"), Some(Fate::Refused));
        assert_eq!(fate("entryPoints.web.http3.advertisedPort"), None);
        assert_eq!(fate("experimental.fastProxy"), Some(Fate::Ignored));
        assert_eq!(fate("providers.file"), None);
        assert_eq!(fate("experimental.fastProxy.debug"), Some(Fate::Ignored));
        assert_eq!(fate("experimental.plugins.x"), Some(Fate::Refused));
        assert_eq!(fate("nonsense"), None);
    }
}
