//! Metrics of scripts: counters, gauges and histograms by name, over all workers and scripts.
//!
//! Must not know where they go.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::numbers::{self, FamilyKind, Histogram, Sample, SampleValue};

/// What all names begin with.
pub(super) const PREFIX: &str = "moongate_script_";

/// Metrics of all scripts together.
const FAMILIES_MAX: usize = 256;
/// Sets of labels of one metric; what comes beyond them is counted together.
const SERIES_MAX: usize = 1000;
/// Labels of one value.
const LABELS_MAX: usize = 8;
/// Bytes of a label's value; what is longer is cut.
const VALUE_BYTES_MAX: usize = 128;
/// Bounds of one histogram.
const BOUNDS_MAX: usize = 32;

/// Where values of a histogram fall unless it says otherwise: seconds, as Prometheus has them.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Why there is no such metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MeterError {
    /// The name cannot be one.
    #[error("{0:?} cannot be the name of a metric or a label: letters, digits and _ only")]
    Name(String),
    /// There is another metric of that name.
    #[error("{name:?} is a metric of another kind, or with other bounds, already")]
    Other {
        /// The name.
        name: String,
    },
    /// There are too many.
    #[error("scripts can have {FAMILIES_MAX} metrics at most")]
    Families,
    /// There are too many labels.
    #[error("a value has {LABELS_MAX} labels at most")]
    Labels,
    /// The bounds do not rise, or are too many.
    #[error("the bounds of a histogram rise and are {BOUNDS_MAX} at most")]
    Bounds,
}

/// What a metric counts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Values by size, up to each of these bounds.
    Histogram(Arc<[f64]>),
}

impl Kind {
    /// A histogram with these bounds, the usual ones without any.
    pub(super) fn histogram(bounds: Vec<f64>) -> Result<Self, MeterError> {
        let rise = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !rise || bounds.len() > BOUNDS_MAX {
            return Err(MeterError::Bounds);
        }
        let bounds = if bounds.is_empty() { BOUNDS.to_vec() } else { bounds };
        Ok(Self::Histogram(bounds.into()))
    }
}

/// Labels with their values, in order.
pub(super) type Labels = Vec<(String, String)>;

/// A metric.
#[derive(Debug)]
pub(super) struct Family {
    name: String,
    help: String,
    kind: Kind,
    series: Mutex<BTreeMap<Labels, Series>>,
}

/// What one set of labels has come to.
#[derive(Debug, Clone, Default)]
struct Series {
    /// The number, or the sum of a histogram.
    value: f64,
    /// How many values are within each bound and not within the one before, then all others.
    buckets: Vec<u64>,
}

/// All metrics of scripts.
#[derive(Debug, Default)]
pub struct Meters {
    families: Mutex<BTreeMap<String, Arc<Family>>>,
}

impl Meters {
    /// The metric of a name, made when it is not there.
    pub(super) fn family(
        &self,
        name: &str,
        help: &str,
        kind: Kind,
    ) -> Result<Arc<Family>, MeterError> {
        if !is_name(name) {
            return Err(MeterError::Name(name.to_owned()));
        }
        let mut families = self.families.lock();
        if let Some(known) = families.get(name) {
            let is_same = known.kind == kind;
            return is_same
                .then(|| Arc::clone(known))
                .ok_or_else(|| MeterError::Other { name: name.to_owned() });
        }
        if families.len() >= FAMILIES_MAX {
            return Err(MeterError::Families);
        }
        let (name, help) = (name.to_owned(), help.to_owned());
        let family = Family { name: name.clone(), help, kind, series: Mutex::default() };
        Ok(Arc::clone(families.entry(name).or_insert(Arc::new(family))))
    }

    /// All of them as they are now.
    #[must_use]
    pub fn families(&self) -> Vec<numbers::Family> {
        let families: Vec<_> = self.families.lock().values().cloned().collect();
        families.iter().map(|family| family.now()).collect()
    }

    /// All of them as Prometheus reads them; empty when there are none.
    pub(super) fn prometheus(&self) -> String {
        let mut text = String::new();
        numbers::print(&self.families(), &mut text);
        text
    }
}

impl Family {
    /// Adds to a number.
    pub(super) fn add(&self, labels: Labels, by: f64) -> Result<(), MeterError> {
        self.change(labels, |series| series.value += by)
    }

    /// Sets a number.
    pub(super) fn set(&self, labels: Labels, to: f64) -> Result<(), MeterError> {
        self.change(labels, |series| series.value = to)
    }

    /// Counts a value of a histogram.
    pub(super) fn observe(&self, labels: Labels, value: f64) -> Result<(), MeterError> {
        let Kind::Histogram(bounds) = &self.kind else { return Ok(()) };
        let place = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        self.change(labels, |series| {
            series.buckets.resize(bounds.len() + 1, 0);
            if let Some(bucket) = series.buckets.get_mut(place) {
                *bucket += 1;
            }
            series.value += value;
        })
    }

