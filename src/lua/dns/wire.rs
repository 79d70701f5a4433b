//! Messages of the domain name system as bytes (RFC 1035, section 4; RFC 2136, section 2).
//!
//! Must not know who sends them.

use std::fmt;

/// Nothing went wrong.
pub(super) const NO_ERROR: u8 = 0;
/// `NXDOMAIN`.
pub(super) const NO_SUCH_NAME: u8 = 3;

const TYPE_SOA: u16 = 6;
const TYPE_TXT: u16 = 16;
pub(super) const TYPE_TSIG: u16 = 250;
const CLASS_IN: u16 = 1;
const CLASS_NONE: u16 = 254;
pub(super) const CLASS_ANY: u16 = 255;
/// The operation of an update, where the header has it.
const UPDATE: u16 = 5 << 11;
/// The bit of an answer.
const ANSWER: u16 = 1 << 15;
const HEADER_BYTES: usize = 12;
/// One text of a TXT record.
const TEXT_BYTES_MAX: usize = 255;
/// Pointers followed in one name.
const POINTERS_MAX: usize = 32;

/// What a response code says, by its number.
pub(super) fn response_words(code: u8) -> String {
    let known = [
        "",
        "it understands no such message (FORMERR)",
        "it failed (SERVFAIL)",
        "there is no such name (NXDOMAIN)",
        "it does no updates (NOTIMP)",
        "it refuses (REFUSED)",
        "a name exists that should not (YXDOMAIN)",
        "records exist that should not (YXRRSET)",
        "records are missing (NXRRSET)",
        "it is not in charge of the zone, or the key may not (NOTAUTH)",
        "a name is not in the zone (NOTZONE)",
    ];
    known.get(usize::from(code)).map_or_else(|| format!("code {code}"), |words| (*words).to_owned())
}

/// A name that can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lua) struct Name(Vec<Box<[u8]>>);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no name: its parts have 1 to 63 bytes, the whole at most 253")]
pub(in crate::lua) struct NameError {
    text: String,
}

impl Name {
    /// Reads a name, in lower case, with or without a dot at its end.
    ///
    /// # Errors
    /// When it is too long or has an empty part.
    pub(in crate::lua) fn parse(text: &str) -> Result<Self, NameError> {
        let bare = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let labels: Vec<Box<[u8]>> = bare.split('.').map(|label| label.as_bytes().into()).collect();
        let fits = |label: &[u8]| (1..=63).contains(&label.len());
        if bare.len() > 253 || !labels.iter().all(|label| fits(label)) {
            return Err(NameError { text: text.to_owned() });
        }
        Ok(Self(labels))
    }

    /// Whether it is the other name, or lies below it.
    pub(super) fn is_within(&self, zone: &Self) -> bool {
        self.0.ends_with(&zone.0)
    }

    /// As bytes, which are also the canonical form that is signed.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        for label in &self.0 {
            // At most 63.
            to.push(u8::try_from(label.len()).unwrap_or_default());
            to.extend_from_slice(label);
        }
        to.push(0);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, label) in self.0.iter().enumerate() {
            let dot = if place == 0 { "" } else { "." };
            write!(f, "{dot}{}", String::from_utf8_lossy(label))?;
        }
        Ok(())
    }
}

/// A change of a TXT record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lua) enum Change {
    /// It is there afterwards, beside others of its name.
    Add { name: Name, seconds: u32, text: Vec<u8> },
    /// It is not there afterwards.
    Remove { name: Name, text: Vec<u8> },
}

pub(super) fn short(to: &mut Vec<u8>, number: u16) {
    to.extend_from_slice(&number.to_be_bytes());
}

fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let mut message = Vec::new();
    for number in [id, flags].into_iter().chain(counts) {
        short(&mut message, number);
    }
    message
}

/// Asks which zone a name is in.
pub(super) fn query(id: u16, name: &Name) -> Vec<u8> {
    let mut message = header(id, 0, [1, 0, 0, 0]);
    question(&mut message, name);
    message
}

