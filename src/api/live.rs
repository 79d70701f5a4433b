//! `/api/live`: counters of this moment. Who asks twice knows rates.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::list::Query;
use crate::observe::metrics::{Level, Metrics, OwnerSums, Totals};

/// The counters of entrypoints, and of the routers and services that the query names.
pub(super) fn body(metrics: &Metrics, query: &Query) -> Value {
    let sums = metrics.sums();
    let bounds = &metrics.plan().bounds;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let of = |level: Level, name: &str| {
        let owners = sums.of(level).filter(|(owner, _)| *owner.name == *name);
        counters(owners.map(|(_, sums)| sums), bounds)
    };
    let named = |level: Level, parameter: &str| -> Map<String, Value> {
        query.all(parameter).map(|name| (name.to_owned(), of(level, name))).collect()
    };
    let doors = metrics.open().into_iter().map(|(name, open)| {
        let mut counters = of(Level::Entrypoint, &name);
        counters["open"] = open.into();
        (name.to_string(), counters)
    });
    json!({
        "atSeconds": now.as_secs_f64(),
        "entryPoints": doors.collect::<Map<_, _>>(),
        "routers": named(Level::Router, "router"),
        "services": named(Level::Service, "service"),
    })
}

/// The counters of one, who may be counted apart by what stands behind it.
fn counters<'a>(owners: impl Iterator<Item = &'a OwnerSums>, bounds: &[f64]) -> Value {
    let mut all = Totals { buckets: vec![0; bounds.len() + 1], ..Totals::default() };
    let (mut client, mut server, mut retries) = (0, 0, 0);
    for owner in owners {
        retries += owner.retries;
        for (kind, totals) in &owner.requests {
            match kind.code {
                400..=499 => client += totals.count(),
                500.. => server += totals.count(),
                _ => {}
            }
            all.nanos += totals.nanos;
            all.received += totals.received;
            all.sent += totals.sent;
            for (sum, count) in all.buckets.iter_mut().zip(&totals.buckets) {
                *sum += count;
            }
        }
    }
    let mut below = 0;
    let cumulative = bounds.iter().zip(&all.buckets).map(|(bound, count)| {
        below += count;
        json!([bound, below])
    });
    #[allow(clippy::cast_precision_loss, reason = "seconds need not be finer")]
    let seconds = all.nanos as f64 / 1e9;
    json!({
        "buckets": cumulative.collect::<Vec<_>>(),
        "requests": all.count(),
        "clientErrors": client,
        "serverErrors": server,
        "retries": retries,
        "seconds": seconds,
        "receivedBytes": all.received,
        "sentBytes": all.sent,
    })
}
