//! The options resolved: addresses parsed, defaults filled in, the whole checked.

use std::net::IpAddr;

use http::HeaderName;
use ipnet::IpNet;

use super::acme::AcmeOptions;
use super::address::{Address, Transport};
use super::api::Api;
use super::options::{EntryPoint, FileProvider, HEADER_TABLE_SIZE, PROVIDERS, Ping, Root};
use super::records::AccessLog;
use super::sources::ConfigError;
use crate::rule::Syntax;
use crate::value::{StatusRanges, nearest};

/// A static configuration that can be run.
#[derive(Debug, Clone)]
pub struct Static {
    /// The entrypoints by name, in order.
    pub entrypoints: Vec<EntryPointPlan>,
    /// The API, when it is on.
    pub api: Option<Api>,
    /// The health endpoint, when it is on.
    pub ping: Option<Ping>,
    /// The access log, when it is on.
    pub access_log: Option<AccessLog>,
    /// The file provider, when it is on.
    pub file: Option<FileProvider>,
    /// The syntax of rules of routers that say nothing of it.
    pub rule_syntax: Syntax,
    /// Whether requests of disabled routers are refused.
    pub rejects_disabled: bool,
    /// Providers in their order of precedence, in lower case.
    pub precedence: Vec<String>,
    /// Worker threads, at least one.
    pub workers: usize,
    /// The options as written, for what needs no resolving.
    pub root: Root,
}

/// An entrypoint that can be listened on.
#[derive(Debug, Clone)]
pub struct EntryPointPlan {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: Address,
    /// Whether routers that name no entrypoint are on it.
    pub is_default: bool,
    /// Networks whose forwarding headers are kept.
    pub trusted: Vec<IpNet>,
    /// Headers that middlewares get although `Connection` names them.
    pub connection: Vec<HeaderName>,
    /// Networks whose PROXY headers are believed.
    pub senders: Vec<IpNet>,
    /// The options as written.
    pub options: EntryPoint,
}

/// The name of the entrypoint that API and ping use by default.
const INTERNAL: &str = "traefik";
/// More workers than this are a slip of the keyboard.
const WORKERS_MAX: usize = 1024;

impl Static {
    /// Resolves options; `cores` is the number of workers where none is given.
    ///
    /// # Errors
    /// When an address or a network cannot be read, or options contradict each other.
    pub fn resolve(mut root: Root, cores: usize) -> Result<Self, ConfigError> {
        add_entrypoints(&mut root);
        let any_default = root.entry_points.values().any(|options| options.as_default);
        let mut entrypoints = Vec::new();
        for (name, options) in &root.entry_points {
            let is_default =
                if any_default { options.as_default } else { name.as_str() != INTERNAL };
            entrypoints.push(plan(name, options, is_default)?);
        }
        check(&root)?;
        if root.workers > WORKERS_MAX {
            return Err(invalid("workers", format!("more than {WORKERS_MAX}")));
        }
        let workers = if root.workers == 0 { cores.max(1) } else { root.workers };
        Ok(Self {
            entrypoints,
            api: root.api.clone(),
            ping: root.ping.clone(),
            access_log: root.access_log.clone(),
            file: root.providers.file.clone(),
            rule_syntax: rule_syntax(&root)?,
            rejects_disabled: rejects_disabled(&root)?,
            precedence: precedence(&root)?,
            workers,
            root,
        })
    }
}

/// Traefik's entrypoints of last resort: `http` on port 80, and `traefik` on 8080 where something
/// internal needs it.
fn add_entrypoints(root: &mut Root) {
    let at = |address: &str| EntryPoint { address: address.to_owned(), ..EntryPoint::default() };
    if root.entry_points.is_empty() {
        root.entry_points.insert("http".to_owned(), at(":80"));
    }
    let api = root.api.as_ref().is_some_and(|api| api.insecure);
    let ping = root.ping.as_ref();
    let ping = ping.is_some_and(|ping| !ping.manual_routing && ping.entry_point == INTERNAL);
    let prometheus = root.metrics.as_ref().and_then(|metrics| metrics.prometheus.as_ref());
    let prometheus = prometheus.is_some_and(|p| !p.manual_routing && p.entry_point == INTERNAL);
    if (api || ping || prometheus) && !root.entry_points.contains_key(INTERNAL) {
        root.entry_points.insert(INTERNAL.to_owned(), at(":8080"));
    }
}