/// Changes a zone.
pub(super) fn update(id: u16, zone: &Name, changes: &[Change]) -> Vec<u8> {
    let count = u16::try_from(changes.len()).unwrap_or(u16::MAX);
    let mut message = header(id, UPDATE, [1, 0, count, 0]);
    question(&mut message, zone);
    for change in changes.iter().take(usize::from(count)) {
        let (name, class, seconds, text) = match change {
            Change::Add { name, seconds, text } => (name, CLASS_IN, *seconds, text),
            Change::Remove { name, text } => (name, CLASS_NONE, 0, text),
        };
        let mut texts = Vec::new();
        for piece in text.chunks(TEXT_BYTES_MAX) {
            texts.push(u8::try_from(piece.len()).unwrap_or(u8::MAX));
            texts.extend_from_slice(piece);
        }
        record(&mut message, name, TYPE_TXT, class, seconds, &texts);
    }
    message
}

fn question(message: &mut Vec<u8>, name: &Name) {
    name.write(message);
    short(message, TYPE_SOA);
    short(message, CLASS_IN);
}

/// Appends a record; the header counts it already.
pub(super) fn record(
    message: &mut Vec<u8>,
    name: &Name,
    kind: u16,
    class: u16,
    seconds: u32,
    data: &[u8],
) {
    name.write(message);
    short(message, kind);
    short(message, class);
    message.extend_from_slice(&seconds.to_be_bytes());
    short(message, u16::try_from(data.len()).unwrap_or(u16::MAX));
    message.extend_from_slice(data);
}

/// Counts one more or one less among the additional records of a message.
pub(super) fn count_additional(message: &mut [u8], change: i16) {
    if let Some([high, low]) = message.get_mut(10..12) {
        let count = u16::from_be_bytes([*high, *low]).saturating_add_signed(change);
        [*high, *low] = count.to_be_bytes();
    }
}

/// What is of interest in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) id: u16,
    pub(super) code: u8,
    /// The owner of the first SOA record.
    pub(super) start_of_authority: Option<Name>,
    pub(super) signature: Option<Signature>,
}

/// A signature in an answer (RFC 8945, section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    /// Where its record begins.
    pub(super) at: usize,
    pub(super) key: Name,
    pub(super) algorithm: Name,
    pub(super) seconds: u64,
    pub(super) fudge: u16,
    pub(super) mac: Vec<u8>,
    pub(super) original_id: u16,
    pub(super) error: u16,
    pub(super) other: Vec<u8>,
}

