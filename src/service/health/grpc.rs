//! The gRPC health checking protocol, version 1: one call without a service's name, which a well
//! server answers with `SERVING`.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue};

/// The path of the call.
pub(super) const PATH: Bytes = Bytes::from_static(b"/grpc.health.v1.Health/Check");

/// An empty message: not compressed, no bytes long.
pub(super) const QUESTION: Bytes = Bytes::from_static(&[0, 0, 0, 0, 0]);

/// Makes the headers those of a call.
pub(super) fn prepare(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
}

/// Whether a message says `SERVING`: after the five bytes of its frame, field 1 is the number 1.
pub(super) fn is_serving(answer: &[u8]) -> bool {
    matches!(answer, [0, 0, 0, 0, 2, 8, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_answer() {
        for (answer, expect) in [
            (&[0, 0, 0, 0, 2, 8, 1][..], true),
            (&[0, 0, 0, 0, 2, 8, 2][..], false),
            (&[0, 0, 0, 0, 0][..], false),
            (&[][..], false),
        ] {
            assert_eq!(is_serving(answer), expect, "{answer:?}");
        }
    }
}