    fn change(
        &self,
        mut labels: Labels,
        change: impl FnOnce(&mut Series),
    ) -> Result<(), MeterError> {
        if labels.len() > LABELS_MAX {
            return Err(MeterError::Labels);
        }
        for (name, value) in &mut labels {
            if !is_name(name) || name == "le" {
                return Err(MeterError::Name(name.clone()));
            }
            if value.len() > VALUE_BYTES_MAX {
                value.truncate(value.floor_char_boundary(VALUE_BYTES_MAX));
            }
        }
        labels.sort();
        let mut all = self.series.lock();
        if all.len() >= SERIES_MAX && !all.contains_key(&labels) {
            labels = vec![("overflow".to_owned(), "true".to_owned())];
        }
        change(all.entry(labels).or_default());
        Ok(())
    }

    fn now(&self) -> numbers::Family {
        let kind = match self.kind {
            Kind::Counter => FamilyKind::Counter,
            Kind::Gauge => FamilyKind::Gauge,
            Kind::Histogram(_) => FamilyKind::Histogram,
        };
        let name = format!("{PREFIX}{}", self.name);
        let mut family = numbers::Family::new(kind, name, self.help.clone());
        let series = self.series.lock();
        family.samples.extend(series.iter().map(|(labels, series)| {
            let labels = labels.iter();
            Sample {
                labels: labels.map(|(n, v)| (n.clone().into(), v.as_str().into())).collect(),
                value: self.value(series),
            }
        }));
        family
    }

    fn value(&self, series: &Series) -> SampleValue {
        match &self.kind {
            Kind::Counter | Kind::Gauge => SampleValue::Number(series.value),
            Kind::Histogram(bounds) => SampleValue::Histogram(Histogram {
                buckets: series.buckets.clone(),
                bounds: Arc::clone(bounds),
                sum: series.value,
            }),
        }
    }
}

fn is_name(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && text.len() <= VALUE_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn they_are_printed_as_prometheus_reads_them() {
        let meters = Meters::default();
        assert_eq!(meters.prometheus(), "");
        let denied = meters.family("denied", "Tokens\nrefused", Kind::Counter).unwrap();
        denied.add(labels(&[("why", "a \"b\"")]), 1.0).unwrap();
        denied.add(labels(&[("why", "a \"b\"")]), 2.5).unwrap();
        meters.family("open", "", Kind::Gauge).unwrap().set(Vec::new(), -3.0).unwrap();
        let took = Kind::histogram(vec![1.0, 2.0]).unwrap();
        let took = meters.family("took", "", took).unwrap();
        for value in [0.5, 1.0, 1.5, 9.0] {
            took.observe(labels(&[("b", "2"), ("a", "1")]), value).unwrap();
        }
        let expect = "# HELP moongate_script_denied Tokens\\nrefused\n\
            # TYPE moongate_script_denied counter\n\
            moongate_script_denied{why=\"a \\\"b\\\"\"} 3.5\n\
            # HELP moongate_script_open \n# TYPE moongate_script_open gauge\n\
            moongate_script_open -3\n\
            # HELP moongate_script_took \n# TYPE moongate_script_took histogram\n\
            moongate_script_took_bucket{a=\"1\",b=\"2\",le=\"1\"} 2\n\
            moongate_script_took_bucket{a=\"1\",b=\"2\",le=\"2\"} 3\n\
            moongate_script_took_bucket{a=\"1\",b=\"2\",le=\"+Inf\"} 4\n\
            moongate_script_took_sum{a=\"1\",b=\"2\"} 12\n\
            moongate_script_took_count{a=\"1\",b=\"2\"} 4\n";
        assert_eq!(meters.prometheus(), expect);
    }

    #[test]
    fn everything_has_an_end() {
        let meters = Meters::default();
        let many = meters.family("many", "", Kind::Counter).unwrap();
        for number in 0..SERIES_MAX + 5 {
            many.add(labels(&[("n", &number.to_string())]), 1.0).unwrap();
        }
        assert!(meters.prometheus().contains("many{overflow=\"true\"} 5"));
        let nine: Labels = (0..9).map(|n| (format!("l{n}"), String::new())).collect();
        assert_eq!(many.add(nine, 1.0), Err(MeterError::Labels));
        for number in 1..FAMILIES_MAX {
            meters.family(&format!("f{number}"), "", Kind::Gauge).unwrap();
        }
        let more = meters.family("more", "", Kind::Gauge).map(|_| ());
        assert_eq!(more, Err(MeterError::Families));
    }

    #[test]
    fn names_and_kinds_are_checked() {
        let meters = Meters::default();
        let family = |name: &str, kind| meters.family(name, "", kind).map(|_| ());
        assert_eq!(family("a-b", Kind::Gauge), Err(MeterError::Name("a-b".to_owned())));
        assert_eq!(family("a", Kind::Gauge), Ok(()));
        assert_eq!(family("a", Kind::Gauge), Ok(()));
        assert_eq!(family("a", Kind::Counter), Err(MeterError::Other { name: "a".to_owned() }));
        assert_eq!(Kind::histogram(vec![2.0, 1.0]), Err(MeterError::Bounds));
    }
}
