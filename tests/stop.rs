//! The graceful stop: open requests finish, new connections are refused.

mod support;

use std::io::Write as _;
use std::net::TcpStream;

use support::{Answer, Backend, Moongate, to, until};

#[test]
fn open_requests_finish_and_new_connections_are_refused() {
    let backend = Backend::start("a", Answer::Silence);
    let mut moongate = Moongate::start(&to(&backend));
    let address = moongate.address("web");
    let mut slow = moongate.client();
    slow.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab");
    let mut idle = moongate.client();
    backend.answer(Answer::Echo);
    assert_eq!(idle.send("GET", "h", "/", &[], b"").status, 200);
    moongate.stop();
    until("new connections are refused", || TcpStream::connect(address).is_err().then_some(()));
    assert!(idle.is_closed());
    slow.stream.write_all(b"c").unwrap();
    assert_eq!(slow.reply(false).status, 200);
    until("Moongate ends", || moongate.has_ended().then_some(()));
}
