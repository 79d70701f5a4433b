//! `loadBalancer`: servers, and the strategy that chooses one.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::HashMap;

use super::{Work, new, servers_of};
use crate::compile::timeouts::service_timeouts;
use crate::compile::{provider_of, qualify};
use crate::model;
use crate::service::{
    HashBy, Kind, LeastTime, Member, Passive, Recovery, Rendezvous, Server, Servers, Service,
    Strategy, Turn, Two,
};
use crate::upstream::{Endpoint, Forwarding, HostHeader, PathPrefix, Transport};

/// The most failures that a passive check counts, since each is remembered with its time.
const ATTEMPTS_MAX: u32 = 1000;

impl Work<'_> {
    pub(super) fn load_balancer(
        &mut self,
        name: &str,
        config: &model::Service,
        balancer: &model::LoadBalancer,
    ) -> Result<Arc<Service>, String> {
        let transport = self.transport(name, balancer)?;
        self.script(balancer)?;
        let before = self.before(name, config);
        if let Some(service) = &before
            && let Some(servers) = servers_of(service)
            && servers.servers.iter().all(|s| Arc::ptr_eq(s.endpoint.transport(), &transport))
        {
            return Ok(Arc::clone(service));
        }
        let members = self.members(name, balancer);
        let mut servers = Vec::with_capacity(balancer.servers.len());
        for server in &balancer.servers {
            let member = members.get(&server.url).cloned().unwrap_or_default();
            servers.push(self.server(server, balancer, &transport, member)?);
        }
        let before = before.as_deref().and_then(servers_of);
        let strategy = match before {
            Some(before) => before.strategy.clone(),
            None => strategy(balancer, &servers)?,
        };
        let share = |s: &Server| if s.fenced { 1 } else { s.weight };
        let named = || servers.iter().map(|s| (s.endpoint.source(), share(s))).collect::<Vec<_>>();
        let sticky = match before {
            Some(before) => before.sticky.clone(),
            None => self.sticky(name, balancer.sticky.as_ref(), &named())?,
        };
        let passive = passive(name, balancer)?;
        let check = match &balancer.health_check {
            None => None,
            Some(options) => Some(Arc::new(self.check(name, options, &servers)?)),
        };
        let timeouts = service_timeouts(balancer.timeouts);
        let servers = Servers { servers, strategy, sticky, passive, check, timeouts };
        Ok(new(name, Kind::Servers(servers)))
    }

    /// Takes up the script that chooses servers.
    fn script(&mut self, balancer: &model::LoadBalancer) -> Result<(), String> {
        let Some(by) = balancer.hash_by.as_ref().filter(|by| !by.lua.is_empty()) else {
            return Ok(());
        };
        let taken = self.scripts.take(&by.lua, "balance", self.catalog);
        let warning = taken.map_err(|error| format!("hashBy.lua: {error}"))?;
        self.warnings.extend(warning);
        Ok(())
    }

    fn transport(
        &self,
        name: &str,
        balancer: &model::LoadBalancer,
    ) -> Result<Arc<Transport>, String> {
        if balancer.servers_transport.is_empty() {
            return Ok(Arc::clone(&self.catalog.transport));
        }
        self.transports.find(&qualify(&balancer.servers_transport, provider_of(name)))
    }

    /// What is known of the servers so far, by URL, when their health is watched as before: a
    /// server that is added must not make those that are down look well.
    fn members(&self, name: &str, balancer: &model::LoadBalancer) -> HashMap<String, Arc<Member>> {
        let Some(kept) = self.memory.services.get(name) else { return HashMap::new() };
        let is_same = kept.config.load_balancer.as_ref().is_some_and(|before| {
            before.health_check == balancer.health_check
                && before.passive_health_check == balancer.passive_health_check
        });
        let servers = servers_of(&kept.service).filter(|_| is_same);
        let servers = servers.map_or(&[][..], |servers| &servers.servers);
        let member = |s: &Server| (s.endpoint.source().to_owned(), Arc::clone(&s.member));
        servers.iter().map(member).collect()
    }

    fn server(
        &self,
        server: &model::Server,
        balancer: &model::LoadBalancer,
        transport: &Arc<Transport>,
        member: Arc<Member>,
    ) -> Result<Server, String> {
        let endpoint = self.endpoint(&server.url, transport)?;
        let host = if balancer.pass_host_header { HostHeader::Client } else { HostHeader::Server };
        let path = if server.preserve_path { PathPrefix::Preserved } else { PathPrefix::Ignored };
        let forwarding = Forwarding { host, path };
        let fenced = server.fenced;
        let weight = if fenced { 0 } else { server.weight.unwrap_or(1) };
        Ok(Server { endpoint, forwarding, weight, fenced, member })
    }

    /// The endpoint of a URL, with its pools if it was there before.
    pub(super) fn endpoint(
        &self,
        url: &str,
        transport: &Arc<Transport>,
    ) -> Result<Arc<Endpoint>, String> {
        let key = (url.to_owned(), Arc::as_ptr(transport) as usize);
        if let Some(endpoint) = self.memory.endpoints.get(&key) {
            return Ok(Arc::clone(endpoint));
        }
        let endpoint = Endpoint::parse(url, Arc::clone(transport));
        endpoint.map(Arc::new).map_err(|error| error.to_string())
    }
}

