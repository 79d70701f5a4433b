//! Facts of the process itself, under the names that Prometheus' clients give them: read from
//! `/proc`, and left out where there is none.

use std::fs;

use rustix::process::{Resource, getrlimit};

use crate::numbers::{Family, FamilyKind};

/// Processor time, memory, files, and when the process began.
pub(super) fn families() -> Vec<Family> {
    let mut families = Vec::new();
    let mut tell = |kind, name: &'static str, help: &'static str, value: f64| {
        let mut family = Family::new(kind, name, help);
        family.number(&[], value);
        families.push(family);
    };
    if let Some(times) = Times::read() {
        let help = "Processor time of the process.";
        tell(FamilyKind::Counter, "process_cpu_seconds_total", help, times.cpu_seconds);
        let help = "Memory that the process has in use.";
        tell(FamilyKind::Gauge, "process_resident_memory_bytes", help, times.resident_bytes);
        let help = "Memory that the process has reserved.";
        tell(FamilyKind::Gauge, "process_virtual_memory_bytes", help, times.virtual_bytes);
        if let Some(started) = times.started {
            let help = "When the process began, in seconds since the epoch.";
            tell(FamilyKind::Gauge, "process_start_time_seconds", help, started);
        }
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        let help = "Open files and sockets.";
        tell(FamilyKind::Gauge, "process_open_fds", help, float(files.count() as u64));
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        let help = "Files and sockets that may be open.";
        tell(FamilyKind::Gauge, "process_max_fds", help, float(most));
    }
    families
}

#[allow(clippy::cast_precision_loss, reason = "metrics are floating")]
fn float(number: u64) -> f64 {
    number as f64
}

struct Times {
    cpu_seconds: f64,
    resident_bytes: f64,
    virtual_bytes: f64,
    started: Option<f64>,
}

impl Times {
    /// From `/proc/self/stat` (`proc_pid_stat(5)`).
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")?.parse().ok());
        let ticks = float(rustix::param::clock_ticks_per_second());
        let page = float(rustix::param::page_size() as u64);
        Self::parse(&text, boot, ticks, page)
    }

    fn parse(text: &str, boot: Option<u64>, ticks: f64, page: f64) -> Option<Self> {
        // The name in front may hold spaces and parentheses.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<u64> =
            rest.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
        // The third field of the page is the first one here.
        let field = |number: usize| fields.get(number - 3).copied().map(float);
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page,
            started: boot.map(float).and_then(|boot| Some(boot + field(22)? / ticks)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_read() {
        let line = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 1 2 20 0 4 0 1000 8192 3 999";
        let times = Times::parse(line, Some(100), 100.0, 4096.0).unwrap();
        assert!((times.cpu_seconds - 3.0).abs() < 1e-9);
        assert!((times.virtual_bytes - 8192.0).abs() < 1e-9);
        assert!((times.resident_bytes - 12288.0).abs() < 1e-9);
        assert!((times.started.unwrap() - 110.0).abs() < 1e-9);
        assert!(!families().is_empty());
    }
}
