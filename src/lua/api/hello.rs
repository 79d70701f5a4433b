//! `hello`: a TLS handshake as a script sees it before it is answered.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use mlua::{UserData, UserDataRegistry};

use super::members::Others;
use super::{Doc, Member, Object};
use crate::lua::Offer;
use crate::message::Client;

/// A handshake while a hook looks at it.
pub(in crate::lua) struct HelloSlot {
    /// Empty after the hook.
    pub(in crate::lua) offer: RefCell<Option<(Rc<Client>, Offer)>>,
    /// Whether the script refuses it.
    pub(in crate::lua) is_closed: Cell<bool>,
    /// The name whose certificate the script has chosen.
    pub(in crate::lua) chosen: RefCell<Option<String>>,
}

impl fmt::Debug for HelloSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HelloSlot").field("is_closed", &self.is_closed).finish_non_exhaustive()
    }
}

impl HelloSlot {
    pub(in crate::lua) fn new(client: Rc<Client>, offer: Offer) -> Rc<Self> {
        Rc::new(Self {
            offer: RefCell::new(Some((client, offer))),
            is_closed: Cell::new(false),
            chosen: RefCell::new(None),
        })
    }

    fn with<R>(&self, body: impl FnOnce(&Client, &Offer) -> R) -> mlua::Result<R> {
        match &*self.offer.borrow() {
            Some((client, offer)) => Ok(body(client, offer)),
            None => Err(mlua::Error::runtime(HELLO_OVER)),
        }
    }
}

/// Why an object can no longer be used.
const HELLO_OVER: &str = "this handshake is no longer the script's: hello ends with its hook";

/// `hello` of one run.
pub(in crate::lua) struct HelloObject(pub(in crate::lua) Rc<HelloSlot>);

pub(super) const OBJECT: Object<HelloObject> = Object {
    name: "hello",
    text: "A TLS handshake before it is answered. The hook `tls(hello, ctx)` of the script that \
           `tls.options.NAME.lua` names gets it, and returns nothing; it can be used until the \
           hook ends.",
    members: &[
        Member {
            doc: Doc {
                name: "remote_ip",
                signature: "hello.remote_ip: string",
                text: "The address the connection comes from; a PROXY header that is believed \
                       says from where.",
                example: "if hello.remote_ip == \"192.0.2.1\" then hello:close() end",
            },
            add: |members| {
                members.getter("remote_ip", |_, hello| {
                    hello.0.with(|client, _| client.peer.ip().to_canonical().to_string())
                });
            },
        },
        Member {
            doc: Doc {
                name: "sni",
                signature: "hello.sni: string?",
                text: "The server name that the client asks for, in lower case; nil without one.",
                example: "if hello.sni == nil then hello:close() end",
            },
            add: |members| {
                members.getter("sni", |_, hello| {
                    let name =
                        |client: &Client| client.tls.as_ref()?.sni.as_deref().map(str::to_owned);
                    hello.0.with(|client, _| name(client))
                });
            },
        },
        Member {
            doc: Doc {
                name: "alpn",
                signature: "hello.alpn: { string }",
                text: "The protocols that the client offers, in its order; empty without any.",
                example: "local http2 = hello.alpn[1] == \"h2\"",
            },
            add: |members| {
                members.getter("alpn", |lua, hello| {
                    let protocols = hello.0.with(|_, offer| offer.protocols.clone())?;
                    let all = protocols.iter().map(|protocol| lua.create_string(protocol));
                    lua.create_sequence_from(all.collect::<mlua::Result<Vec<_>>>()?)
                });
            },
        },
        Member {
            doc: Doc {
                name: "ja4",
                signature: "hello.ja4: string?",
                text: "The client's JA4 fingerprint, which tells browsers, libraries and tools \
                       apart whatever they say of themselves; nil where it cannot be had.",
                example: "if hello.ja4 == \"t13d1516h2_8daaf6152771_e5627efa2ab1\" then \
                          hello:close() end",
            },
            add: |members| {
                members.getter("ja4", |_, hello| hello.0.with(|_, offer| offer.ja4.clone()));
            },
        },
        Member {
            doc: Doc {
                name: "certificate",
                signature: "hello:certificate(name: string): boolean",
                text: "Shows the client the certificate of another name than the one that it \
                       asks for. False, and nothing changes, where there is none for the name.",
                example: "if hello.sni == nil then hello:certificate(\"shop.example\") end",
            },
            add: |members| {
                members.method("certificate", |_, hello, name: String| {
                    let is_there = hello.0.with(|_, offer| (offer.holds)(&name))?;
                    if is_there {
                        hello.0.chosen.replace(Some(name));
                    }
                    Ok(is_there)
                });
            },
        },
        Member {
            doc: Doc {
                name: "close",
                signature: "hello:close()",
                text: "Closes the connection once the hook ends, without an answer to its \
                       handshake.",
                example: "hello:close()",
            },
            add: |members| {
                members.method("close", |_, hello, ()| {
                    hello.0.is_closed.set(true);
                    Ok(())
                });
            },
        },
    ],
};

impl UserData for HelloObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        OBJECT.register(registry, &Others::NONE);
    }
}
