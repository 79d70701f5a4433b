//! Mirroring: a service answers, and others get copies of some requests. The client neither waits
//! for the copies nor sees their answers.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Body as _;
use parking_lot::Mutex;

use super::tape::{Tape, limit_bytes};
use super::{Copied, Means, Propagation, Service};
use crate::message::{Exchange, LocalFuture, Request, Response};

/// Copies that may be under way at once for one service; more are left out.
const COPIES_MAX: usize = 1024;
/// How long a copy may take, with the answer that nobody reads.
const COPY_TIME_MAX: Duration = Duration::from_mins(1);

/// A service, and those that get copies.
#[derive(Debug)]
pub struct Mirroring {
    /// The service that answers.
    pub service: Arc<Service>,
    /// Those that get copies, in the order of `shares`.
    pub mirrors: Vec<Arc<Service>>,
    /// Which request is copied to which.
    pub shares: Arc<Shares>,
    /// Bytes of a body past which a request is not copied; `None` leaves the body out.
    pub body_limit: Option<i64>,
    /// Whether the service's health is told to the parent.
    pub health: Propagation,
}

/// How many of a hundred requests each mirror gets, exactly: a mirror's turn is when it has got
/// less than its share of those that came (Traefik's order: 50 % means the first, the third, ...).
#[derive(Debug)]
pub struct Shares {
    percents: Vec<u32>,
    counts: Mutex<Counts>,
    under_way: AtomicUsize,
}

#[derive(Debug)]
struct Counts {
    came: u32,
    sent: Vec<u32>,
}

impl Shares {
    /// Percentages of 0 to 100.
    #[must_use]
    pub fn new(percents: Vec<u32>) -> Self {
        let counts = Mutex::new(Counts { came: 0, sent: vec![0; percents.len()] });
        Self { percents, counts, under_way: AtomicUsize::new(0) }
    }

    /// The percentages.
    pub(super) fn percents(&self) -> &[u32] {
        &self.percents
    }

    /// The mirrors whose turn it is.
    fn next(&self) -> Vec<usize> {
        let mut fired = Vec::new();
        let mut counts = self.counts.lock();
        let Counts { came, sent } = &mut *counts;
        *came += 1;
        for (place, (sent, percent)) in sent.iter_mut().zip(&self.percents).enumerate() {
            if *sent * 100 < *came * percent {
                *sent += 1;
                fired.push(place);
            }
        }
        // After a hundred, every mirror has got exactly its share.
        if *came == 100 {
            *came = 0;
            sent.fill(0);
        }
        fired
    }
}

impl Mirroring {
    /// Whether the service can answer, as far as the parent is told.
    pub(super) fn is_up(&self) -> bool {
        self.health == Propagation::Off || self.service.is_up()
    }

    /// The mirrors that get a copy of this request. One that asks for another protocol is not
    /// copied: nobody would speak it with the mirror.
    pub(super) fn fired(&self, request: &Request) -> Vec<usize> {
        if request.upgrade.is_some() { Vec::new() } else { self.shares.next() }
    }

    /// Answers a request, and sends copies once the answer is there and the body is whole.
    pub(super) fn serve<'a>(
        &'a self,
        means: &'a dyn Means,
        fired: Vec<usize>,
        mut request: Request,
    ) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let mirrors = fired.into_iter().filter_map(|i| self.mirrors.get(i).cloned()).collect();
            let copies = Copies::of(&request, mirrors, Arc::clone(&self.shares), means.keep());
            let limit = self.body_limit.map_or(0, limit_bytes);
            if self.body_limit.is_none() || request.body.is_empty() {
                let response = self.service.serve(means, request).await;
                copies.send(&Bytes::new());
                return response;
            }
            if request.body.size_hint().lower() > limit as u64 {
                tracing::debug!("a request is not mirrored: its body is too large");
                return self.service.serve(means, request).await;
            }
            let (tape, body) = Tape::record(std::mem::take(&mut request.body), limit);
            request.body = body;
            let response = self.service.serve(means, request).await;
            tape.when_whole(move |whole| copies.send(&whole));
            response
        })
    }
}

