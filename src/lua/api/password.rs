//! `crypto.verify_password`.

use std::rc::Rc;

use mlua::{LuaString, Value};

use super::{Doc, Function};
use crate::lua::tools::Mode;
use crate::lua::waiting;

pub(super) const VERIFY: Function = Function {
    doc: Doc {
        name: "verify_password",
        signature: "crypto.verify_password(password: string, hash: string) -> boolean",
        text: "Whether a password has that hash, which is written as htpasswd writes it: bcrypt \
               (`$2a$`, `$2b$`, `$2x$`, `$2y$`), MD5 (`$apr1$`, `$1$`) or SHA-1 (`{SHA}`); any \
               other is nobody's. bcrypt and MD5 are waited for while another thread computes \
               them, and a match is remembered for a while, so that a client's next request does \
               not cost as much again.",
        example: "if not crypto.verify_password(sent, hash) then return respond(401) end",
    },
    make: |lua, tools| {
        let tools = Rc::downgrade(tools);
        waiting::function(lua, move |lua, (password, hash): (LuaString, LuaString)| {
            let passwords = tools.upgrade().map(|tools| {
                tools.gate.may_wait(&lua)?;
                match tools.mode {
                    Mode::Live => Ok(tools.passwords()),
                    Mode::Inert => Err(mlua::Error::runtime("no request runs")),
                }
            });
            let (password, hash) = (password.as_bytes().to_vec(), hash.as_bytes().to_vec());
            async move {
                match passwords {
                    Some(passwords) => Ok(passwords?.verify(password, hash).await),
                    None => Err(mlua::Error::runtime("the VM has ended")),
                }
            }
        })
        .map(Value::Function)
    },
};
