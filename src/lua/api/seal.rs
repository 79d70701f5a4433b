//! `crypto.seal` and `crypto.open`: text that only who knows the key can read or make.

use mlua::{BString, LuaString, Value};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{Doc, Function};

/// Separates these keys from others that are made of the same secret.
const PURPOSE: &[u8] = b"moongate seal 1\n";

pub(super) const SEAL: Function = Function {
    doc: Doc {
        name: "seal",
        signature: "crypto.seal(key: string, text: string, context: string?) -> string",
        text: "Encrypts text with a secret of any length (AES-256-GCM), so that it can be opened \
               with the same secret and the same `context`, and cannot be changed. Returns bytes; \
               no two calls return the same.",
        example: "local cookie = base64.encode(crypto.seal(secret, text), \"base64url\")",
    },
    make: |lua, _| {
        lua.create_function(
            |_, (secret, text, context): (LuaString, LuaString, Option<LuaString>)| {
                let failed = || mlua::Error::runtime("crypto.seal: the text cannot be encrypted");
                let mut nonce = [0; NONCE_LEN];
                SystemRandom::new().fill(&mut nonce).map_err(|_| failed())?;
                let mut sealed = text.as_bytes().to_vec();
                let key = key(&secret.as_bytes()).ok_or_else(failed)?;
                let nonce_of = Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_append_tag(nonce_of, aad(context.as_ref()), &mut sealed)
                    .map_err(|_| failed())?;
                sealed.splice(..0, nonce);
                Ok(BString::from(sealed))
            },
        )
        .map(Value::Function)
    },
};

pub(super) const OPEN: Function = Function {
    doc: Doc {
        name: "open",
        signature: "crypto.open(key: string, sealed: string, context: string?) -> string?",
        text: "The text that `crypto.seal` has encrypted; nil when it was another secret or \
               context, or when something was changed.",
        example: "local text = crypto.open(secret, base64.decode(cookie) or \"\")",
    },
    make: |lua, _| {
        lua.create_function(
            |_, (secret, sealed, context): (LuaString, LuaString, Option<LuaString>)| {
                let sealed = sealed.as_bytes();
                let Some((nonce, rest)) = sealed.split_at_checked(NONCE_LEN) else {
                    return Ok(None);
                };
                let nonce = Nonce::try_assume_unique_for_key(nonce);
                let (Ok(nonce), Some(key)) = (nonce, key(&secret.as_bytes())) else {
                    return Ok(None);
                };
                let mut text = rest.to_vec();
                let opened = key.open_in_place(nonce, aad(context.as_ref()), &mut text);
                Ok(opened.ok().map(|text| BString::from(&*text)))
            },
        )
        .map(Value::Function)
    },
};

fn key(secret: &[u8]) -> Option<LessSafeKey> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(PURPOSE);
    context.update(secret);
    UnboundKey::new(&AES_256_GCM, context.finish().as_ref()).ok().map(LessSafeKey::new)
}

fn aad(context: Option<&LuaString>) -> Aad<Vec<u8>> {
    Aad::from(context.map(|context| context.as_bytes().to_vec()).unwrap_or_default())
}
