//! The module `jwt`: signed tokens.

use mlua::{Lua, LuaString, UserData, UserDataRegistry, Value};
use serde_json::Value as Json;

use super::members::Others;
use super::{Doc, Function, Member, Module, Object, json};
use crate::lua::jose::{Keys, Verified};

pub(super) const MODULE: Module = Module {
    name: "jwt",
    text: "Signed tokens (JWT). Algorithms are HS256, HS384, HS512, RS256, RS384, RS512, PS256, \
           PS384, PS512, ES256, ES384 and EdDSA with Ed25519.",
    functions: &[
        Function {
            doc: Doc {
                name: "keys",
                signature: "jwt.keys(text: string) -> keys?, string?",
                text: "Reads the keys that tokens are verified with: a set of keys in JSON \
                       (JWKS), one key in JSON, or public keys and certificates as PEM text. \
                       Keys of kinds that cannot be used are passed over. Nil and the reason \
                       when there are none.",
                example: "local keys, why = jwt.keys(text)",
            },
            make: |lua, _| {
                lua.create_function(|_, text: LuaString| {
                    Ok(match Keys::read(&text.as_bytes()) {
                        Ok(keys) => (Some(KeysObject(keys)), None),
                        Err(error) => (None, Some(error.to_string())),
                    })
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "secret",
                signature: "jwt.secret(bytes: string) -> keys",
                text: "The secret that tokens signed with HS256, HS384 and HS512 share.",
                example: "local keys = jwt.secret(options.signingSecret)",
            },
            make: |lua, _| {
                lua.create_function(|_, bytes: LuaString| {
                    Ok(KeysObject(Keys::secret(&bytes.as_bytes())))
                })
                .map(Value::Function)
            },
        },
    ],
};

/// Keys that tokens are verified with.
pub(super) struct KeysObject(Keys);

pub(super) const KEYS: Object<KeysObject> = Object {
    name: "keys",
    text: "Keys that `jwt.keys` or `jwt.secret` has made.",
    members: &[Member {
        doc: Doc {
            name: "verify",
            signature: "keys:verify(token: string, algorithms: {string}?) -> table?, table | \
                        string",
            text: "Verifies a token's signature and returns its claims and its header; times and \
                   all else in the claims are for the script to check. Else nil and why: \
                   `malformed`, `algorithm` (not among `algorithms`, or unknown), `no_key` (no \
                   key is of that kind and has that id), `signature`.",
            example: "local claims, why = keys:verify(token, { \"RS256\" })",
        },
        add: |members| {
            members.method(
                "verify",
                |lua, keys, (token, allowed): (LuaString, Option<Vec<String>>)| {
                    let allowed = allowed.unwrap_or_default();
                    match keys.0.verify(&token.as_bytes(), &allowed) {
                        Ok(verified) => told(lua, verified),
                        Err(error) => {
                            let why = lua.create_string(error.to_string())?;
                            Ok((Value::Nil, Value::String(why)))
                        }
                    }
                },
            );
        },
    }],
};

impl UserData for KeysObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        KEYS.register(registry, &Others::NONE);
    }
}

fn told(lua: &Lua, verified: Verified) -> mlua::Result<(Value, Value)> {
    let claims = json::to_lua(lua, &Json::Object(verified.claims))?;
    Ok((claims, json::to_lua(lua, &Json::Object(verified.header))?))
}
