//! Header names as HTTP/1 peers are used to see them.

use http::HeaderName;

/// Writes a name with capital letters at the start and after dashes, as Go does, for peers that
/// compare names by case although they must not (RFC 9110, section 5.1).
pub fn write_name(out: &mut Vec<u8>, name: &HeaderName) {
    let mut starts = true;
    out.extend(name.as_str().bytes().map(|byte| {
        let written = if starts { byte.to_ascii_uppercase() } else { byte };
        starts = byte == b'-';
        written
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capital_letters_after_dashes() {
        for (name, expect) in
            [("x-real-ip", "X-Real-Ip"), ("te", "Te"), ("-", "-"), ("a--b", "A--B")]
        {
            let mut out = Vec::new();
            write_name(&mut out, &HeaderName::from_static(name));
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        }
    }
}
