//! Opening connections: names with several addresses, limits.

use std::sync::Arc;

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
