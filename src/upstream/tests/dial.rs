//! Opening connections: names with several addresses, limits.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::servers::{OK, answer, head, listen};
use super::{get, lenient, post, read, run};
use crate::model::ServersTransport;
use crate::upstream::{Endpoint, Pools, Transport};
use crate::value::GoDuration;

#[test]
fn all_addresses_of_a_name_are_tried() {
    run(async {
        // `localhost` may lead to ::1 first, where nobody listens.
        let server = listen(|stream, _| answer(stream, usize::MAX, OK)).await;
        let url = format!("http://localhost:{}", server.address.port());
        let endpoint = Arc::new(Endpoint::parse(&url, Arc::default()).unwrap());
        assert_eq!(read(get(&Pools::new(), &endpoint).await).await, (200, "ok".to_owned()));
    });
}

#[test]
fn a_name_without_addresses_is_a_failure() {
    run(async {
        let endpoint = Endpoint::parse("http://nowhere.invalid", Arc::default()).unwrap();
        let response = get(&Pools::new(), &Arc::new(endpoint)).await;
        assert_eq!(response.status.as_u16(), 502);
        assert!(response.failure.unwrap().is_untouched());
    });
}

#[test]
fn a_silent_server_is_given_up() {
    run(async {
        let silent = |stream| async move {
            let mut stream = stream;
            while head(&mut stream).await.is_some() {}
        };
        let server = listen(move |stream, _| silent(stream)).await;
        let mut options = ServersTransport { disable_http2: true, ..lenient() };
        options.forwarding_timeouts.response_header_timeout = GoDuration::from_millis(50);
        let transport = Arc::new(Transport::build(&options).unwrap());
        for scheme in ["http", "h2c"] {
            let url = format!("{scheme}://{}", server.address);
            let endpoint = Endpoint::parse(&url, Arc::clone(&transport)).unwrap();
            let response = post(&Pools::new(), &Arc::new(endpoint), "").await;
            assert_eq!(response.status.as_u16(), 504, "{scheme}");
        }
    });
}

#[test]
fn a_connection_to_an_address_that_a_name_has_left_is_not_used_again() {
    run(async {
        let server = listen(|stream, _| answer(stream, usize::MAX, OK)).await;
        let port = server.address.port();
        let url = format!("http://localhost:{port}");
        let endpoint = Arc::new(Endpoint::parse(&url, Arc::default()).unwrap());
        let pools = Pools::new();
        for connections in [1, 1] {
            assert_eq!(read(get(&pools, &endpoint).await).await.0, 200);
            assert_eq!(server.connections.get(), connections);
        }
        // Nobody listens there, so the name is asked for anew, and leads back.
        let elsewhere = SocketAddr::from(([127, 0, 0, 2], port));
        for connections in [2, 2] {
            if connections > server.connections.get() {
                endpoint.name.note(&Arc::from([elsewhere]));
            }
            assert_eq!(read(get(&pools, &endpoint).await).await.0, 200);
            assert_eq!(server.connections.get(), connections);
        }
        endpoint.name.note(&Arc::from([elsewhere]));
        pools.sweep();
        assert_eq!(pools.plain.idle(&endpoint), 0);
    });
}

#[test]
fn idle_connections_end_with_their_endpoint() {
    run(async {
        let server = listen(|stream, _| answer(stream, usize::MAX, OK)).await;
        let url = format!("http://{}", server.address);
        let endpoint = Arc::new(Endpoint::parse(&url, Arc::default()).unwrap());
        let pools = Pools::new();
        assert_eq!(read(get(&pools, &endpoint).await).await.0, 200);
        pools.sweep();
        assert_eq!(endpoint.idle.load(Ordering::Relaxed), 1);
        let core = Arc::clone(endpoint.core());
        drop(endpoint);
        pools.sweep();
        assert_eq!(core.idle.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn idle_connections_are_counted_over_all_workers() {
    for (given, expect) in [(200, 6), (3, 3), (1, 1), (0, 2), (-1, 0)] {
        run(async {
            let server = listen(|stream, _| answer(stream, usize::MAX, OK)).await;
            let options = ServersTransport { max_idle_conns_per_host: given, ..lenient() };
            let transport = Arc::new(Transport::build(&options).unwrap());
            let url = format!("http://{}", server.address);
            let endpoint = Arc::new(Endpoint::parse(&url, transport).unwrap());
            // Two workers with three requests at once each.
            let workers = [Pools::new(), Pools::new()];
            let mut answers = Vec::new();
            for pools in workers.iter().cycle().take(6) {
                let (pools, endpoint) = (Rc::clone(pools), Arc::clone(&endpoint));
                answers.push(tokio::task::spawn_local(async move {
                    read(get(&pools, &endpoint).await).await.0
                }));
            }
            for answer in answers {
                assert_eq!(answer.await.unwrap(), 200);
            }
            assert_eq!(endpoint.idle.load(Ordering::Relaxed), expect, "{given}");
        });
    }
}
