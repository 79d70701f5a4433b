//! Sockets from one hand to the other, within one process.

use std::net::{Ipv4Addr, TcpStream};

use super::*;

fn held(name: &str) -> (Held, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (Held { name: name.to_owned(), kind: Kind::Tcp, socket: listener.into() }, address)
}

#[test]
fn sockets_are_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    assert!(Predecessor::ask(&path).unwrap().is_none());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (web, address) = held("web");
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let quic = Held { name: "web".to_owned(), kind: Kind::Quic, socket: udp.into() };
        let mut heir = Heir::expect(&path, vec![web, quic]).unwrap();
        let asked = path.clone();
        let heirs = std::thread::spawn(move || {
            // One that fails before it is ready changes nothing.
            drop(Predecessor::ask(&asked).unwrap().unwrap());
            let (mut before, mut sockets) = Predecessor::ask(&asked).unwrap().unwrap();
            assert!(sockets.tcp("web", |at| at != address).is_none());
            drop((before, sockets));
            (before, sockets) = Predecessor::ask(&asked).unwrap().unwrap();
            assert!(sockets.tcp("other", |_| true).is_none());
            let listener = sockets.tcp("web", |at| at == address).unwrap();
            assert!(sockets.udp("web", Kind::Udp, |_| true).is_none());
            assert!(sockets.udp("web", Kind::Quic, |_| true).is_some());
            assert_eq!(sockets.left().count(), 0);
            before.ready().unwrap();
            before.wait_for_quic();
            let client = TcpStream::connect(address).unwrap();
            assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
        });
        heir.takes_over().await.release_quic().await;
        heirs.join().unwrap();
        heir.renounce();
    });
    assert!(!path.exists());
}
