//! `conn`: a TCP connection as a script sees it before it is handed on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::{UserData, UserDataRegistry};

use super::members::Others;
use super::{Doc, Member, Object};
use crate::message::Client;

/// A connection while a hook looks at it.
#[derive(Debug)]
pub(in crate::lua) struct ConnSlot {
    /// Empty after the hook.
    pub(in crate::lua) client: RefCell<Option<Rc<Client>>>,
    /// Whether the script has closed it.
    pub(in crate::lua) is_closed: Cell<bool>,
}

impl ConnSlot {
    pub(in crate::lua) fn new(client: Rc<Client>) -> Rc<Self> {
        Rc::new(Self { client: RefCell::new(Some(client)), is_closed: Cell::new(false) })
    }

    fn with<R>(&self, body: impl FnOnce(&Client) -> R) -> mlua::Result<R> {
        match &*self.client.borrow() {
            Some(client) => Ok(body(client)),
            None => Err(mlua::Error::runtime(CONN_OVER)),
        }
    }
}

/// Why an object can no longer be used.
const CONN_OVER: &str = "this connection is no longer the script's: conn ends with its hook";

/// `conn` of one run.
pub(in crate::lua) struct ConnObject(pub(in crate::lua) Rc<ConnSlot>);

pub(super) const OBJECT: Object<ConnObject> = Object {
    name: "conn",
    text: "A TCP connection before it is handed to its service. The hook `stream(conn, ctx)` of a \
           TCP middleware gets it, and returns nothing; it can be used until the hook ends.",
    members: &[
        Member {
            doc: Doc {
                name: "remote_ip",
                signature: "conn.remote_ip: string",
                text: "The address the connection comes from; a PROXY header that is believed \
                       says from where.",
                example: "if conn.remote_ip == \"192.0.2.1\" then conn:close() end",
            },
            add: |members| {
                members.getter("remote_ip", |_, conn| {
                    conn.0.with(|client| client.peer.ip().to_canonical().to_string())
                });
            },
        },
        Member {
            doc: Doc {
                name: "sni",
                signature: "conn.sni: string?",
                text: "The server name of the TLS handshake, in lower case; nil without one.",
                example: "log.info(\"connection\", { name = conn.sni })",
            },
            add: |members| {
                members.getter("sni", |_, conn| {
                    let name =
                        |client: &Client| client.tls.as_ref()?.sni.as_deref().map(str::to_owned);
                    conn.0.with(name)
                });
            },
        },
        Member {
            doc: Doc {
                name: "close",
                signature: "conn:close()",
                text: "Closes the connection once the hook ends; no later middleware sees it.",
                example: "conn:close()",
            },
            add: |members| {
                members.method("close", |_, conn, ()| {
                    conn.0.is_closed.set(true);
                    Ok(())
                });
            },
        },
    ],
};

impl UserData for ConnObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        OBJECT.register(registry, &Others::NONE);
    }
}
