//! The modules `base64` and `hex`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use mlua::{BString, LuaString, Value};

use super::{Doc, Function, Module};

pub(super) const BASE64: Module = Module {
    name: "base64",
    text: "Base64 text.",
    functions: &[
        Function {
            doc: Doc {
                name: "encode",
                signature: "base64.encode(bytes: string, variant: string?) -> string",
                text: "Encodes bytes; the variant is `base64` (padded) or `base64url` (for URLs, \
                       without padding).",
                example: "local basic = \"Basic \" .. base64.encode(\"anna:secret\")",
            },
            make: |lua, _| {
                lua.create_function(|_, (bytes, variant): (LuaString, Option<String>)| {
                    let encoding = variant.as_deref().unwrap_or("base64");
                    encode(&bytes.as_bytes(), Some(encoding))
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "decode",
                signature: "base64.decode(text: string) -> string?",
                text: "Decodes either variant, with or without padding; nil when the text is \
                       neither.",
                example: "local pair = base64.decode(text)",
            },
            make: |lua, _| {
                lua.create_function(|_, text: LuaString| {
                    let bytes = text.as_bytes();
                    let bare = bytes.trim_ascii_end();
                    let end = bare.iter().rposition(|&b| b != b'=').map_or(0, |at| at + 1);
                    let bare = bare.get(..end).unwrap_or_default();
                    let decoded = STANDARD_NO_PAD.decode(bare);
                    let decoded = decoded.or_else(|_| URL_SAFE_NO_PAD.decode(bare));
                    Ok(decoded.ok().map(BString::from))
                })
                .map(Value::Function)
            },
        },
    ],
};

pub(super) const HEX: Module = Module {
    name: "hex",
    text: "Hexadecimal text.",
    functions: &[
        Function {
            doc: Doc {
                name: "encode",
                signature: "hex.encode(bytes: string) -> string",
                text: "Encodes bytes in lower case.",
                example: "local id = hex.encode(crypto.random_bytes(8))",
            },
            make: |lua, _| {
                lua.create_function(|_, bytes: LuaString| encode(&bytes.as_bytes(), Some("hex")))
                    .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "decode",
                signature: "hex.decode(text: string) -> string?",
                text: "Decodes either case; nil when the text is no hexadecimal.",
                example: "local bytes = hex.decode(\"00ff\")",
            },
            make: |lua, _| {
                lua.create_function(|_, text: LuaString| {
                    let bytes = HEXLOWER_PERMISSIVE.decode(&text.as_bytes());
                    Ok(bytes.ok().map(BString::from))
                })
                .map(Value::Function)
            },
        },
    ],
};

/// Bytes in an encoding that scripts name; none means the bytes themselves.
///
/// # Errors
/// When there is no such encoding.
pub(super) fn encode(bytes: &[u8], encoding: Option<&str>) -> mlua::Result<BString> {
    Ok(match encoding {
        None => BString::from(bytes),
        Some("hex") => BString::from(HEXLOWER.encode(bytes)),
        Some("base64") => BString::from(STANDARD.encode(bytes)),
        Some("base64url") => BString::from(URL_SAFE_NO_PAD.encode(bytes)),
        Some(other) => {
            let known = "hex, base64, base64url";
            let wrong = format!("unknown encoding {other:?}; known are {known}");
            return Err(mlua::Error::runtime(wrong));
        }
    })
}
