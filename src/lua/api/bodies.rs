//! What users read about the bodies of requests and responses: the part of `req` and `res` that
//! is the same for both.

use std::marker::PhantomData;

use super::body::{self, Holder};
use super::{Doc, Member, Object};

/// The part of an object that speaks of its body.
pub(super) struct Bodies<T>(PhantomData<T>);

impl<T: Holder> Bodies<T> {
    pub(super) const OBJECT: Object<T> = Object {
        name: "message",
        text: "What `req` and `res` have in common: their bodies. `message` stands for either. \
               A body streams from one side to the other unless a script asks for it.",
        members: &[
            Member {
                doc: Doc {
                    name: "length",
                    signature: "message.length: number?",
                    text: "How many bytes the body has; nil when that is not known before its \
                           end.",
                    example: "if res.length and res.length < 1024 then return res end",
                },
                add: body::length,
            },
            Member {
                doc: Doc {
                    name: "body",
                    signature: "message:body(options: { limit: number? }?) -> string",
                    text: "Waits for the whole body and returns it; it still goes on. A body of \
                           more than `limit` bytes (the middleware's `limits.body` unless said \
                           otherwise, 1 MiB) is an error, which answers 413 when it is the \
                           request's and nothing catches it; the body can go on even then.",
                    example: "local form = url.parse_query(req:body({ limit = 4096 }))",
                },
                add: body::read,
            },
            Member {
                doc: Doc {
                    name: "buffer",
                    signature: "message:buffer(options: { limit: number?, memory: number? }?) -> \
                                boolean",
                    text: "Waits for the whole body without bringing it into the script. What is \
                           more than `memory` bytes (1 MiB unless said otherwise) is kept in a \
                           temporary file. False when it has more than `limit` bytes; it goes \
                           on as a stream then.",
                    example: "if not req:buffer({ limit = 65536 }) then return respond(413) end",
                },
                add: body::buffer,
            },
            Member {
                doc: Doc {
                    name: "peek",
                    signature: "message:peek(bytes: number) -> string, boolean",
                    text: "The first bytes of the body, at most 64 KiB, which stay in it. Waits \
                           for the first of them; of the others come those that are there \
                           already. Says as well whether that is the whole body.",
                    example: "local start, all = res:peek(512)",
                },
                add: body::look_ahead,
            },
            Member {
                doc: Doc {
                    name: "chunks",
                    signature: "message:chunks() -> iterator",
                    text: "Walks over the body as it comes. What was walked over is gone from \
                           the message.",
                    example: "for chunk in req:chunks() do size = size + #chunk end",
                },
                add: body::chunks,
            },
            Member {
                doc: Doc {
                    name: "replace",
                    signature: "message:replace(body: string)",
                    text: "Puts another body in the place of the one that came; its length is \
                           told anew. `Content-Encoding` must be removed when it no longer says \
                           the truth.",
                    example: "res:replace(\"gone\\n\")",
                },
                add: body::replace,
            },
            Member {
                doc: Doc {
                    name: "filter",
                    signature: "message:filter(work: (chunk: string?, ctx, trailers: table?) -> \
                                (string?, table?))",
                    text: "Lets a function work on the body as it streams, after the hook. It is \
                           called with each chunk, and with nil at the end, and returns what \
                           goes on: nil for the same, \"\" for nothing. At the end it gets the \
                           trailers, if there are any, by name, and may return others as a \
                           second value. It may wait.",
                    example: "res:filter(function(chunk) return chunk and chunk:upper() end)",
                },
                add: body::filter,
            },
            Member {
                doc: Doc {
                    name: "encode",
                    signature: "message:encode(coding: string, options: { level: number? }?)",
                    text: "Compresses the body as it streams with `gzip`, `br` or `zstd` and \
                           says so in `Content-Encoding`. Levels are 1 to 9, 11 and 19; the \
                           usual ones are 6, 5 and 3.",
                    example: "res:encode(\"zstd\", { level = 1 })",
                },
                add: body::encode,
            },
            Member {
                doc: Doc {
                    name: "decode",
                    signature: "message:decode() -> boolean",
                    text: "Decompresses the body as it streams, by its `Content-Encoding`, which \
                           is removed. False when that is not `gzip`, `br` or `zstd`.",
                    example: "if res:decode() then res:filter(censor) end",
                },
                add: body::decode,
            },
            Member {
                doc: Doc {
                    name: "substitute",
                    signature: "message:substitute(rules: {{ expression: expression, template: \
                                string }}, options: { match_bytes: number? }?)",
                    text: "Replaces all matches of expressions in the body as it streams, one \
                           rule after the other; in a template `$1`, `${name}` and `$$` stand \
                           for what they do in `expression:replace`. So much of the body is held \
                           back that matches of up to `match_bytes` (1024) are found however it \
                           comes; longer ones may be missed.",
                    example: "res:substitute({ { expression = re.compile(\"a+\"), template = \
                              \"b\" } })",
                },
                add: super::substitute::add,
            },
        ],
    };
}
