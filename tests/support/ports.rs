//! Ports that are let go and listened at later, by another process or once more.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that the system gives to outgoing connections, so that none takes the port between.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Where the next search begins.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that nobody listens at, and that this process has not been given before.
///
/// # Panics
/// When there is none.
pub(crate) fn free_port() -> u16 {
    // Another process of tests begins somewhere else.
    let start = std::process::id().wrapping_mul(61) % u32::from(PORTS.end - PORTS.start);
    for _ in PORTS {
        let place = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let place = (start + place) % u32::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(place).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// Several of them.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    [(); N].map(|()| free_port())
}