fn plan(name: &str, options: &EntryPoint, is_default: bool) -> Result<EntryPointPlan, ConfigError> {
    let option = |option: &str| format!("entryPoints.{name}.{option}");
    let address: Address =
        options.address.parse().map_err(|error| invalid(option("address"), error))?;
    if address.transport == Transport::Udp && options.udp.timeout.limit().is_none() {
        return Err(invalid(option("udp.timeout"), "it must be above zero"));
    }
    if address.transport == Transport::Udp && options.http3.is_some() {
        return Err(invalid(
            option("http3"),
            "it needs an address of TCP; it opens that of UDP itself",
        ));
    }
    let trusted =
        networks(&option("forwardedHeaders.trustedIPs"), &options.forwarded_headers.trusted_ips)?;
    let path = option("forwardedHeaders.connection");
    let header = |name: &String| {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        parsed.map_err(|_| invalid(&path, format!("{name:?} is no name of a header")))
    };
    let connection = options.forwarded_headers.connection.iter().map(header);
    let connection = connection.collect::<Result<_, _>>()?;
    let senders = options.proxy_protocol.iter().flat_map(|proxy| &proxy.trusted_ips);
    let senders = networks(&option("proxyProtocol.trustedIPs"), senders)?;
    for (name, page) in options.http.answers.pages() {
        if let Some(fault) = page.fault() {
            return Err(invalid(option(&format!("http.answers.{name}")), fault));
        }
    }
    if options.http2.max_encoder_header_table_size != HEADER_TABLE_SIZE {
        let option = option("http2.maxEncoderHeaderTableSize");
        let options = vec![format!("{option}: only {HEADER_TABLE_SIZE} can be had")];
        return Err(ConfigError::Unsupported { origin: format!("entryPoints.{name}"), options });
    }
    // Routers of HTTP and TCP are never on an entrypoint of UDP.
    let is_default = is_default && address.transport == Transport::Tcp;
    let (name, options) = (name.to_owned(), options.clone());
    Ok(EntryPointPlan { name, address, is_default, trusted, connection, senders, options })
}

fn networks<'a>(
    path: &str,
    texts: impl IntoIterator<Item = &'a String>,
) -> Result<Vec<IpNet>, ConfigError> {
    let network = |text: &String| match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => Ok(network),
        (_, Ok(address)) => Ok(IpNet::from(address)),
        _ => Err(invalid(path, format!("{text:?} is neither an address nor a network"))),
    };
    texts.into_iter().map(network).collect()
}

fn check(root: &Root) -> Result<(), ConfigError> {
    if let Some(file) = &root.providers.file
        && file.filename.is_empty() == file.directory.is_empty()
    {
        let reason = "give either filename or directory";
        return Err(invalid("providers.file", reason));
    }
    if let Some(script) = &root.providers.script
        && script.filename.is_empty()
    {
        return Err(invalid("providers.script.filename", "give the path of a script"));
    }
    if let Some(reason) = root.api.as_ref().and_then(Api::fault) {
        return Err(invalid("api.basePath", reason));
    }
    if let Some(ping) = &root.ping
        && !ping.manual_routing
        && !root.entry_points.contains_key(&ping.entry_point)
    {
        let reason = format!("there is no entrypoint {:?}", ping.entry_point);
        return Err(invalid("ping.entryPoint", reason));
    }
    for (name, resolver) in &root.certificates_resolvers {
        if let Some(acme) = &resolver.acme {
            on_demand(&format!("certificatesResolvers.{name}.acme"), acme)?;
        }
    }
    records(root)
}

/// Certificates at the first handshake: what they need, and what they do not go with.
fn on_demand(path: &str, acme: &AcmeOptions) -> Result<(), ConfigError> {
    let Some(demand) = &acme.on_demand else { return Ok(()) };
    if demand.script.is_empty() {
        let reason = "give the path of a script that says which names may have a certificate";
        return Err(invalid(format!("{path}.onDemand.script"), reason));
    }
    if demand.orders_per_hour == 0 {
        let reason = "with 0 there would never be a certificate";
        return Err(invalid(format!("{path}.onDemand.ordersPerHour"), reason));
    }
    if acme.shared_storage.is_some() {
        let reason = "does not go with sharedStorage yet: handshakes of replicas that do not \
                      order would wait in vain";
        return Err(invalid(format!("{path}.onDemand"), reason));
    }
    Ok(())
}

