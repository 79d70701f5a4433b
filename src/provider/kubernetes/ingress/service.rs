//! The Service behind a path becomes a service of servers.

use super::super::endpoints::{Ask, Reading, backends};
use super::super::error::ObjectError;
use super::super::names::{Id, normalize};
use super::super::scheme::scheme;
use super::model::Backend;
use super::{Work, annotations};
use crate::model::{LoadBalancer, Server, Service};

impl Work<'_> {
    /// The service behind a path, with its name.
    pub(super) fn service(
        &self,
        id: &Id,
        backend: &Backend,
    ) -> Result<(String, Service), ObjectError> {
        let Some(service) = &backend.service else {
            return Err(ObjectError::Options("only Services can be used".to_owned()));
        };
        let (of, port) = (Id::new(&id.namespace, &service.name), service.port.port());
        let options = annotations::service(&self.view.service(&of)?.annotations)?;
        let ask = Ask {
            service: &of,
            port: &port,
            native: options.native_lb,
            node_port: options.node_port_lb,
            reading: Reading::Serving,
        };
        let found = backends(self.view, ask)?;
        let scheme = scheme(&options.servers_scheme, &found.port.name, found.port.number)?;
        let transport = std::iter::once(&options.servers_transport);
        self.references(id, options.middlewares.iter().chain(transport))?;
        let servers = found.addresses.into_iter().map(|backend| Server {
            url: format!("{scheme}://{}", backend.address),
            fenced: backend.is_fenced,
            ..Server::default()
        });
        let balancer = LoadBalancer {
            servers: servers.collect(),
            strategy: options.strategy,
            pass_host_header: options.pass_host_header.unwrap_or(true),
            servers_transport: options.servers_transport,
            sticky: options.sticky,
            ..LoadBalancer::default()
        };
        let name = normalize(&format!("{}-{}-{port}", id.namespace, service.name));
        let middlewares = options.middlewares;
        Ok((name, Service { load_balancer: Some(balancer), middlewares, ..Service::default() }))
    }
}
