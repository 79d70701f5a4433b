//! Reading the first bytes of a connection never panics, and a header has no more bytes than there
//! are.

#![no_main]

use libfuzzer_sys::fuzz_target;
use moongate::message::proxy::ProxyHeader;
use moongate::tls::opening;

fuzz_target!(|bytes: &[u8]| {
    let _ = opening(bytes);
    if let ProxyHeader::Present { length, .. } = ProxyHeader::read(bytes) {
        assert!(length <= bytes.len());
    }
});