/// Bounds of a histogram, each of which is a number of every series.
const BOUNDS_MAX: usize = 64;

fn records(root: &Root) -> Result<(), ConfigError> {
    if let Some(log) = &root.access_log {
        let codes = StatusRanges::parse(log.filters.status_codes.iter().map(String::as_str));
        codes.map_err(|error| invalid("accessLog.filters.statusCodes", error))?;
    }
    if let Some(tracing) = &root.tracing {
        if !(0.0..=1.0).contains(&tracing.sample_rate) {
            return Err(invalid("tracing.sampleRate", "it is between 0 and 1"));
        }
        let options = [
            ("tracing.capturedRequestHeaders", &tracing.captured_request_headers),
            ("tracing.capturedResponseHeaders", &tracing.captured_response_headers),
        ];
        for (option, names) in options {
            for name in names {
                HeaderName::try_from(name).map_err(|error| invalid(option, error))?;
            }
        }
    }
    let Some(metrics) = &root.metrics else { return Ok(()) };
    if let Some(otlp) = &metrics.otlp {
        bounds("metrics.otlp.explicitBoundaries", &otlp.explicit_boundaries)?;
        if otlp.push_interval.limit().is_none() {
            return Err(invalid("metrics.otlp.pushInterval", "it must be above zero"));
        }
    }
    if let Some(prometheus) = &metrics.prometheus {
        bounds("metrics.prometheus.buckets", &prometheus.buckets)?;
        if !prometheus.manual_routing && !root.entry_points.contains_key(&prometheus.entry_point) {
            let reason = format!("there is no entrypoint {:?}", prometheus.entry_point);
            return Err(invalid("metrics.prometheus.entryPoint", reason));
        }
        for (label, header) in &prometheus.header_labels {
            let option = || format!("metrics.prometheus.headerLabels.{label}");
            if !is_label(label) {
                return Err(invalid(option(), "a label has letters, digits and _ only"));
            }
            HeaderName::try_from(header).map_err(|error| invalid(option(), error))?;
        }
    }
    Ok(())
}

