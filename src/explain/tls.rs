//! What a connection comes to before its requests: a TCP router, or TLS options and a certificate.

use std::sync::Arc;

use super::answer::TlsChoice;
use super::question::Asked;
use crate::router::HostNames;
use crate::rule::tcp::Facts;
use crate::snapshot::Snapshot;
use crate::value::Certificate;

/// What browsers and most other clients offer.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The TCP router that takes the connection, with its service; in the order of the entrypoint.
pub(super) fn stream(
    snapshot: &Snapshot,
    place: usize,
    asked: &Asked,
) -> Option<(Arc<str>, Arc<str>)> {
    let tables = snapshot.streams.get(place)?.as_ref()?;
    let protocols = PROTOCOLS.map(<[u8]>::to_vec);
    let plain = Facts { sni: "", protocols: &[], client_ip: asked.client };
    let sni = asked.server_name.as_deref().unwrap_or_default();
    let entry = if tables.encrypted.is_empty() && tables.https.is_none() || !asked.is_tls {
        tables.plain.find(&plain)?
    } else {
        let https = tables.https.as_ref();
        if https.is_some_and(|https| https.has(sni)) {
            return None;
        }
        let facts = Facts { sni, protocols: &protocols, ..plain };
        let entry = tables.encrypted.find(&facts)?;
        if entry.matcher.is_catch_all() && https.is_some_and(HostNames::has_any) {
            return None;
        }
        entry
    };
    Some((Arc::clone(&entry.target.name), Arc::clone(&entry.target.service.name)))
}

/// The TLS options and the certificate of the handshake; the reason why there is none otherwise.
pub(super) fn choice(
    snapshot: &Snapshot,
    place: usize,
    asked: &Asked,
) -> Result<TlsChoice, String> {
    let tables = snapshot.entrypoints.get(place).ok_or("the entrypoint has no routers")?;
    let name = asked.server_name.as_deref();
    let options = tables.tls.choose(name);
    let options = options.ok_or("the TLS options of that server name cannot be used")?;
    let named = name.is_some_and(|name| snapshot.certificates.find(name).is_some());
    let key = options.certificate(name);
    let key = key.ok_or("no certificate has that server name, and the options ask for one")?;
    let facts = key.cert.first().and_then(|certificate| Certificate::read(certificate));
    let why = match (named, snapshot.certificates.default_certificate()) {
        (true, _) => "it has the server name",
        (false, Some(_)) => "it is the default of the store, since none has the server name",
        (false, None) => "it was made at the start, since none is configured for the server name",
    };
    Ok(TlsChoice {
        server_name: asked.server_name.clone(),
        options: options.name().to_string(),
        certificate: facts.map(|facts| facts.names).unwrap_or_default(),
        why: why.to_owned(),
        script: options.script().map(ToString::to_string),
    })
}
