//! JA4: what kind of client a `ClientHello` comes from, as a short text (the description of JA4 by
//! `FoxIO`; RFC 8446, section 4.1.2; RFC 8701 for values that are there to be ignored).
//!
//! Two connections of one client have the same text, whatever server they ask for.

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};

use super::{PROTOCOLS, Reader, SERVER_NAME, message, walk};

const SIGNATURE_ALGORITHMS: u16 = 13;
const SUPPORTED_VERSIONS: u16 = 43;
/// What stands for a list without entries.
const NOTHING: &str = "000000000000";

/// The JA4 of a handshake over TCP, of which the first bytes are here.
///
/// None when the `ClientHello` is not whole, or broken.
#[must_use]
pub fn ja4(bytes: &[u8]) -> Option<String> {
    Said::read(&mut Reader(&message(bytes).ok()?)).map(Said::text)
}

/// What counts of a `ClientHello`.
#[derive(Default)]
struct Said {
    version: u16,
    suites: Vec<u16>,
    extensions: Vec<u16>,
    algorithms: Vec<u16>,
    protocol: Vec<u8>,
}

impl Said {
    fn read(body: &mut Reader<'_>) -> Option<Self> {
        let mut said = Self::default();
        let mut best = None;
        let (version, mut suites) = walk(body, |kind, mut extension| {
            match kind {
                SUPPORTED_VERSIONS => {
                    let offered = numbers(&mut Reader(extension.short()?))?;
                    best = offered.into_iter().max().or(best);
                }
                SIGNATURE_ALGORITHMS => {
                    said.algorithms = numbers(&mut Reader(extension.long()?))?;
                }
                PROTOCOLS => said.protocol = Reader(extension.long()?).short()?.to_vec(),
                _ => {}
            }
            if !is_grease(kind) {
                said.extensions.push(kind);
            }
            Some(())
        })?;
        said.version = best.unwrap_or(version);
        said.suites = numbers(&mut suites)?;
        Some(said)
    }

    fn text(mut self) -> String {
        let (suites, extensions) = (self.suites.len().min(99), self.extensions.len().min(99));
        let named = if self.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
        let version = match self.version {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            0x0002 => "s2",
            _ => "00",
        };
        let protocol = ends(&self.protocol);
        self.suites.sort_unstable();
        // Those that say where the client goes are of this connection, not of the client.
        self.extensions.retain(|kind| !matches!(*kind, SERVER_NAME | PROTOCOLS));
        self.extensions.sort_unstable();
        let mut rest = list(&self.extensions);
        if !self.algorithms.is_empty() {
            rest = format!("{rest}_{}", list(&self.algorithms));
        }
        let rest = if self.extensions.is_empty() { String::new() } else { rest };
        let (first, second) = (short(&list(&self.suites)), short(&rest));
        format!("t{version}{named}{suites:02}{extensions:02}{protocol}_{first}_{second}")
    }
}

/// Numbers of two bytes, without those that are there to be ignored.
fn numbers(bytes: &mut Reader<'_>) -> Option<Vec<u16>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        all.push(bytes.number()?);
    }
    all.retain(|number| !is_grease(*number));
    Some(all)
}

/// Both bytes are the same and end in `a`.
fn is_grease(number: u16) -> bool {
    let [first, second] = number.to_be_bytes();
    first == second && first & 0x0f == 0x0a
}

/// The first and the last character of a protocol's name, of its digits if these are no letters.
fn ends(protocol: &[u8]) -> String {
    let (Some(&first), Some(&last)) = (protocol.first(), protocol.last()) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [first, last].map(char::from).iter().collect();
    }
    let digits = [first >> 4, last & 0x0f].map(|digit| HEXLOWER.encode(&[digit]));
    digits.iter().map(|digit| &digit[1..]).collect()
}

fn list(numbers: &[u16]) -> String {
    let all: Vec<String> = numbers.iter().map(|n| HEXLOWER.encode(&n.to_be_bytes())).collect();
    all.join(",")
}

fn short(text: &str) -> String {
    if text.is_empty() {
        return NOTHING.to_owned();
    }
    let hash = digest(&SHA256, text.as_bytes());
    HEXLOWER.encode(hash.as_ref().get(..6).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `ClientHello` in one record.
    fn hello(suites: &[u16], extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let long = |bytes: &[u8]| {
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            [&length, bytes].concat()
        };
        let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
        let extensions: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, value)| [kind.to_be_bytes().to_vec(), long(value)].concat())
            .collect();
        let body = [&[3, 3][..], &[0; 32], &[0], &long(&suites), &[1, 0], &long(&extensions)];
        let body = body.concat();
        let head = [1, 0, u8::try_from(body.len() >> 8).unwrap(), body.len().to_le_bytes()[0]];
        [&[22, 3, 1][..], &long(&[&head[..], &body].concat())].concat()
    }

    /// Those of a list behind its length.
    fn wide(numbers: &[u16], length_bytes: usize) -> Vec<u8> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length[2 - length_bytes..], &bytes].concat()
    }

    #[test]
    fn a_browser_has_the_text_that_is_published() {
        let suites = [
            0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
            0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
        ];
        let algorithms = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
        let plain = [0x0a0a, 0x001b, 0x0000, 0x0033, 0x4469, 0x0017, 0x002d, 0x0005, 0x0023];
        let more = [0x0012, 0x000b, 0xff01, 0x000a, 0x0015];
        let mut extensions: Vec<(u16, Vec<u8>)> =
            plain.into_iter().chain(more).map(|kind| (kind, Vec::new())).collect();
        extensions.push((16, [&[0, 3, 2][..], b"h2"].concat()));
        extensions.push((13, wide(&algorithms, 2)));
        extensions.push((43, wide(&[0x2a2a, 0x0304, 0x0303], 1)));
        let said = ja4(&hello(&suites, &extensions)).unwrap();
        assert_eq!(said, "t13d1516h2_8daaf6152771_e5627efa2ab1");
        // In another order it is the same client.
        extensions.reverse();
        assert_eq!(ja4(&hello(&suites, &extensions)).unwrap(), said);
        // To an address, and with another protocol first.
        extensions.retain(|(kind, _)| *kind != 0);
        let address = ja4(&hello(&suites, &extensions)).unwrap();
        assert_eq!(address, "t13i1515h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn little_is_said_by_little() {
        assert_eq!(ja4(&hello(&[], &[])).unwrap(), format!("t12i000000_{NOTHING}_{NOTHING}"));
        let odd = (16, vec![0, 2, 1, 0xab]);
        let said = ja4(&hello(&[0x1301], &[odd])).unwrap();
        assert!(said.starts_with("t12i0101ab_"), "{said}");
        let whole = hello(&[0x1301], &[]);
        for end in 0..whole.len() {
            assert_eq!(ja4(&whole[..end]), None);
        }
    }
}
