//! Records are looked for at servers of our own, on addresses of the loopback network.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use simple_dns::rdata::{A, CNAME, NS, RData, TXT};
use simple_dns::{CLASS, Name, PacketFlag, ResourceRecord};
use tokio::net::UdpSocket;

use super::*;
use crate::config::Propagation;

/// What a server says to a question of that kind; lines of `name kind value`.
async fn serve(socket: UdpSocket, zone: String, asked: Arc<AtomicUsize>) {
    let mut bytes = [0; 1024];
    loop {
        let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
        asked.fetch_add(1, Ordering::Relaxed);
        let question = simple_dns::Packet::parse(&bytes[..length]).unwrap();
        let mut reply = simple_dns::Packet::new_reply(question.id());
        reply.set_flags(PacketFlag::RESPONSE);
        let wanted = &question.questions[0];
        let kind = format!("{:?}", wanted.qtype);
        for line in zone.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, of, value] = words[..] else { continue };
            if name != wanted.qname.to_string() || kind != format!("TYPE({of})") {
                continue;
            }
            let data = match of {
                "TXT" => RData::TXT(TXT::new().with_string(value).unwrap()),
                "NS" => RData::NS(NS(Name::new(value).unwrap())),
                "CNAME" => RData::CNAME(CNAME(Name::new(value).unwrap())),
                _ => RData::A(A { address: u32::from(value.parse::<Ipv4Addr>().unwrap()) }),
            };
            let owner = Name::new(name).unwrap();
            reply.answers.push(ResourceRecord::new(owner, CLASS::IN, 1, data));
        }
        reply.questions.push(wanted.clone());
        socket.send_to(&reply.build_bytes_vec().unwrap(), from).await.unwrap();
    }
}

/// A server with that zone; how often it was asked.
async fn server(address: &str, zone: &str) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind(address).await.unwrap();
    let (at, asked) = (socket.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    tokio::runtime::Handle::current().spawn(serve(socket, zone.to_owned(), Arc::clone(&asked)));
    (at, asked)
}

#[derive(Debug)]
struct Nobody;

impl Solver for Nobody {
    fn present<'a>(&'a self, _: &'a Record) -> LocalFuture<'a, Result<(), SolveError>> {
        Box::pin(async { Ok(()) })
    }

    fn clean_up<'a>(&'a self, _: &'a Record) -> LocalFuture<'a, Result<(), SolveError>> {
        Box::pin(async { Ok(()) })
    }

    fn patience(&self) -> (Duration, Duration) {
        (Duration::from_millis(200), Duration::from_millis(20))
    }
}

fn dns(servers: Vec<SocketAddr>, port: u16, propagation: Propagation) -> Dns {
    let propagation = Some(propagation);
    let options = DnsChallenge { propagation, ..DnsChallenge::default() };
    Dns { solver: Rc::new(Nobody), options, servers, port }
}

/// The text of the record for `token.thumb`.
const VALUE: &str = "lCdftpJCXapaZHkBGIZbcubeKW8RmA0jSG_aZN01zbU";

#[tokio::test]
async fn records_are_looked_for_at_the_servers_of_their_domain() {
    let zone = format!("_acme-challenge.other.test TXT {VALUE}\n");
    let (full, _) = server("127.0.0.11:0", &zone).await;
    let empty = server(&format!("127.0.0.12:{}", full.port()), "").await.1;
    let known = "a.test NS ns.test\nns.test A 127.0.0.11\n\
                 _acme-challenge.b.test CNAME x.test\nx.test CNAME y.test\n\
                 other.test NS one.test\none.test A 127.0.0.11\n\
                 torn.test NS one.test\ntorn.test NS two.test\ntwo.test A 127.0.0.12\n";
    let recursive = server("127.0.0.1:0", known).await.0;
    let dns = |told| dns(vec![recursive], full.port(), told);
    let record = dns(Propagation::default()).record("other.test", "token.thumb").await.unwrap();
    assert_eq!((&*record.fqdn, &*record.value), ("_acme-challenge.other.test.", VALUE));
    assert_eq!((&*record.token, &*record.domain), ("token", "other.test"));
    dns(Propagation::default()).propagated(&[&record]).await.unwrap();
    let alias = dns(Propagation::default()).record("b.test", "token.thumb").await.unwrap();
    assert_eq!(alias.fqdn, "y.test.");

    let all = Propagation { require_all_rns: true, ..Propagation::default() };
    let error = dns(all.clone()).propagated(&[&record]).await.unwrap_err().to_string();
    assert!(error.contains(&format!("{recursive} does not have it")), "{error}");
    let torn = Record { fqdn: "_acme-challenge.torn.test.".to_owned(), ..record.clone() };
    let error = dns(Propagation::default()).propagated(&[&torn]).await.unwrap_err().to_string();
    assert!(error.contains("_acme-challenge.torn.test. cannot be seen"), "{error}");
    assert_eq!(empty.load(Ordering::Relaxed), 0, "the first server misses it already");

    for told in [
        Propagation { disable_checks: true, ..all },
        Propagation { disable_ans_checks: true, ..Propagation::default() },
    ] {
        dns(told).propagated(&[&torn]).await.unwrap();
    }
}

#[tokio::test]
async fn who_cannot_be_asked_is_named() {
    let dead = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let dns = dns(vec![dead], 1, Propagation::default());
    let record = dns.record("a.test", "token.thumb").await.unwrap();
    let error = dns.propagated(&[&record]).await.unwrap_err().to_string();
    assert!(error.contains(&dead.to_string()), "{error}");
}
