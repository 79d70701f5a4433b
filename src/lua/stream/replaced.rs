//! A body in which expressions are replaced as it streams.
//!
//! Must not know where the expressions come from.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;
use regex::bytes::Regex;

use crate::message::{Body, BodyError};

/// What was handed on already and is kept before the rest, so that expressions see what stands
/// before a match; the longest character has four bytes.
const BEFORE_BYTES: usize = 4;

/// An expression and what stands in the place of its matches.
#[derive(Debug, Clone)]
pub(in crate::lua) struct Rule {
    pub(in crate::lua) expression: Rc<Regex>,
    /// With `$1`, `${name}` and `$$`, as Go has them.
    pub(in crate::lua) template: Bytes,
}

/// A body with what its rules make of it.
pub(in crate::lua) struct Replaced {
    inner: Body,
    stages: Vec<Stage>,
    #[expect(clippy::option_option, reason = "no end yet, an end, an end with trailers")]
    end: Option<Option<HeaderMap>>,
}

impl Replaced {
    /// Lets rules work on a body, one after the other. A match of up to `match_bytes` is found
    /// wherever the body is cut; so much of it is held back until more comes.
    pub(in crate::lua) fn apply(body: Body, rules: &[Rule], match_bytes: usize) -> Body {
        let stage = |rule: &Rule| Stage::new(rule.clone(), match_bytes);
        let stages = rules.iter().map(stage).collect();
        Body::stream(Self { inner: body, stages, end: None })
    }

    /// Lets a piece pass all stages.
    fn pass(&mut self, piece: Bytes, place: Place) -> Bytes {
        self.stages.iter_mut().fold(piece, |piece, stage| stage.pass(&piece, place))
    }
}

/// Where in the body a piece stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Within,
    AtTheEnd,
}

struct Stage {
    rule: Rule,
    match_bytes: usize,
    held: BytesMut,
    /// How much of what is held was handed on already.
    done: usize,
    /// Whether that ends with a match.
    is_after_match: bool,
}

impl Stage {
    fn new(rule: Rule, match_bytes: usize) -> Self {
        Self { rule, match_bytes, held: BytesMut::new(), done: 0, is_after_match: false }
    }

    fn pass(&mut self, piece: &[u8], place: Place) -> Bytes {
        self.held.extend_from_slice(piece);
        let length = self.held.len();
        // A match that begins later may be longer than what is there.
        let sure = match place {
            Place::AtTheEnd => length + 1,
            Place::Within => length.saturating_sub(self.match_bytes),
        };
        let (mut out, mut at, mut from) = (BytesMut::new(), self.done, self.done);
        let mut last = self.is_after_match.then_some(self.done);
        while from <= length {
            let Some(captures) = self.rule.expression.captures_at(&self.held, from) else { break };
            let whole = captures.get_match();
            if whole.start() >= sure {
                break;
            }
            // Nothing right behind a match is no other one, as for `replace_all`.
            if whole.is_empty() && last == Some(whole.end()) {
                from = whole.end() + 1;
                continue;
            }
            out.extend_from_slice(self.held.get(at..whole.start()).unwrap_or_default());
            let mut made = Vec::new();
            captures.expand(&self.rule.template, &mut made);
            out.extend_from_slice(&made);
            (at, last) = (whole.end(), Some(whole.end()));
            // An empty match must not be found again.
            from = if whole.is_empty() { at + 1 } else { at };
        }
        let until = sure.min(length).max(at);
        out.extend_from_slice(self.held.get(at..until).unwrap_or_default());
        let dropped = until.saturating_sub(BEFORE_BYTES);
        let _ = self.held.split_to(dropped);
        self.done = until - dropped;
        self.is_after_match = last == Some(until);
        out.freeze()
    }
}

impl http_body::Body for Replaced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            if let Some(trailers) = &mut this.end {
                return Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            let passed = match ready!(http_body::Body::poll_frame(Pin::new(&mut this.inner), cx)) {
                Some(Err(error)) => {
                    this.end = Some(None);
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    this.end = Some(None);
                    this.pass(Bytes::new(), Place::AtTheEnd)
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.pass(data, Place::Within),
                    Err(frame) => {
                        this.end = Some(frame.into_trailers().ok());
                        this.pass(Bytes::new(), Place::AtTheEnd)
                    }
                },
            };
            if !passed.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(passed))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(expression: &str, template: &'static str) -> Rule {
        let expression = Rc::new(Regex::new(expression).unwrap());
        Rule { expression, template: Bytes::from_static(template.as_bytes()) }
    }

    /// What a rule makes of a text that comes in pieces.
    fn streamed(rule: &Rule, text: &str, pieces: &[usize]) -> Vec<u8> {
        let mut stage = Stage::new(rule.clone(), 8);
        let (mut out, mut rest) = (Vec::new(), text.as_bytes());
        for length in pieces {
            let (piece, more) = rest.split_at((*length).min(rest.len()));
            out.extend_from_slice(&stage.pass(piece, Place::Within));
            rest = more;
        }
        out.extend_from_slice(&stage.pass(rest, Place::Within));
        out.extend_from_slice(&stage.pass(&[], Place::AtTheEnd));
        out
    }

    const RULES: [(&str, &str); 8] = [
        ("ab+", "<$0>"),
        ("a", ""),
        (r"\ba", "X"),
        ("^a", "X"),
        ("b$", "X"),
        ("(?P<n>a)(b)", "${2}${n}$$"),
        ("x*", "-"),
        ("é", "e"),
    ];

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            text in "[abx é]{0,40}",
            pieces in proptest::collection::vec(0usize..12, 0..12),
        ) {
            // Longer matches than those that are promised to be found.
            prop_assume!(!text.contains("bbbbbbb") && !text.contains("xxxxxxx"));
            for (expression, template) in RULES {
                let rule = rule(expression, template);
                let whole = rule.expression.replace_all(text.as_bytes(), &rule.template[..]);
                let got = streamed(&rule, &text, &pieces);
                prop_assert_eq!(got, whole.into_owned(), "{}", expression);
            }
        }
    }
}
