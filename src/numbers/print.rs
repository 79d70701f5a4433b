//! Families as the text that Prometheus reads (its exposition format, version 0.0.4).

use std::fmt::Write;

use super::{Family, FamilyKind, Sample, SampleValue};

/// Appends families; those without samples are left out. Labels are in the order of their names.
pub fn print(families: &[Family], text: &mut String) {
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        let kind = match family.kind {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram => "histogram",
        };
        let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
        let name = &family.name;
        // Writing to a string cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for sample in &family.samples {
            print_sample(name, sample, text);
        }
    }
}

fn print_sample(name: &str, sample: &Sample, text: &mut String) {
    let labels = |end: Option<&str>| shown(sample, end);
    match &sample.value {
        SampleValue::Number(value) => {
            let _ = writeln!(text, "{name}{} {value}", labels(None));
        }
        SampleValue::Histogram(histogram) => {
            let mut count = 0;
            let ends = histogram.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
            for (end, bucket) in ends.zip(&histogram.buckets) {
                count += bucket;
                let _ = writeln!(text, "{name}_bucket{} {count}", labels(Some(&end)));
            }
            let _ = writeln!(text, "{name}_sum{} {}", labels(None), histogram.sum);
            let _ = writeln!(text, "{name}_count{} {count}", labels(None));
        }
    }
}

fn shown(sample: &Sample, end: Option<&str>) -> String {
    let mut labels: Vec<(&str, &str)> =
        sample.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
    labels.sort_unstable();
    labels.extend(end.map(|end| ("le", end)));
    if labels.is_empty() {
        return String::new();
    }
    let mut text = String::from("{");
    for (index, (name, value)) in labels.into_iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, "{comma}{name}=\"{value}\"");
    }
    text.push('}');
    text
}
