//! Elements that did not change become the allocations they were.

use std::sync::Arc;

use crate::model::{Dynamic, Elements};

/// Puts the elements of `before` into `now` where they are equal; whether all of both are.
pub(super) fn share(now: &mut Dynamic, before: &Dynamic) -> bool {
    // Nothing is left out when one differs, so that all of the others are shared.
    let same = [
        elements(&mut now.http.routers, &before.http.routers),
        elements(&mut now.http.services, &before.http.services),
        elements(&mut now.http.middlewares, &before.http.middlewares),
        elements(&mut now.http.servers_transports, &before.http.servers_transports),
        elements(&mut now.tcp.routers, &before.tcp.routers),
        elements(&mut now.tcp.services, &before.tcp.services),
        elements(&mut now.tcp.middlewares, &before.tcp.middlewares),
        elements(&mut now.tcp.servers_transports, &before.tcp.servers_transports),
        elements(&mut now.udp.routers, &before.udp.routers),
        elements(&mut now.udp.services, &before.udp.services),
        now.tls.options == before.tls.options,
        now.tls.stores == before.tls.stores,
        now.tls.certificates == before.tls.certificates,
    ];
    for now in &mut now.tls.certificates {
        if let Some(before) = before.tls.certificates.iter().find(|before| *before == now) {
            *now = Arc::clone(before);
        }
    }
    same.iter().all(|same| *same)
}

fn elements<T: PartialEq>(now: &mut Elements<T>, before: &Elements<T>) -> bool {
    let mut same = now.len() == before.len();
    for (name, now) in now {
        match before.get(name) {
            Some(before) if Arc::ptr_eq(now, before) => {}
            Some(before) if now == before => *now = Arc::clone(before),
            _ => same = false,
        }
    }
    same
}
