//! TLS options of routers: which they have on each entrypoint, and which names these belong to.
//!
//! A handshake tells nothing but a server name, so options belong to the hosts of rules. Where
//! that leaves a doubt, the options `default` are in force, as in Traefik.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::scripts::Named;
use super::{Catalog, EntrypointFacts, provider_of, qualify};
use crate::model::{self, Diagnostic};
use crate::tls::{DEFAULT, Hosts, OptionSets};

/// A router as far as TLS options go.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    /// Its name with provider.
    pub(super) name: &'a str,
    pub(super) config: &'a model::Router,
    /// The hosts its rule names.
    pub(super) hosts: Arc<[String]>,
    /// Those of its entrypoints.
    pub(super) places: Vec<usize>,
}

/// What became of all TLS options.
#[derive(Debug, Default)]
pub(super) struct Assignment<'a> {
    /// By the entrypoints' order.
    pub(super) hosts: Vec<Arc<Hosts>>,
    /// The places of the entrypoints on which a router has not the options it asks for.
    conflicts: HashMap<&'a str, Vec<usize>>,
    /// The hosts that rules name, by router; nothing where nobody had to know.
    named: HashMap<&'a str, Arc<[String]>>,
}

/// The name of the options a router asks for on an entrypoint; none for plain connections.
pub(super) fn wanted(
    name: &str,
    config: &model::Router,
    entrypoint: &EntrypointFacts,
) -> Option<String> {
    let tls = config.tls.as_ref().or(entrypoint.tls.as_ref())?;
    Some(match tls.options.as_str() {
        "" | DEFAULT => DEFAULT.to_owned(),
        options => qualify(options, provider_of(name)),
    })
}

/// Whether anybody asks for other options than `default`; most configurations do not.
pub(super) fn is_wanted(
    routers: &model::Elements<model::Router>,
    entrypoints: &[EntrypointFacts],
) -> bool {
    let routers = routers.values().filter_map(|router| router.tls.as_ref());
    let entrypoints = entrypoints.iter().filter_map(|entrypoint| entrypoint.tls.as_ref());
    routers.chain(entrypoints).any(|tls| !matches!(tls.options.as_str(), "" | DEFAULT))
}

/// Takes up the scripts that TLS options name: why options cannot be used, by their names, and
/// what there is to say of others.
pub(super) fn scripts(
    tls: &model::Tls,
    catalog: &Catalog,
    scripts: &mut Named,
) -> (BTreeMap<String, String>, Vec<Diagnostic>) {
    let mut broken = BTreeMap::new();
    let mut remarks = Vec::new();
    for (name, options) in tls.options.iter().filter(|(_, options)| !options.lua.is_empty()) {
        match scripts.take(&options.lua, "tls", catalog) {
            Ok(None) => {}
            Ok(Some(warning)) => {
                remarks.push(Diagnostic::warning(format!("tls.options.{name}.lua"), warning));
            }
            Err(reason) => {
                broken.insert(name.clone(), format!("lua: {reason}"));
            }
        }
    }
    (broken, remarks)
}

impl<'a> Assignment<'a> {
    /// Where nobody asks for other options than `default`.
    pub(super) fn none(entrypoints: &[EntrypointFacts], sets: &OptionSets) -> Self {
        let hosts = Arc::new(Hosts::new(sets.get(DEFAULT).ok().cloned()));
        let hosts = entrypoints.iter().map(|_| Arc::clone(&hosts)).collect();
        Self { hosts, ..Self::default() }
    }

    /// Settles which options are in force.
    pub(super) fn of(
        candidates: Vec<Candidate<'a>>,
        entrypoints: &[EntrypointFacts],
        sets: &OptionSets,
    ) -> Self {
        let mut all = Self::default();
        for (place, entrypoint) in entrypoints.iter().enumerate() {
            let here = candidates.iter().filter(|candidate| candidate.places.contains(&place));
            let here = here.filter_map(|candidate| {
                let wanted = wanted(candidate.name, candidate.config, entrypoint)?;
                Some((candidate, wanted))
            });
            let here: Vec<_> = here.collect();
            all.settle(place, &here, sets);
        }
        all.named = candidates.into_iter().map(|one| (one.name, one.hosts)).collect();
        all
    }

    /// The hosts a router's rule names, if anybody had to know.
    pub(super) fn hosts_of(&self, router: &str) -> Option<&Arc<[String]>> {
        self.named.get(router)
    }

    /// Whether a router has the options `default` on an entrypoint instead of those it asks for.
    /// It is then shown apart, as Traefik does, even if it asks for these.
    pub(super) fn is_conflicted(&self, router: &str, place: usize) -> bool {
        self.conflicts.get(router).is_some_and(|places| places.contains(&place))
    }

