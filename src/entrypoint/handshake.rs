//! Handshakes that a script looks at before they are answered, where TLS options have one.

use std::rc::Rc;
use std::sync::Arc;

use rustls::ServerConfig;

use super::connection::ip_text;
use super::worker::Shared;
use crate::lua::{Context, Handshake, Offer};
use crate::message::proxy::Ends;
use crate::message::{Client, Exchange, TlsFacts};
use crate::tls::{Opening, ServerOptions, ja4, opening};

/// What is known of a handshake.
pub(super) struct Asked<'a> {
    pub(super) entrypoint: &'a Arc<str>,
    pub(super) ends: Ends,
    pub(super) server_name: Option<&'a str>,
    /// The first bytes of the connection; where a script is asked, all of the `ClientHello`.
    pub(super) ahead: &'a [u8],
}

impl Asked<'_> {
    /// What scripts know of the connection and hold for it.
    pub(super) fn exchange(&self) -> Rc<Exchange> {
        let sni = self.server_name.map(Arc::from);
        let client = Client {
            peer: self.ends.source,
            local: self.ends.destination,
            ip: ip_text(self.ends.source),
            entrypoint: Arc::clone(self.entrypoint),
            adds_address: false,
            tls: sni.map(|sni| TlsFacts { sni: Some(sni), ..TlsFacts::default() }),
            guard: Rc::new(()),
        };
        Rc::new(Exchange::new(Rc::new(client)))
    }
}

/// The settings for a handshake; none where its script closes it.
pub(super) async fn settings(
    worker: &Shared,
    options: &Arc<ServerOptions>,
    asked: Asked<'_>,
) -> Option<Arc<ServerConfig>> {
    match options.script() {
        None => Some(options.config(asked.server_name, asked.ends.destination.ip())),
        // Boxed, so that handshakes without a script stay small.
        Some(script) => Box::pin(judged(worker, script, options, asked)).await,
    }
}

async fn judged(
    worker: &Shared,
    script: &str,
    options: &Arc<ServerOptions>,
    asked: Asked<'_>,
) -> Option<Arc<ServerConfig>> {
    let instance = worker.generation().named(script).cloned()?;
    let exchange = asked.exchange();
    let protocols = match opening(asked.ahead) {
        Opening::Hello(hello) => hello.protocols,
        _ => Vec::new(),
    };
    let known = Arc::clone(options);
    let holds = Rc::new(move |name: &str| known.holds(name));
    let offer = Offer { ja4: ja4(asked.ahead), protocols, holds };
    let context = Rc::new(Context::new(exchange, instance.outside()));
    let usual = || options.config(asked.server_name, asked.ends.destination.ip());
    match instance.handshake(&context, offer).await {
        Handshake::Usual => Some(usual()),
        Handshake::Named(name) => Some(options.showing(&name).unwrap_or_else(usual)),
        Handshake::Closed => {
            tracing::debug!(script, client = %asked.ends.source, "a script closes a handshake");
            None
        }
    }
}