/// Copies of one request that wait for its body.
struct Copies {
    request: Request,
    mirrors: Vec<Arc<Service>>,
    shares: Arc<Shares>,
    means: Rc<dyn Means>,
}

impl Copies {
    fn of(
        request: &Request,
        mirrors: Vec<Arc<Service>>,
        shares: Arc<Shares>,
        means: Rc<dyn Means>,
    ) -> Self {
        let mut request = request.copy();
        // The copy's body is at hand, so its length is written anew and trailers do not follow.
        request.headers.remove(header::CONTENT_LENGTH);
        request.headers.remove(header::TRAILER);
        Self { request, mirrors, shares, means }
    }

    fn send(self, body: &Bytes) {
        for mirror in self.mirrors {
            let Some(permit) = Permit::take(&self.shares) else {
                tracing::debug!(mirror = &*mirror.name, "too many copies are under way");
                continue;
            };
            let mut request = self.request.copy();
            request.exchange = of_copy(&request.exchange);
            request.body = body.clone().into();
            let received = body.len() as u64;
            let means = Rc::clone(&self.means);
            tokio::task::spawn_local(async move {
                let copy = answer(&mirror, &*means, request, received);
                if tokio::time::timeout(COPY_TIME_MAX, copy).await.is_err() {
                    tracing::debug!(mirror = &*mirror.name, "a copy took too long");
                }
                drop(permit);
            });
        }
    }
}

/// The exchange of a copy: what is noted of it must not show in the log of the request, and it is
/// counted where the request is.
fn of_copy(exchange: &Exchange) -> Rc<Exchange> {
    let copy = Exchange::new(Rc::clone(&exchange.client));
    let original = exchange.record.borrow();
    let mut record = copy.record.borrow_mut();
    record.observed.metrics = original.observed.metrics;
    record.protocol = original.protocol;
    drop(record);
    Rc::new(copy)
}

/// Has a copy answered, and counts it.
async fn answer(mirror: &Service, means: &dyn Means, request: Request, received: u64) {
    let (exchange, method) = (Rc::clone(&request.exchange), request.method.clone());
    let mut response = mirror.serve(means, request).await;
    let (status, mut sent, mut trailers) = (response.status, 0, HeaderMap::new());
    // Read to its end, so that the connection can be used again.
    while let Some(Ok(frame)) = response.body.frame().await {
        sent += frame.data_ref().map_or(0, |data| data.len() as u64);
        trailers.extend(frame.into_trailers().unwrap_or_default());
    }
    let (exchange, method) = (&*exchange, &method);
    let (headers, trailers) = (&response.headers, &trailers);
    means.copied(&Copied { exchange, method, received, status, sent, trailers, headers });
}

/// One copy under way.
struct Permit(Arc<Shares>);

impl Permit {
    fn take(shares: &Arc<Shares>) -> Option<Self> {
        let permit = Self(Arc::clone(shares));
        let before = shares.under_way.fetch_add(1, Ordering::Relaxed);
        (before < COPIES_MAX).then_some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(percent: u32, count: usize) -> Vec<bool> {
        let shares = Shares::new(vec![percent]);
        (0..count).map(|_| !shares.next().is_empty()).collect()
    }

    #[test]
    fn fires_in_traefiks_order() {
        assert_eq!(order(50, 4), [true, false, true, false]);
        assert_eq!(order(0, 3), [false; 3]);
        assert_eq!(order(100, 3), [true; 3]);
        assert_eq!(order(10, 11).iter().filter(|fired| **fired).count(), 2);
    }

    proptest! {
        #[test]
        fn exact_in_every_window(percent in 0u32..=100, start in 0usize..200, len in 1usize..300) {
            let order = order(percent, 500);
            let window = &order[start..start + len];
            let fired = window.iter().filter(|fired| **fired).count();
            // In hundredths of a request, which are whole.
            let share = len * percent as usize;
            prop_assert!((fired * 100).abs_diff(share) < 100, "{fired} of {len}, not {share} %");
            if len % 100 == 0 {
                prop_assert_eq!(fired, len / 100 * percent as usize);
            }
        }
    }
}
