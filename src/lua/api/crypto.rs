//! The module `crypto`.

use md5::{Digest as _, Md5};
use mlua::{BString, LuaString, UserData, UserDataRegistry, Value};
use ring::rand::SecureRandom as _;
use ring::{digest, hmac};

use super::encoding::encode;
use super::members::Others;
use super::password;
use super::{Doc, Function, Member, Module, Object, seal, sign, x509};
use crate::lua::raw::{self, Args, Called, Out};
use crate::lua::tools::Tools;

/// Random bytes that one call may ask for.
const RANDOM_BYTES_MAX: usize = 64 * 1024;

pub(super) const MODULE: Module = Module {
    name: "crypto",
    text: "Digests, message authentication, randomness and certificates. Where an `encoding` can \
           be given it is `hex`, `base64` or `base64url`; without one the bytes themselves are \
           returned.",
    functions: &[
        Function {
            doc: Doc {
                name: "hmac",
                signature: "crypto.hmac(algorithm: string, key: string, message: string, \
                            encoding: string?) -> string",
                text: "The HMAC of a message; the algorithm is `sha1`, `sha256`, `sha384` or \
                       `sha512`.",
                example: "local mac = crypto.hmac(\"sha256\", key, text, \"base64url\")",
            },
            make: |lua, _| {
                let sign = |_: &Tools, args: Args<'_>, out: &mut Out<'_>| {
                    let (name, key) = (args.at(0).text()?, args.at(1).text()?);
                    let (message, encoding) = (args.at(2).text()?, args.at(3).optional()?);
                    let tag = hmac::sign(&hmac::Key::new(hmac_algorithm(&name)?, &key), &message);
                    let encoding = encoding.as_deref().map(str::from_utf8).transpose();
                    let encoding = encoding.map_err(mlua::Error::external)?;
                    out.text(&encode(tag.as_ref(), encoding)?);
                    Ok(Called::Answered)
                };
                raw::function(lua, sign, None).map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "hmac_key",
                signature: "crypto.hmac_key(algorithm: string, key: string) -> key",
                text: "Prepares a key that signs many messages.",
                example: "local key = crypto.hmac_key(\"sha256\", options.secret)",
            },
            make: |lua, _| {
                lua.create_function(|_, (name, key): (LuaString, LuaString)| {
                    Ok(Key(hmac::Key::new(hmac_algorithm(&name.as_bytes())?, &key.as_bytes())))
                })
                .map(Value::Function)
            },
        },
        Function { doc: DIGESTS[0], make: |lua, _| hash(lua, &digest::SHA256) },
        Function { doc: DIGESTS[1], make: |lua, _| hash(lua, &digest::SHA384) },
        Function { doc: DIGESTS[2], make: |lua, _| hash(lua, &digest::SHA512) },
        Function { doc: DIGESTS[3], make: |lua, _| hash(lua, &digest::SHA1_FOR_LEGACY_USE_ONLY) },
        Function { doc: DIGESTS[4], make: |lua, _| md5(lua) },
        password::VERIFY,
        Function {
            doc: Doc {
                name: "equal",
                signature: "crypto.equal(a: string, b: string) -> boolean",
                text: "Compares in a time that does not tell where two strings differ.",
                example: "if not crypto.equal(mac, sent) then return respond(401) end",
            },
            make: |lua, _| {
                let equal = |_: &Tools, args: Args<'_>, out: &mut Out<'_>| {
                    let (a, b) = (args.at(0).text()?, args.at(1).text()?);
                    // Digests are of one length, so that the lengths of a secret stay hidden too.
                    let (a, b) = (fingerprint(&a), fingerprint(&b));
                    let different = a
                        .as_ref()
                        .iter()
                        .zip(b.as_ref())
                        .fold(0, |d, (a, b)| d | std::hint::black_box(a ^ b));
                    out.boolean(different == 0);
                    Ok(Called::Answered)
                };
                raw::function(lua, equal, None).map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "random",
                signature: "crypto.random(low: number, high: number) -> number",
                text: "An unpredictable whole number, both ends included.",
                example: "local arm = crypto.random(0, 99) < 10 and \"b\" or \"a\"",
            },
            make: |lua, _| {
                lua.create_function(|_, (low, high): (i64, i64)| {
                    let span = high.checked_sub(low).filter(|span| *span >= 0);
                    let span = span.and_then(|span| u64::try_from(span).ok());
                    let wrong = || mlua::Error::runtime("crypto.random: high is below low");
                    let span = u128::from(span.ok_or_else(wrong)?) + 1;
                    // 64 bits more than the range needs: the bias is beyond notice.
                    let wide = u128::from_ne_bytes(random()?) % span;
                    let offset = i64::try_from(wide).map_err(|_| wrong())?;
                    Ok(low + offset)
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "random_bytes",
                signature: "crypto.random_bytes(count: number) -> string",
                text: "Unpredictable bytes.",
                example: "local nonce = hex.encode(crypto.random_bytes(16))",
            },
            make: |lua, _| {
                lua.create_function(|_, count: usize| {
                    if count > RANDOM_BYTES_MAX {
                        let wrong = format!("at most {RANDOM_BYTES_MAX} random bytes at once");
                        return Err(mlua::Error::runtime(wrong));
                    }
                    let mut bytes = vec![0; count];
                    fill(&mut bytes)?;
                    Ok(BString::from(bytes))
                })
                .map(Value::Function)
            },
        },
        sign::SIGN,
        seal::SEAL,
        seal::OPEN,
        x509::FUNCTION,
    ],
};

/// A prepared key.
pub(super) struct Key(hmac::Key);

pub(super) const KEY: Object<Key> = Object {
    name: "key",
    text: "A key that `crypto.hmac_key` has prepared.",
    members: &[Member {
        doc: Doc {
            name: "sign",
            signature: "key:sign(message: string, encoding: string?) -> string",
            text: "The HMAC of a message.",
            example: "local mac = key:sign(text, \"base64url\")",
        },
        add: |members| {
            members.method(
                "sign",
                |_, key, (message, encoding): (LuaString, Option<LuaString>)| {
                    sign(&key.0, &message, encoding.as_ref())
                },
            );
        },
    }],
};

impl UserData for Key {
    fn register(registry: &mut UserDataRegistry<Self>) {
        KEY.register(registry, &Others::NONE);
    }
}

const DIGESTS: [Doc; 5] = [
    Doc {
        name: "sha256",
        signature: "crypto.sha256(bytes: string, encoding: string?) -> string",
        text: "The SHA-256 digest.",
        example: "local tag = crypto.sha256(text, \"hex\")",
    },
    Doc {
        name: "sha384",
        signature: "crypto.sha384(bytes: string, encoding: string?) -> string",
        text: "The SHA-384 digest.",
        example: "local tag = crypto.sha384(text, \"hex\")",
    },
    Doc {
        name: "sha512",
        signature: "crypto.sha512(bytes: string, encoding: string?) -> string",
        text: "The SHA-512 digest.",
        example: "local tag = crypto.sha512(text, \"hex\")",
    },
    Doc {
        name: "sha1",
        signature: "crypto.sha1(bytes: string, encoding: string?) -> string",
        text: "The SHA-1 digest, for protocols that ask for it.",
        example: "local tag = crypto.sha1(text, \"hex\")",
    },
    Doc {
        name: "md5",
        signature: "crypto.md5(bytes: string, encoding: string?) -> string",
        text: "The MD5 digest, for protocols that ask for it. It protects nothing.",
        example: "local tag = crypto.md5(text, \"hex\")",
    },
];

fn hmac_algorithm(name: &[u8]) -> mlua::Result<hmac::Algorithm> {
    match name {
        b"sha256" => Ok(hmac::HMAC_SHA256),
        b"sha384" => Ok(hmac::HMAC_SHA384),
        b"sha512" => Ok(hmac::HMAC_SHA512),
        b"sha1" => Ok(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        _ => {
            let known = "sha1, sha256, sha384, sha512";
            let name = String::from_utf8_lossy(name);
            Err(mlua::Error::runtime(format!("unknown algorithm {name:?}; known are {known}")))
        }
    }
}

fn sign(
    key: &hmac::Key,
    message: &LuaString,
    encoding: Option<&LuaString>,
) -> mlua::Result<BString> {
    let tag = hmac::sign(key, &message.as_bytes());
    let encoding = encoding.map(LuaString::to_str).transpose()?;
    encode(tag.as_ref(), encoding.as_deref())
}

fn hash(lua: &mlua::Lua, algorithm: &'static digest::Algorithm) -> mlua::Result<Value> {
    lua.create_function(move |_, (bytes, encoding): (LuaString, Option<String>)| {
        encode(digest::digest(algorithm, &bytes.as_bytes()).as_ref(), encoding.as_deref())
    })
    .map(Value::Function)
}

fn md5(lua: &mlua::Lua) -> mlua::Result<Value> {
    lua.create_function(|_, (bytes, encoding): (LuaString, Option<String>)| {
        encode(Md5::digest(&*bytes.as_bytes()).as_slice(), encoding.as_deref())
    })
    .map(Value::Function)
}

fn fingerprint(text: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, text)
}

fn random() -> mlua::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(bytes)
}

fn fill(bytes: &mut [u8]) -> mlua::Result<()> {
    let filled = ring::rand::SystemRandom::new().fill(bytes);
    filled.map_err(|_| mlua::Error::runtime("the system gives no randomness"))
}