/// Reads an answer; none when it is none.
pub(super) fn read(message: &[u8]) -> Option<Answer> {
    let mut reader = Reader { message, at: 0 };
    let (id, flags) = (reader.short()?, reader.short()?);
    if flags & ANSWER == 0 {
        return None;
    }
    let counts = [reader.short()?, reader.short()?, reader.short()?, reader.short()?];
    debug_assert_eq!(reader.at, HEADER_BYTES);
    let code = u8::try_from(flags & 15).ok()?;
    let mut answer = Answer { id, code, start_of_authority: None, signature: None };
    for _ in 0..counts[0] {
        reader.name()?;
        reader.take(4)?;
    }
    for _ in 0..counts[1..].iter().map(|count| usize::from(*count)).sum() {
        let at = reader.at;
        let (owner, kind) = (reader.name()?, reader.short()?);
        reader.take(2 + 4)?;
        let length = usize::from(reader.short()?);
        let end = reader.at.checked_add(length)?;
        match kind {
            TYPE_SOA if answer.start_of_authority.is_none() => {
                answer.start_of_authority = Some(owner);
            }
            TYPE_TSIG => answer.signature = Some(reader.signature(at, owner)?),
            _ => {}
        }
        // A signature must be the last record; one in front of others is none.
        if kind != TYPE_TSIG {
            answer.signature = None;
        }
        reader.at = end;
    }
    (reader.at <= message.len()).then_some(answer)
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.message.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// A name, whose rest may stand further ahead in the message.
    fn name(&mut self) -> Option<Name> {
        let (mut labels, mut after, mut pointers) = (Vec::new(), None, 0);
        loop {
            let length = *self.take(1)?.first()?;
            match length {
                0 => break,
                1..=63 => {
                    labels.push(self.take(usize::from(length))?.to_ascii_lowercase().into());
                }
                192..=255 => {
                    let low = *self.take(1)?.first()?;
                    after.get_or_insert(self.at);
                    pointers += 1;
                    if pointers > POINTERS_MAX {
                        return None;
                    }
                    self.at = usize::from(length & 63) << 8 | usize::from(low);
                }
                _ => return None,
            }
        }
        self.at = after.unwrap_or(self.at);
        Some(Name(labels))
    }

    fn signature(&mut self, at: usize, key: Name) -> Option<Signature> {
        let algorithm = self.name()?;
        let (high, low) = (self.short()?, self.take(4)?);
        let low = u32::from_be_bytes(low.try_into().ok()?);
        let seconds = u64::from(high) << 32 | u64::from(low);
        let fudge = self.short()?;
        let length = usize::from(self.short()?);
        let mac = self.take(length)?.to_vec();
        let (original_id, error) = (self.short()?, self.short()?);
        let length = usize::from(self.short()?);
        let other = self.take(length)?.to_vec();
        Some(Signature { at, key, algorithm, seconds, fudge, mac, original_id, error, other })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_limits() {
        let name = Name::parse("_ACME-challenge.a.example.").unwrap();
        assert_eq!(name.to_string(), "_acme-challenge.a.example");
        assert!(name.is_within(&Name::parse("a.example").unwrap()));
        assert!(!name.is_within(&Name::parse("b.example").unwrap()));
        for bad in ["", "a..b", &"x".repeat(64), &"x.".repeat(128)] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_with_pointers_is_read() {
        let mut message = header(7, ANSWER | 3, [1, 0, 1, 0]);
        question(&mut message, &Name::parse("x.a.example").unwrap());
        // The zone's name is the rest of the question's, behind its first label.
        message.extend_from_slice(&[0xc0, 14]);
        short(&mut message, TYPE_SOA);
        short(&mut message, CLASS_IN);
        message.extend_from_slice(&[0, 0, 0, 60, 0, 2, 0, 0]);
        let answer = read(&message).unwrap();
        let zone = Name::parse("a.example").unwrap();
        assert_eq!((answer.id, answer.code, answer.start_of_authority), (7, 3, Some(zone)));
        // A part of it is none, whatever part that is.
        for length in 0..message.len() {
            assert_eq!(read(&message[..length]), None, "{length}");
        }
    }

    proptest::proptest! {
        /// Whatever a server sends is read or refused: a signed answer with changes in it.
        #[test]
        fn whatever_comes_is_read_or_refused(
            changes in proptest::collection::vec((0..400_usize, 0..=255_u8), 0..8),
            length in 0..400_usize,
        ) {
            let name = Name::parse("x.a.example").unwrap();
            let mut message = header(7, ANSWER, [1, 0, 1, 1]);
            question(&mut message, &name);
            record(&mut message, &name, TYPE_SOA, CLASS_IN, 60, &[0; 22]);
            let mut data = Vec::new();
            Name::parse("hmac-sha256").unwrap().write(&mut data);
            data.extend_from_slice(&[0, 0, 0, 0, 0, 9, 1, 44, 0, 4, 1, 2, 3, 4, 0, 7, 0, 0, 0, 0]);
            record(&mut message, &name, TYPE_TSIG, CLASS_ANY, 0, &data);
            assert!(read(&message).unwrap().signature.is_some());
            for (at, byte) in changes {
                if let Some(place) = message.get_mut(at) {
                    *place = byte;
                }
            }
            message.truncate(length.max(1));
            let _ = read(&message);
        }
    }

    #[test]
    fn a_name_that_points_to_itself_ends() {
        let mut message = header(7, ANSWER, [1, 0, 0, 0]);
        message.extend_from_slice(&[0xc0, 12, 0, 6, 0, 1]);
        assert_eq!(read(&message), None);
    }

    #[test]
    fn long_texts_are_several() {
        let name = Name::parse("a.example").unwrap();
        let text = vec![b'x'; 300];
        let change = Change::Add { name: name.clone(), seconds: 1, text };
        let message = update(1, &name, &[change]);
        let data = &message[message.len() - 302..];
        assert_eq!((data[0], data[256]), (255, 45));
    }
}