fn is_label(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn bounds(option: &str, bounds: &[f64]) -> Result<(), ConfigError> {
    let rise = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    if !rise || bounds.len() > BOUNDS_MAX {
        return Err(invalid(option, format!("they must rise, and be {BOUNDS_MAX} at most")));
    }
    Ok(())
}

fn rule_syntax(root: &Root) -> Result<Syntax, ConfigError> {
    let given = root.core.default_rule_syntax.to_ascii_lowercase();
    match Syntax::named(&given) {
        None if given.is_empty() => Ok(Syntax::default()),
        None => Err(invalid("core.defaultRuleSyntax", format!("{given:?} is neither v3 nor v2"))),
        Some(syntax) => Ok(syntax),
    }
}

fn rejects_disabled(root: &Root) -> Result<bool, ConfigError> {
    match root.core.disabled_routers.to_ascii_lowercase().as_str() {
        "" | "fallthrough" => Ok(false),
        "reject" => Ok(true),
        other => {
            let reason = format!("{other:?} is neither fallThrough nor reject");
            Err(invalid("core.disabledRouters", reason))
        }
    }
}

fn precedence(root: &Root) -> Result<Vec<String>, ConfigError> {
    let name = |given: &String| {
        let name = given.to_ascii_lowercase();
        if PROVIDERS.contains(&name.as_str()) {
            return Ok(name);
        }
        let near = nearest(&name, PROVIDERS.iter().copied());
        let hint = near.map(|near| format!(", did you mean {near}?")).unwrap_or_default();
        Err(invalid("providers.precedence", format!("{given:?} is no provider's name{hint}")))
    };
    root.providers.precedence.iter().map(name).collect()
}

fn invalid(option: impl Into<String>, reason: impl std::fmt::Display) -> ConfigError {
    ConfigError::Invalid { option: option.into(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::Providers;
    use crate::config::{AnswerPage, CertificateResolver, OnDemand, SharedStorage};

    #[test]
    fn fills_in_entrypoints() {
        let mut root = Root { ping: Some(Ping::default()), ..Root::default() };
        let plan = Static::resolve(root.clone(), 2).unwrap();
        let names: Vec<_> = plan.entrypoints.iter().map(|e| (&*e.name, e.is_default)).collect();
        assert_eq!(names, [("http", true), ("traefik", false)]);
        assert_eq!(plan.workers, 2);
        root.ping = None;
        let other = EntryPoint { address: ":1".into(), as_default: true, ..EntryPoint::default() };
        root.entry_points.insert("a".into(), other);
        let plain = EntryPoint { address: ":2".into(), ..EntryPoint::default() };
        root.entry_points.insert("b".into(), plain);
        let plan = Static::resolve(root, 1).unwrap();
        let names: Vec<_> = plan.entrypoints.iter().map(|e| (&*e.name, e.is_default)).collect();
        assert_eq!(names, [("a", true), ("b", false)]);
    }

    #[test]
    fn certificates_on_demand_need_who_allows_them() {
        let check = |change: &dyn Fn(&mut AcmeOptions), expect: &str| {
            let demand = OnDemand { script: "a.lua".to_owned(), ..OnDemand::default() };
            let mut acme = AcmeOptions { on_demand: Some(demand), ..AcmeOptions::default() };
            change(&mut acme);
            let mut root = Root::default();
            let resolver = CertificateResolver { acme: Some(acme) };
            root.certificates_resolvers.insert("le".to_owned(), resolver);
            let error = Static::resolve(root, 1).err().map(|error| error.to_string());
            assert!(error.clone().unwrap_or_default().contains(expect), "{error:?}");
            assert_eq!(error.is_none(), expect.is_empty());
        };
        check(&|_| (), "");
        check(&|acme| acme.on_demand = Some(OnDemand::default()), "le.acme.onDemand.script");
        let none = |acme: &mut AcmeOptions| {
            if let Some(demand) = &mut acme.on_demand {
                demand.orders_per_hour = 0;
            }
        };
        check(&none, "le.acme.onDemand.ordersPerHour");
        check(&|acme| acme.shared_storage = Some(SharedStorage::default()), "sharedStorage");
    }

    #[test]
    fn refuses_contradictions() {
        let root = |change: &dyn Fn(&mut Root)| {
            let mut root = Root::default();
            change(&mut root);
            Static::resolve(root, 1).map_err(|error| error.to_string()).unwrap_err()
        };
        let file = |f: FileProvider| Providers { file: Some(f), ..Providers::default() };
        let error = root(&|root| root.providers = file(FileProvider::default()));
        assert!(error.contains("providers.file"), "{error}");
        let error = root(&|root| {
            root.entry_points.insert("web".into(), EntryPoint::default());
        });
        assert!(error.contains("entryPoints.web.address"), "{error}");
        let page = |page: AnswerPage| {
            root(&|root| {
                let mut entrypoint = EntryPoint { address: ":1".into(), ..EntryPoint::default() };
                entrypoint.http.answers.error = Some(page.clone());
                root.entry_points.insert("web".into(), entrypoint);
            })
        };
        let error = page(AnswerPage::default());
        let option = "entryPoints.web.http.answers.error: ";
        assert_eq!(error, format!("{option}give exactly one of file and lua"));
        let file = AnswerPage { file: "a.html".into(), ..AnswerPage::default() };
        let error = page(AnswerPage { status: 204, ..file.clone() });
        assert_eq!(error, format!("{option}status: 204 is no status of an answer with a body"));
        let error = page(AnswerPage { lua: "a".into(), ..file });
        assert_eq!(error, format!("{option}give exactly one of file and lua"));
        let error = root(&|root| root.core.default_rule_syntax = "v4".into());
        assert!(error.contains("core.defaultRuleSyntax"), "{error}");
        let error = root(&|root| root.core.disabled_routers = "drop".into());
        assert!(error.contains("neither fallThrough nor reject"), "{error}");
        let error = root(&|root| root.providers.precedence = vec!["File".into(), "dokcer".into()]);
        assert!(
            error.contains("\"dokcer\" is no provider's name, did you mean docker?"),
            "{error}"
        );
    }
}
