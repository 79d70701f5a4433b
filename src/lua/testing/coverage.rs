//! Lines of scripts that ran.

use std::collections::BTreeMap;

use mlua::Function;

/// By script and line, how often it ran; lines without code are not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    scripts: BTreeMap<String, BTreeMap<usize, u64>>,
}

impl Coverage {
    /// Adds what a script's main function has counted, functions in it included.
    pub(super) fn count(&mut self, script: &str, chunk: &Function) {
        let lines = self.scripts.entry(script.to_owned()).or_default();
        chunk.coverage(|info| {
            for (line, &hits) in info.hits.iter().enumerate() {
                // Luau says -1 for a line without code.
                if let Ok(hits) = u64::try_from(hits) {
                    *lines.entry(line).or_default() += hits;
                }
            }
        });
    }

    /// Adds another one's.
    pub fn add(&mut self, other: &Self) {
        for (script, lines) in &other.scripts {
            let own = self.scripts.entry(script.clone()).or_default();
            for (&line, hits) in lines {
                *own.entry(line).or_default() += hits;
            }
        }
    }

    /// The scripts, each with its lines that ran, its lines, and those that did not run.
    pub fn scripts(&self) -> impl Iterator<Item = (&str, usize, usize, Vec<usize>)> {
        self.scripts.iter().map(|(script, lines)| {
            let missed: Vec<usize> =
                lines.iter().filter(|(_, hits)| **hits == 0).map(|(line, _)| *line).collect();
            (script.as_str(), lines.len() - missed.len(), lines.len(), missed)
        })
    }

    /// How many of a hundred lines ran; a hundred when there are none.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let (mut ran, mut all) = (0_usize, 0_usize);
        for (_, hit, lines, _) in self.scripts() {
            ran += hit;
            all += lines;
        }
        if all == 0 {
            return 100.0;
        }
        #[allow(clippy::cast_precision_loss, reason = "nobody has 2^52 lines")]
        let percent = ran as f64 * 100.0 / all as f64;
        percent
    }
}
