//! What Redis is told and what it answers: RESP, version 2.
//!
//! Pure. Must not know what commands mean.

use bytes::Bytes;

/// Answers nested deeper than this are refused.
const DEPTH_MAX: usize = 8;
/// Values in one list.
const ITEMS_MAX: usize = 65_536;
/// Bytes of one answer.
pub(super) const ANSWER_BYTES_MAX: usize = 4 << 20;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// Bytes, or the name of a status.
    Text(Bytes),
    /// A number.
    Number(i64),
    /// Several answers.
    List(Vec<Reply>),
    /// The command has failed; the first word says how.
    Error(String),
}

/// Bytes that are no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was read is no answer of Redis")]
pub(super) struct NoAnswer;

/// A command as bytes.
pub(super) fn encode(arguments: &[Bytes]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        text.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        text.extend_from_slice(argument);
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// The answer at the beginning of what was read, with its length; `None` when more is needed.
///
/// # Errors
/// When no answer begins like that.
pub(super) fn parse(read: &[u8]) -> Result<Option<(Reply, usize)>, NoAnswer> {
    let mut at = 0;
    Ok(value(read, &mut at, 0)?.map(|reply| (reply, at)))
}

fn value(read: &[u8], at: &mut usize, depth: usize) -> Result<Option<Reply>, NoAnswer> {
    if depth > DEPTH_MAX {
        return Err(NoAnswer);
    }
    let Some(line) = line(read, at) else { return Ok(None) };
    let (kind, rest) = line.split_first().ok_or(NoAnswer)?;
    Ok(Some(match kind {
        b'+' => Reply::Text(Bytes::copy_from_slice(rest)),
        b'-' => Reply::Error(String::from_utf8_lossy(rest).into_owned()),
        b':' => Reply::Number(number(rest)?),
        b'$' => match length(rest, ANSWER_BYTES_MAX)? {
            None => Reply::Nil,
            Some(length) => match text(read, at, length)? {
                Some(text) => Reply::Text(text),
                None => return Ok(None),
            },
        },
        b'*' => match length(rest, ITEMS_MAX)? {
            None => Reply::Nil,
            Some(count) => {
                let mut items = Vec::new();
                for _ in 0..count {
                    match value(read, at, depth + 1)? {
                        Some(item) => items.push(item),
                        None => return Ok(None),
                    }
                }
                Reply::List(items)
            }
        },
        _ => return Err(NoAnswer),
    }))
}

/// The bytes up to the next line break.
fn line<'a>(read: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = read.get(*at..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    *at += end + 2;
    rest.get(..end)
}

fn text(read: &[u8], at: &mut usize, length: usize) -> Result<Option<Bytes>, NoAnswer> {
    let Some(rest) = read.get(*at..).filter(|rest| rest.len() >= length + 2) else {
        return Ok(None);
    };
    if rest.get(length..length + 2) != Some(b"\r\n") {
        return Err(NoAnswer);
    }
    *at += length + 2;
    Ok(rest.get(..length).map(Bytes::copy_from_slice))
}

/// A length; -1 stands for nothing at all.
fn length(digits: &[u8], max: usize) -> Result<Option<usize>, NoAnswer> {
    match number(digits)? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) if length <= max => Ok(Some(length)),
            _ => Err(NoAnswer),
        },
    }
}

fn number(digits: &[u8]) -> Result<i64, NoAnswer> {
    let text = std::str::from_utf8(digits).map_err(|_| NoAnswer)?;
    text.parse().map_err(|_| NoAnswer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> Reply {
        Reply::Text(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn answers_are_read_in_pieces() {
        let all = b"*5\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*2\r\n+OK\r\n-ERR no\r\n*-1\r\n+next";
        let expect = Reply::List(vec![
            Reply::Number(-7),
            text("a\r\n"),
            Reply::Nil,
            Reply::List(vec![text("OK"), Reply::Error("ERR no".to_owned())]),
            Reply::Nil,
        ]);
        let whole = all.len() - 5;
        for end in 0..whole {
            assert_eq!(parse(&all[..end]), Ok(None), "{end}");
        }
        assert_eq!(parse(all), Ok(Some((expect, whole))));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let deep = "*1\r\n".repeat(DEPTH_MAX + 2);
        for wrong in ["HTTP/1.1 400\r\n", "\r\n", ":x\r\n", "$-2\r\n", "$9999999999\r\n", &deep] {
            assert_eq!(parse(wrong.as_bytes()), Err(NoAnswer), "{wrong}");
        }
        assert_eq!(parse(b"$1\r\nab\r\n"), Err(NoAnswer));
    }

    #[test]
    fn commands_are_lists_of_texts() {
        let command = [Bytes::from_static(b"GET"), Bytes::from_static(b"a b")];
        assert_eq!(encode(&command), b"*2\r\n$3\r\nGET\r\n$3\r\na b\r\n");
    }

    proptest::proptest! {
        #[test]
        fn anything_can_be_read(bytes in proptest::collection::vec(0u8.., 0..64)) {
            if let Ok(Some((_, length))) = parse(&bytes) {
                assert!(length <= bytes.len());
            }
        }
    }
}
