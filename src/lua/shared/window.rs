//! Rolling statistics of answers: statuses over the last ten seconds and latencies over the last
//! minute, as the circuit breaker that Traefik uses keeps them.
//!
//! Must not know what decides upon them.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

/// Slots for statuses, one a second.
const STATUS_SLOTS: usize = 10;
/// Slots for latencies, ten seconds each.
const LATENCY_SLOTS: usize = 6;
const LATENCY_SLOT_SECONDS: u64 = 10;
/// Latencies are told apart to one part in so many, and below it to the microsecond.
const STEPS_PER_OCTAVE: u64 = 128;

/// The statistics.
#[derive(Debug, Default)]
pub(in crate::lua) struct Window {
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    statuses: [Slot<u16>; STATUS_SLOTS],
    latencies: [Slot<u16>; LATENCY_SLOTS],
}

/// Counts of what happened in one piece of time.
#[derive(Debug, Default)]
struct Slot<K> {
    /// Which piece, counted from the beginning of time.
    piece: u64,
    counts: BTreeMap<K, u64>,
}

impl<K: Ord> Slot<K> {
    fn count(&mut self, piece: u64, key: K) {
        if self.piece != piece {
            self.piece = piece;
            self.counts.clear();
        }
        *self.counts.entry(key).or_default() += 1;
    }
}

/// The counts of all pieces that are not too old.
fn recent<K: Copy + Ord>(slots: &[Slot<K>], piece: u64) -> impl Iterator<Item = (K, u64)> {
    let oldest = (piece + 1).saturating_sub(slots.len() as u64);
    let recent = slots.iter().filter(move |slot| (oldest..=piece).contains(&slot.piece));
    recent.flat_map(|slot| slot.counts.iter().map(|(key, count)| (*key, *count)))
}

impl Window {
    /// Notes an answer.
    pub(in crate::lua) fn record(&self, status: u16, latency: Duration, now: Duration) {
        let second = now.as_secs();
        let piece = second / LATENCY_SLOT_SECONDS;
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.statuses.get_mut(place(second, STATUS_SLOTS)) {
            slot.count(second, status);
        }
        if let Some(slot) = slots.latencies.get_mut(place(piece, LATENCY_SLOTS)) {
            slot.count(piece, step(latency));
        }
    }

    /// How many answers had a status of the first range, in parts of those of the second; the
    /// ends of ranges are not in them. 0 when there were none.
    pub(in crate::lua) fn ratio(
        &self,
        part: std::ops::Range<u16>,
        of: std::ops::Range<u16>,
        now: Duration,
    ) -> f64 {
        let slots = self.slots.lock();
        let (mut parts, mut all) = (0, 0);
        for (status, count) in recent(&slots.statuses, now.as_secs()) {
            parts += if part.contains(&status) { count } else { 0 };
            all += if of.contains(&status) { count } else { 0 };
        }
        if all == 0 { 0.0 } else { as_number(parts) / as_number(all) }
    }

    /// How many answers came.
    pub(in crate::lua) fn count(&self, now: Duration) -> u64 {
        let slots = self.slots.lock();
        recent(&slots.statuses, now.as_secs()).map(|(_, count)| count).sum()
    }

    /// The latency that so many percent of the answers did not pass.
    pub(in crate::lua) fn latency(&self, percent: f64, now: Duration) -> Duration {
        let slots = self.slots.lock();
        let mut counts = BTreeMap::new();
        for (step, count) in recent(&slots.latencies, now.as_secs() / LATENCY_SLOT_SECONDS) {
            *counts.entry(step).or_insert(0) += count;
        }
        let all: u64 = counts.values().sum();
        let wanted = (percent.clamp(0.0, 100.0) / 100.0 * as_number(all) + 0.5).floor().max(1.0);
        let mut seen = 0;
        for (step, count) in counts {
            seen += count;
            if as_number(seen) >= wanted {
                return top(step);
            }
        }
        Duration::ZERO
    }

    /// Forgets everything.
    pub(in crate::lua) fn reset(&self) {
        *self.slots.lock() = Slots::default();
    }
}

fn place(piece: u64, slots: usize) -> usize {
    usize::try_from(piece % slots as u64).unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "counts far below what a number holds exactly")]
fn as_number(count: u64) -> f64 {
    count as f64
}

/// The step of a latency: its octave and the place in it.
fn step(latency: Duration) -> u16 {
    let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let step = match us.checked_ilog2() {
        // An octave's values have eight bits that tell, of which the highest is set.
        Some(bits @ 7..) => {
            let shift = u64::from(bits) - 7;
            shift * STEPS_PER_OCTAVE + (us >> shift)
        }
        _ => us,
    };
    u16::try_from(step).unwrap_or(u16::MAX)
}

/// The greatest latency of a step.
fn top(step: u16) -> Duration {
    let (octave, place) = (u64::from(step) / STEPS_PER_OCTAVE, u64::from(step) % STEPS_PER_OCTAVE);
    let us = match octave.checked_sub(1) {
        None => place,
        Some(shift) => ((STEPS_PER_OCTAVE + place + 1) << shift) - 1,
    };
    Duration::from_micros(us)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn ratios_roll() {
        let window = Window::default();
        assert!(window.ratio(500..600, 0..600, at(0)).abs() < 1e-9);
        for (second, status) in [(100, 200), (100, 502), (105, 200), (109, 200)] {
            window.record(status, Duration::ZERO, at(second));
        }
        for (second, expect) in [(109, 0.25), (110, 0.0), (114, 0.0), (130, 0.0)] {
            let got = window.ratio(500..600, 0..600, at(second));
            assert!((got - expect).abs() < 1e-9, "{second}: {got}");
        }
        assert_eq!(
            (window.count(at(109)), window.count(at(115)), window.count(at(119))),
            (4, 1, 0)
        );
        window.reset();
        assert_eq!(window.count(at(109)), 0);
    }

    #[test]
    fn latencies_to_one_part_in_a_hundred() {
        let window = Window::default();
        for ms in 1..=100 {
            window.record(200, Duration::from_millis(ms), at(5));
        }
        for (percent, ms) in [(0.0, 1.0), (50.0, 50.0), (99.0, 99.0), (100.0, 100.0)] {
            let got = window.latency(percent, at(50)).as_secs_f64() * 1000.0;
            assert!((got / ms - 1.0).abs() < 0.01, "{percent}: {got}");
        }
        assert_eq!(window.latency(50.0, at(60)), Duration::ZERO);
    }

    #[test]
    fn a_step_holds_what_it_says() {
        for us in [0, 1, 127, 128, 129, 255, 256, 1000, 123_456, 3_600_000_000] {
            let latency = Duration::from_micros(us);
            let top = top(step(latency));
            assert!(top >= latency && top.as_micros() <= u128::from(us + us / 100), "{us} {top:?}");
        }
    }
}
