//! Where a cluster of Redis keeps a key.

/// Slots of a cluster.
const SLOTS: u16 = 16_384;

/// The slot of a key: of what stands in its first braces, if anything does.
pub(super) fn slot(key: &[u8]) -> u16 {
    let tag = || {
        let open = key.iter().position(|&byte| byte == b'{')? + 1;
        let inside = key.get(open..)?;
        let close = inside.iter().position(|&byte| byte == b'}').filter(|close| *close > 0)?;
        inside.get(..close)
    };
    crc16(tag().unwrap_or(key)) % SLOTS
}

/// The CRC of XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        for (key, other) in
            [("{user1000}.following", "user1000"), ("foo{bar}{zap}", "bar"), ("foo{{bar}}", "{bar")]
        {
            assert_eq!(slot(key.as_bytes()), slot(other.as_bytes()), "{key}");
        }
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"));
    }
}
