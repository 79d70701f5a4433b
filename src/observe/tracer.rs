//! Which requests are traced, and the finished traces on their way to who wants them.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::queue::{Queue, Waits};
use crate::headers::Headers;
use crate::message::{Span, Trace, TraceParent, TraceRules, Tracing};

/// Which requests are traced.
#[derive(Debug)]
pub struct Tracer {
    /// Below this the first 63 bits of a trace's second half must be; as in Go's SDK, so that
    /// all who see a trace decide alike.
    threshold: u64,
    rules: Arc<TraceRules>,
    queue: Arc<Queue<Finished>>,
}

/// A trace that is over.
#[derive(Debug)]
pub struct Finished {
    /// Its identity.
    pub id: [u8; 16],
    /// Its spans.
    pub spans: Vec<Span>,
    /// A moment on both clocks, since spans know only one of them.
    pub now: (Instant, SystemTime),
}

impl Waits for Finished {
    fn bytes(&self) -> usize {
        self.spans.iter().map(Span::bytes).sum()
    }
}

impl Tracer {
    /// Traces that share of requests where clients have not decided it, 0 to 1.
    #[must_use]
    pub fn new(rate: f64, rules: TraceRules) -> Self {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "it is between 0 and 2^63"
        )]
        let threshold = (rate.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64;
        Self { threshold, rules: Arc::new(rules), queue: Arc::default() }
    }

    /// Finished traces.
    #[must_use]
    pub fn queue(&self) -> Arc<Queue<Finished>> {
        Arc::clone(&self.queue)
    }

    /// The trace of a request.
    #[must_use]
    pub fn begin(&self, headers: &Headers, detail: Tracing) -> Trace {
        let sample = |id: &[u8; 16]| {
            let half = id.last_chunk().copied().unwrap_or_default();
            u64::from_be_bytes(half) >> 1 < self.threshold
        };
        Trace::new(TraceParent::of(headers), detail, Arc::clone(&self.rules), sample)
    }

    /// Takes a trace that is over.
    pub fn end(&self, trace: &Trace) {
        let spans = trace.take();
        if !spans.is_empty() {
            let now = (Instant::now(), SystemTime::now());
            self.queue.push(Finished { id: trace.id(), spans, now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_traced_and_clients_decide_first() {
        let headers = |text: Option<&'static str>| {
            let mut headers = Headers::from(http::HeaderMap::new());
            if let Some(text) = text {
                headers.push("traceparent".parse().unwrap(), text.parse().unwrap());
            }
            headers
        };
        let sampled = |rate, text| {
            let tracer = Tracer::new(rate, TraceRules::default());
            let trace = || tracer.begin(&headers(text), Tracing::Minimal);
            (0..1000).filter(|_| trace().is_sampled()).count()
        };
        assert_eq!((sampled(0.0, None), sampled(1.0, None)), (0, 1000));
        assert!((400..600).contains(&sampled(0.5, None)));
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(sampled(0.0, Some(parent)), 1000);
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        assert_eq!(sampled(1.0, Some(parent)), 0);
    }
}
