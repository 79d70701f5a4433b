//! Elements that did not change become the allocations they were.

use std::sync::Arc;

use crate::model::{Dynamic, Elements};

/// Puts the elements of `before` into `now` where they are equal.
pub(super) fn share(now: &mut Dynamic, before: &Dynamic) {
    elements(&mut now.http.routers, &before.http.routers);
    elements(&mut now.http.services, &before.http.services);
    elements(&mut now.http.middlewares, &before.http.middlewares);
    elements(&mut now.http.servers_transports, &before.http.servers_transports);
    for (now, before) in [(&mut now.tcp, &before.tcp), (&mut now.udp, &before.udp)] {
        for (section, now) in now {
            if let Some(before) = before.get(section) {
                elements(now, before);
            }
        }
    }
    for now in &mut now.tls.certificates {
        if let Some(before) = before.tls.certificates.iter().find(|before| *before == now) {
            *now = Arc::clone(before);
        }
    }
}

fn elements<T: PartialEq>(now: &mut Elements<T>, before: &Elements<T>) {
    for (name, now) in now {
        if let Some(before) = before.get(name)
            && !Arc::ptr_eq(now, before)
            && now == before
        {
            *now = Arc::clone(before);
        }
    }
}
