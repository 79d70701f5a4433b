//! The hook `tls`, which looks at a TLS handshake before it is answered.
//!
//! Must not know certificates.

use std::fmt;
use std::rc::Rc;

use super::api::{HelloObject, HelloSlot};
use super::onerror::Rescue;
use super::{Context, Instance, ScriptError};

/// What a client offers in its handshake, beside what is known of its connection.
pub struct Offer {
    /// What kind of client it is, if that can be told.
    pub ja4: Option<String>,
    /// The protocols it offers, in its order.
    pub protocols: Vec<Vec<u8>>,
    /// Whether there is a certificate for a name.
    pub holds: Rc<dyn Fn(&str) -> bool>,
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").field("ja4", &self.ja4).finish_non_exhaustive()
    }
}

/// What becomes of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handshake {
    /// It goes on as without a script.
    Usual,
    /// It goes on with the certificate of this name.
    Named(String),
    /// It is not answered.
    Closed,
}

impl Instance {
    /// Runs the hook `tls`. A failure closes the connection: a script that keeps clients out
    /// must not let them in by failing.
    pub async fn handshake(self: &Rc<Self>, cx: &Rc<Context>, offer: Offer) -> Handshake {
        if !self.admits() {
            return Handshake::Closed;
        }
        let slot = HelloSlot::new(Rc::clone(&cx.exchange.client), offer);
        let held = Ended(&slot);
        let outcome = self.run_handshake(cx, &slot).await;
        drop(held);
        self.note(outcome.as_ref());
        match outcome {
            Ok(()) if slot.is_closed.get() => Handshake::Closed,
            Ok(()) => slot.chosen.take().map_or(Handshake::Usual, Handshake::Named),
            Err(error) => {
                Rescue::new(self.spec(), cx, self.tools(), "tls", &error);
                Handshake::Closed
            }
        }
    }

    async fn run_handshake(
        self: &Rc<Self>,
        cx: &Rc<Context>,
        slot: &Rc<HelloSlot>,
    ) -> Result<(), ScriptError> {
        let loaded = self.loaded().await?;
        let Some(hook) = &loaded.tls else { return Ok(()) };
        let returned = self.run(cx, &loaded, hook, HelloObject(Rc::clone(slot))).await?;
        self.nothing(&returned, "tls must return nothing", "hello:close() closes")
    }
}

/// Takes the handshake from the script, also when the hook is given up.
struct Ended<'a>(&'a HelloSlot);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.offer.take();
    }
}
