//! Providers' configurations become one, with every name scoped by its provider.

use std::sync::Arc;

use super::{Dynamic, Elements};

/// Merges the configurations of providers; `name` becomes `name@provider`.
///
/// The TLS options `default` have no provider in their name, so only one may give them.
///
/// References inside elements stay as written: they are resolved against the provider of the
/// element that holds them.
#[must_use]
pub fn merge<'a>(parts: impl IntoIterator<Item = (&'a str, &'a Dynamic)>) -> Dynamic {
    let mut all = Dynamic::default();
    for (provider, part) in parts {
        scope(&mut all.http.routers, &part.http.routers, provider);
        scope(&mut all.http.services, &part.http.services, provider);
        scope(&mut all.http.middlewares, &part.http.middlewares, provider);
        scope(&mut all.http.servers_transports, &part.http.servers_transports, provider);
        scope(&mut all.tcp.routers, &part.tcp.routers, provider);
        scope(&mut all.tcp.services, &part.tcp.services, provider);
        scope(&mut all.tcp.middlewares, &part.tcp.middlewares, provider);
        scope(&mut all.tcp.servers_transports, &part.tcp.servers_transports, provider);
        scope(&mut all.udp.routers, &part.udp.routers, provider);
        scope(&mut all.udp.services, &part.udp.services, provider);
        all.tls.certificates.extend(part.tls.certificates.iter().cloned());
        for (name, options) in &part.tls.options {
            let name = if name == "default" { name.clone() } else { format!("{name}@{provider}") };
            let other = all.tls.options.insert(name, Arc::clone(options));
            all.tls.is_default_disputed |= other.is_some();
        }
        all.tls.stores.extend(part.tls.stores.iter().map(|(n, v)| (n.clone(), v.clone())));
    }
    all
}

fn scope<T>(all: &mut Elements<T>, part: &Elements<T>, provider: &str) {
    for (name, element) in part {
        all.insert(format!("{name}@{provider}"), Arc::clone(element));
    }
}
