//! Elements that did not change become the allocations they were.

use std::collections::BTreeMap;
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
        sections(&mut now.tcp, &before.tcp),
        sections(&mut now.udp, &before.udp),
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

fn sections<T: PartialEq>(
    now: &mut BTreeMap<String, Elements<T>>,
    before: &BTreeMap<String, Elements<T>>,
) -> bool {
    let mut same = now.len() == before.len();
    for (section, now) in now {
        same &= before.get(section).is_some_and(|before| elements(now, before));
    }
    same
}