    fn settle(&mut self, place: usize, here: &[(&Candidate<'a>, String)], sets: &OptionSets) {
        // None where routers of one host ask for different options.
        let mut by_host: HashMap<&str, Option<&str>> = HashMap::new();
        for (candidate, options) in here {
            for host in &*candidate.hosts {
                let found = by_host.entry(host).or_insert(Some(options));
                *found = found.filter(|other| other == options);
            }
        }
        let mut settled: HashMap<&str, &str> = HashMap::with_capacity(by_host.len());
        for (candidate, options) in here {
            let is_disputed = |host: &String| by_host.get(host.as_str()) == Some(&None);
            let is_unnamed = candidate.hosts.is_empty() && options != DEFAULT;
            let is_conflicted = is_unnamed || candidate.hosts.iter().any(is_disputed);
            if is_conflicted {
                self.conflicts.entry(candidate.name).or_default().push(place);
            }
            for host in &*candidate.hosts {
                let in_force = settled.entry(host).or_insert(DEFAULT);
                // A host of a router in conflict over another one keeps what its others ask for.
                if !is_conflicted && options != DEFAULT {
                    *in_force = options;
                }
            }
        }
        let get = |options: &str| sets.get(options).ok().cloned();
        let mut hosts = Hosts::new(get(DEFAULT));
        for (host, options) in settled {
            hosts.set(host, get(options));
        }
        self.hosts.push(Arc::new(hosts));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::compile::{Catalog, IsDefault, Memory, RouterRules, Scripts, compile};
    use crate::config::Transport;
    use crate::message::Observed;
    use crate::model::{Dynamic, ElementStatus, RouterTls, TcpServersTransport, merge};
    use crate::snapshot::Snapshot;
    use crate::value::decode;

    /// Two entrypoints, of which `second` has the options `strict` of the router's provider.
    fn catalog() -> Catalog {
        let entrypoint = |name: &str, options: Option<&str>| EntrypointFacts {
            name: name.into(),
            transport: Transport::Tcp,
            default: if name == "first" { IsDefault::Yes } else { IsDefault::No },
            middlewares: Vec::new(),
            tls: options.map(|options| RouterTls { options: options.into(), ..Default::default() }),
            observed: Observed::default(),
            is_model: false,
            timeouts: crate::message::Timeouts::default(),
            answers: crate::config::Answers::default(),
        };
        Catalog {
            scripts: Scripts::default(),
            tcp_scripts: Scripts::default(),
            internals: HashMap::new(),
            entrypoints: vec![entrypoint("first", None), entrypoint("second", Some("strict"))],
            transport: Arc::default(),
            tcp_transport: TcpServersTransport::default(),
            rules: RouterRules::default(),
            resolvers: HashMap::new(),
            observed_internals: Observed::default(),
        }
    }

    /// A generation of routers, given as rule and rest.
    fn generation(routers: &[(&str, Value)], memory: &mut Memory) -> Snapshot {
        let router = |(place, (rule, rest)): (usize, &(&str, Value))| {
            let mut router = rest.clone();
            router["rule"] = (*rule).into();
            router["service"] = "s".into();
            (format!("r{place}"), router)
        };
        let routers: serde_json::Map<_, _> = routers.iter().enumerate().map(router).collect();
        let services = json!({"s": {"loadBalancer": {"servers": [{"url": "http://s"}]}}});
        let broken = json!({"maxVersion": "VersionTLS10"});
        let part: Dynamic = decode(&json!({
            "http": {"routers": routers, "services": services},
            "tls": {"options": {"strict": {"sniStrict": true}, "other": {}, "broken": broken}},
        }))
        .unwrap();
        compile(&merge([("file", &part)]), &catalog(), memory)
    }

    /// The options of names on an entrypoint, and routers that are not simply in force.
    fn check(
        routers: &[(&str, Value)],
        place: usize,
        options: &[(&str, &str)],
        verdicts: &[(&str, ElementStatus, &str)],
    ) {
        let snapshot = generation(routers, &mut Memory::default());
        let hosts = &snapshot.entrypoints[place].tls;
        for (name, expect) in options {
            let found = hosts.choose(Some(name)).map_or("none", |options| options.name());
            assert_eq!(found, *expect, "{name}");
        }
        let routers = &snapshot.outcome.routers;
        let odd = routers.iter().filter(|(name, router)| {
            router.verdict.status != ElementStatus::Enabled || name.contains("conflicted")
        });
        let odd: Vec<_> = odd.map(|(name, router)| (&**name, &router.verdict)).collect();
        assert_eq!(odd.len(), verdicts.len(), "{odd:?}");
        for ((name, verdict), (expect, status, error)) in odd.iter().zip(verdicts) {
            assert_eq!((*name, verdict.status), (*expect, *status), "{verdict:?}");
            assert!(verdict.errors.join(" ").contains(error), "{verdict:?}");
        }
    }

    fn tls(options: &str) -> Value {
        json!({"tls": {"options": options}})
    }

    #[test]
    fn options_belong_to_hosts() {
        check(
            &[
                ("Host(`a.test`)", tls("strict")),
                ("Host(`b.test`) || Host(`*.b.test`)", tls("other@file")),
                ("Host(`c.b.test`)", json!({"tls": {}})),
                ("Host(`plain.test`)", json!({})),
                ("PathPrefix(`/`)", tls("default")),
                ("Host(`a.test`) && Path(`/x`)", tls("strict@file")),
            ],
            0,
            &[
                ("a.test", "strict@file"),
                ("b.test", "other@file"),
                ("x.b.test", "other@file"),
                ("c.b.test", "default"),
                ("plain.test", "default"),
            ],
            &[],
        );
    }

    #[test]
    fn doubts_end_with_the_default_options() {
        use ElementStatus::{Enabled, Warning};
        check(
            &[
                ("Host(`a.test`) && Path(`/x`)", tls("strict")),
                ("Host(`a.test`) || Host(`b.test`)", tls("other")),
                ("Host(`c.test`)", tls("strict")),
                ("Host(`c.test`) && Path(`/`)", json!({"tls": {}})),
                ("Path(`/x`)", tls("strict")),
                ("Host(`b.test`)", tls("other")),
            ],
            0,
            &[("a.test", "default"), ("b.test", "other@file"), ("c.test", "default")],
            &[
                ("first-conflicted-r0@file", Warning, "other TLS options than strict@file"),
                ("first-conflicted-r1@file", Warning, "other TLS options than other@file"),
                ("first-conflicted-r2@file", Warning, "other TLS options than strict@file"),
                ("first-conflicted-r3@file", Enabled, ""),
                ("first-conflicted-r4@file", Warning, "strict@file cannot be applied"),
            ],
        );
    }

    #[test]
    fn doubts_are_of_one_entrypoint() {
        let both = json!({"entryPoints": ["first", "second"], "tls": {"options": "other"}});
        let routers = [
            ("Host(`a.test`)", both),
            ("Host(`a.test`) && Path(`/`)", json!({"entryPoints": ["second"]})),
            ("Host(`b.test`)", json!({"entryPoints": ["second"]})),
        ];
        let apart = ("second-conflicted-r0@file", ElementStatus::Warning, "other@file");
        let own = ("second-conflicted-r1@file", ElementStatus::Warning, "strict@file");
        check(&routers, 0, &[("a.test", "other@file"), ("b.test", "default")], &[apart, own]);
        check(&routers, 1, &[("a.test", "default"), ("b.test", "strict@file")], &[apart, own]);
        let snapshot = generation(&routers, &mut Memory::default());
        let using = |name: &str| snapshot.outcome.routers[name].using.to_vec();
        assert_eq!(using("r0@file"), ["first".into()]);
        assert_eq!(using("second-conflicted-r0@file"), ["second".into()]);
        assert!(!snapshot.outcome.routers.contains_key("r1@file"));
    }

    #[test]
    fn options_that_cannot_be_used_serve_nobody() {
        check(
            &[
                ("Host(`a.test`)", tls("nonsense")),
                ("Host(`b.test`)", tls("broken")),
                ("Host(`c.test`)", json!({"tls": {}})),
            ],
            0,
            &[("a.test", "none"), ("b.test", "none"), ("c.test", "default")],
            &[
                ("r0@file", ElementStatus::Disabled, "unknown TLS options: nonsense@file"),
                ("r1@file", ElementStatus::Disabled, "broken@file: maxVersion: VersionTLS10"),
            ],
        );
    }

    #[test]
    fn a_conflict_that_comes_and_goes_changes_its_routers() {
        let mut memory = Memory::default();
        let lone = [("Host(`a.test`)", tls("strict"))];
        let two = [lone[0].clone(), ("Host(`a.test`) && Path(`/`)", tls("other"))];
        for (routers, options) in [
            (&lone[..], "strict@file"),
            (&two, "default"),
            (&lone, "strict@file"),
            (&lone, "strict@file"),
        ] {
            let snapshot = generation(routers, &mut memory);
            let hosts = &snapshot.entrypoints[0].tls;
            let found = hosts.choose(Some("a.test")).unwrap();
            assert_eq!(&**found.name(), options);
            let names: Vec<_> = snapshot.outcome.routers.keys().map(|name| &**name).collect();
            let is_apart = names.iter().all(|name| name.starts_with("first-conflicted-"));
            assert_eq!(is_apart, options == "default", "{names:?}");
        }
    }
}
