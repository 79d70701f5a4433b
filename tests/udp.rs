//! UDP: sessions by client, servers in turn, the end of a session.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::thread;

use support::{Moongate, SOON, until};

/// A server that answers with its name and who asked.
fn server(name: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 1000];
        while let Ok((_, client)) = socket.recv_from(&mut buffer) {
            socket.send_to(format!("{name} {}", client.port()).as_bytes(), client).unwrap();
        }
    });
    address
}

fn client(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

fn ask(socket: &UdpSocket) -> String {
    socket.send(b"x").unwrap();
    let mut buffer = [0; 1000];
    let count = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

fn started(servers: &[SocketAddr]) -> Moongate {
    let servers: Vec<_> = servers.iter().map(|a| format!("{{address: '{a}'}}")).collect();
    let dynamic = format!(
        "udp:\n  routers:\n    r: {{service: s}}\n  services:\n    s: {{loadBalancer: {{servers: \
         [{}]}}}}\n",
        servers.join(", ")
    );
    let flags = ["--entryPoints.u.address=127.0.0.1:0/udp", "--entryPoints.u.udp.timeout=100ms"];
    Moongate::with(&dynamic, &flags)
}

#[test]
fn sessions_stay_with_their_server() {
    let moongate = started(&[server("a"), server("b")]);
    let clients = [(); 4].map(|()| client(moongate.address("u")));
    let first: Vec<_> = clients.iter().map(ask).collect();
    let names: String = first.iter().filter_map(|answer| answer.chars().next()).collect();
    assert_eq!(names, "abab");
    let second: Vec<_> = clients.iter().map(ask).collect();
    assert_eq!(first, second);
}

#[test]
fn silence_ends_a_session() {
    let moongate = started(&[server("a")]);
    let client = client(moongate.address("u"));
    let first = ask(&client);
    // A fresh session comes from another port; asking keeps one alive, so each look waits longer.
    let mut pause = std::time::Duration::from_millis(100);
    until("the session has ended", || {
        client.set_read_timeout(Some(pause)).unwrap();
        assert!(client.recv(&mut [0; 9]).is_err());
        pause *= 2;
        client.set_read_timeout(Some(SOON)).unwrap();
        (ask(&client) != first).then_some(())
    });
}