fn strategy(balancer: &model::LoadBalancer, servers: &[Server]) -> Result<Strategy, String> {
    let weights = || servers.iter().map(|server| server.weight).collect::<Vec<_>>();
    let strategy = match balancer.strategy.as_str() {
        "" | "wrr" => Strategy::Turns(Arc::new(Turn::new(&weights()))),
        "p2c" => Strategy::Two(Arc::new(Two::new(RandomState::new().build_hasher().finish()))),
        "leasttime" => Strategy::LeastTime(Arc::new(LeastTime::new(&weights()))),
        "hrw" => {
            let named = servers.iter().map(|s| (s.endpoint.source(), s.weight));
            let by = hash_by(balancer.hash_by.as_ref())?;
            return Ok(Strategy::Rendezvous(Arc::new(Rendezvous::new(named)), by));
        }
        unknown => {
            let known = "known are wrr, p2c, hrw, leasttime";
            return Err(format!("unsupported load-balancer strategy {unknown:?}; {known}"));
        }
    };
    match balancer.hash_by {
        None => Ok(strategy),
        Some(_) => Err("hashBy: only the strategy hrw hashes".to_owned()),
    }
}

fn hash_by(options: Option<&model::HashBy>) -> Result<HashBy, String> {
    let Some(model::HashBy { header, cookie, query, lua }) = options else {
        return Ok(HashBy::ClientAddress);
    };
    match (header.as_str(), cookie.as_str(), query.as_str(), lua.as_str()) {
        ("", "", "", lua) if !lua.is_empty() => Ok(HashBy::Script(lua.into())),
        (header, "", "", "") if !header.is_empty() => {
            let name = header.parse();
            name.map(HashBy::Header).map_err(|_| format!("hashBy.header: {header:?} is no name"))
        }
        ("", cookie, "", "") if !cookie.is_empty() => Ok(HashBy::Cookie(cookie.into())),
        ("", "", query, "") if !query.is_empty() => Ok(HashBy::Query(query.into())),
        _ => Err("hashBy: give exactly one of header, cookie, query and lua".to_owned()),
    }
}

fn passive(name: &str, balancer: &model::LoadBalancer) -> Result<Option<Passive>, String> {
    let Some(options) = &balancer.passive_health_check else { return Ok(None) };
    if options.max_failed_attempts > ATTEMPTS_MAX {
        return Err(format!("passiveHealthCheck.maxFailedAttempts: {ATTEMPTS_MAX} at most"));
    }
    let recovery = match balancer.health_check {
        Some(_) => Recovery::ByCheck,
        None => Recovery::ByTime,
    };
    Ok(Some(Passive {
        service: name.into(),
        window: options.failure_window.get(),
        attempts: options.max_failed_attempts as usize,
        recovery,
    }))
}
