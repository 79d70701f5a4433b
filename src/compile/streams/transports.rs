//! Transports of TCP services, and why some cannot be used.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::{Dynamic, SignedDuration, TcpLoadBalancer, TcpServersTransport};
use crate::upstream::TcpTransport;

/// Transports kept from the last generation, by name and options.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<String, Kept>);

type Kept = (TcpServersTransport, Arc<TcpTransport>);

/// Transports of this generation.
#[derive(Debug)]
pub(super) struct Transports<'a> {
    dynamic: &'a Dynamic,
    default: &'a TcpServersTransport,
    before: HashMap<String, Kept>,
    kept: HashMap<String, Kept>,
}

impl<'a> Transports<'a> {
    pub(super) fn new(
        dynamic: &'a Dynamic,
        default: &'a TcpServersTransport,
        memory: &mut Memory,
    ) -> Self {
        let before = std::mem::take(&mut memory.0);
        Self { dynamic, default, before, kept: HashMap::new() }
    }

    /// Keeps what was used.
    pub(super) fn keep(self, memory: &mut Memory) {
        memory.0 = self.kept;
    }

    /// The transport of a service, which names one, or has options of its own; with its name.
    pub(super) fn of(
        &mut self,
        service: &str,
        balancer: &TcpLoadBalancer,
        named: Option<&str>,
        warnings: &mut Vec<String>,
    ) -> Result<Arc<TcpTransport>, String> {
        let is_own = balancer.proxy_protocol.is_some() || balancer.termination_delay.is_some();
        if let Some(name) = named {
            if is_own {
                let text =
                    "proxyProtocol and terminationDelay: those of the serversTransport count";
                warnings.push(text.to_owned());
            }
            if name == "default@internal" {
                return self.built(name, self.default.clone());
            }
            let options = self.dynamic.tcp.servers_transports.get(name);
            let missing = || format!("the serversTransport {name:?} does not exist");
            return self.built(name, TcpServersTransport::clone(options.ok_or_else(missing)?));
        }
        let mut options = self.default.clone();
        if let Some(proxy) = &balancer.proxy_protocol {
            options.proxy_protocol = Some(proxy.clone());
        }
        if let Some(millis) = balancer.termination_delay {
            options.termination_delay = SignedDuration::from_millis(millis);
        }
        let key = if is_own { service } else { "" };
        self.built(key, options)
    }

    fn built(
        &mut self,
        key: &str,
        options: TcpServersTransport,
    ) -> Result<Arc<TcpTransport>, String> {
        if let Some((_, done)) = self.kept.get(key) {
            return Ok(Arc::clone(done));
        }
        let before = self.before.remove(key);
        let unchanged = before.filter(|(before, built)| *before == options && built.is_current());
        let transport = match unchanged {
            Some((_, transport)) => transport,
            None => Arc::new(TcpTransport::build(&options).map_err(|error| match key {
                "" => format!("tcpServersTransport.{error}"),
                key => format!("{key}: {error}"),
            })?),
        };
        self.kept.insert(key.to_owned(), (options, Arc::clone(&transport)));
        Ok(transport)
    }
}
