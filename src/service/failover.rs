//! Failover: a service answers while it is up, otherwise its fallback does; with `errors`, the
//! fallback also answers what the service answered with certain statuses.

use std::ops::RangeInclusive;
use std::sync::Arc;

use http::StatusCode;
use http_body::Body as _;

use super::tape::{Tape, limit_bytes};
use super::{Means, Propagation, Service};
use crate::message::{Body, LocalFuture, Request, Response};

/// A service and its replacement.
#[derive(Debug)]
pub struct Failover {
    /// The service that answers while it is up.
    pub service: Arc<Service>,
    /// The service that answers otherwise.
    pub fallback: Arc<Service>,
    /// Answers that the fallback's take the place of.
    pub errors: Option<Statuses>,
    /// Whether the health of both is told to the parent.
    pub health: Propagation,
}

/// Statuses that are failures, and how large a request may be that is sent a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses {
    ranges: Vec<RangeInclusive<u16>>,
    body_limit: i64,
}

/// Why a list of statuses cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusesError {
    /// An entry is neither a status nor a range.
    #[error("errors.status: {0:?} is neither a status such as 503 nor a range such as 500-504")]
    Entry(String),
}

impl Statuses {
    /// Reads statuses and ranges of them.
    ///
    /// # Errors
    /// When an entry is neither.
    pub fn parse(entries: &[String], body_limit: i64) -> Result<Self, StatusesError> {
        let range = |entry: &String| {
            let (from, to) = entry.split_once('-').unwrap_or((entry, entry));
            let number = |text: &str| text.trim().parse().ok().filter(|n| (100..1000).contains(n));
            match (number(from), number(to)) {
                (Some(from), Some(to)) if from <= to => Ok(from..=to),
                _ => Err(StatusesError::Entry(entry.clone())),
            }
        };
        let ranges = entries.iter().map(range).collect::<Result<_, _>>()?;
        Ok(Self { ranges, body_limit })
    }

    fn hold(&self, status: StatusCode) -> bool {
        self.ranges.iter().any(|range| range.contains(&status.as_u16()))
    }
}

impl Failover {
    /// Whether one of the two can answer, as far as the parent is told.
    pub(super) fn is_up(&self) -> bool {
        self.health == Propagation::Off || self.first().is_some()
    }

    /// The one that a request is sent to first.
    pub(super) fn first(&self) -> Option<&Arc<Service>> {
        [&self.service, &self.fallback].into_iter().find(|service| service.is_up())
    }

    /// Whether the service's answer to this request is looked at.
    pub(super) fn judges(&self, request: &Request) -> bool {
        self.errors.is_some() && request.upgrade.is_none() && self.service.is_up()
    }

    /// Answers a request, by the fallback when the service's answer is a failure.
    pub(super) fn serve<'a>(
        &'a self,
        means: &'a dyn Means,
        mut request: Request,
    ) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let Some(errors) = &self.errors else {
                return self.service.serve(means, request).await;
            };
            let limit = limit_bytes(errors.body_limit);
            let body = std::mem::take(&mut request.body);
            if body.size_hint().lower() > limit as u64 {
                request.body = body;
                return self.service.serve(means, request).await;
            }
            let mut again = request.copy();
            let tape = match body {
                Body::Empty => None,
                body => {
                    let (tape, body) = Tape::record(body, limit);
                    request.body = body;
                    Some(tape)
                }
            };
            let response = self.service.serve(means, request).await;
            if !errors.hold(response.status) || !self.fallback.is_up() {
                return response;
            }
            let Some(body) = tape.map_or(Some(Body::Empty), |tape| tape.rewind()) else {
                return response;
            };
            // The body's rest must have one reader only.
            drop(response);
            again.body = body;
            self.fallback.serve(means, again).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_statuses() {
        let read = |entries: &[&str]| {
            let entries: Vec<_> = entries.iter().map(|&entry| entry.to_owned()).collect();
            Statuses::parse(&entries, -1)
        };
        let statuses = read(&["500", "502-504"]).unwrap();
        for (status, expect) in [(499, false), (500, true), (501, false), (503, true), (505, false)]
        {
            assert_eq!(statuses.hold(StatusCode::from_u16(status).unwrap()), expect, "{status}");
        }
        for bad in ["", "5xx", "504-500", "99", "1000", "500-"] {
            assert_eq!(read(&[bad]).err(), Some(StatusesError::Entry(bad.to_owned())));
        }
    }
}
