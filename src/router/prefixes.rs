//! Path prefixes in a radix tree: all prefixes of a path are found in one walk along it, however
//! many lengths they have.
//!
//! Knows nothing of what a prefix leads to.

/// Prefixes, each with the number it was given.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    nodes: Vec<Node>,
    /// The first byte of each node's label, so that siblings are found in one line of memory.
    firsts: Vec<u8>,
    labels: Vec<u8>,
}

/// What is left of the path below the node's parent.
#[derive(Debug, Clone, Copy)]
struct Node {
    label: usize,
    label_len: u32,
    /// Children lie side by side, by their first bytes.
    children: u32,
    children_len: u32,
    /// The prefix that ends here.
    number: u32,
    /// The nearest node above where a prefix ends.
    up: u32,
}

/// Prefixes that still have to become a node: `from..to`, equal in their first `depth` bytes.
struct Job {
    from: usize,
    to: usize,
    depth: usize,
    up: u32,
}

const NONE: u32 = u32::MAX;

impl Prefixes {
    /// Numbers prefixes by their place; they are sorted and differ.
    pub(super) fn new(sorted: &[&str]) -> Self {
        let mut tree = Self::default();
        let mut jobs = Vec::new();
        if !sorted.is_empty() {
            jobs.push(Job { from: 0, to: sorted.len(), depth: 0, up: NONE });
            tree.firsts.push(0);
        }
        let mut place = 0;
        while let Some(job) = jobs.get(place) {
            let Job { from, to, depth, up } = *job;
            tree.grow(sorted, &mut jobs, place, &Job { from, to, depth, up });
            place += 1;
        }
        tree
    }

    /// Makes a job's node and jobs of its children.
    fn grow(&mut self, sorted: &[&str], jobs: &mut Vec<Job>, place: usize, job: &Job) {
        let bytes = |place: usize| sorted.get(place).map_or(&[][..], |text| text.as_bytes());
        let (first, last) = (bytes(job.from), bytes(job.to - 1));
        let end = job.depth + shared(&first[job.depth..], &last[job.depth..]);
        let ends_here = first.len() == end;
        let mut from = job.from + usize::from(ends_here);
        let node = Node {
            label: self.labels.len(),
            label_len: short(end - job.depth),
            children: short(jobs.len()),
            children_len: 0,
            number: if ends_here { short(job.from) } else { NONE },
            up: job.up,
        };
        self.labels.extend_from_slice(&first[job.depth..end]);
        let up = if ends_here { short(place) } else { job.up };
        let before = jobs.len();
        while from < job.to {
            let byte = bytes(from)[end];
            let rest = sorted.get(from..job.to).unwrap_or_default();
            let to = from + rest.partition_point(|text| text.as_bytes()[end] <= byte);
            jobs.push(Job { from, to, depth: end, up });
            self.firsts.push(byte);
            from = to;
        }
        self.nodes.push(Node { children_len: short(jobs.len() - before), ..node });
    }

    /// Calls `found` with each prefix of the path, the longest first.
    pub(super) fn find(&self, path: &str, mut found: impl FnMut(usize)) {
        let mut end = self.walk(path.as_bytes());
        while let Some(node) = self.nodes.get(end as usize) {
            found(node.number as usize);
            end = node.up;
        }
    }

    /// The deepest node on the path where a prefix ends.
    fn walk(&self, path: &[u8]) -> u32 {
        let (mut place, mut at, mut end) = (0u32, 0, NONE);
        while let Some(node) = self.nodes.get(place as usize) {
            let label = self.labels.get(node.label..node.label + node.label_len as usize);
            let rest = path.get(at..).unwrap_or_default();
            let Some(rest) = label.and_then(|label| rest.strip_prefix(label)) else { break };
            at += node.label_len as usize;
            if node.number != NONE {
                end = place;
            }
            let Some(byte) = rest.first() else { break };
            let children = node.children as usize..(node.children + node.children_len) as usize;
            let firsts = self.firsts.get(children).unwrap_or_default();
            let Ok(child) = firsts.binary_search(byte) else { break };
            place = node.children + short(child);
        }
        end
    }
}

/// How many bytes both begin with.
fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Places fit: rules and their lengths are limited far below.
fn short(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(prefixes: &[&str], path: &str) {
        let mut sorted = prefixes.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let tree = Prefixes::new(&sorted);
        let mut got = Vec::new();
        tree.find(path, |number| got.push(sorted[number]));
        let mut expect: Vec<_> = sorted.iter().copied().filter(|p| path.starts_with(p)).collect();
        expect.reverse();
        assert_eq!(got, expect, "{prefixes:?} {path}");
    }

    #[test]
    fn finds_all_prefixes_longest_first() {
        check(&[], "/a");
        check(&["/"], "/a");
        check(&["/", "/a", "/ab", "/abc/d", "/abd", "/b"], "/abc/d/e");
        check(&["/", "/a", "/ab", "/abc/d", "/abd", "/b"], "/abc");
        check(&["/caf\u{e9}", "/caf\u{e8}"], "/caf\u{e9}/x");
        check(&["/x"], "");
    }

    #[test]
    fn depth_costs_no_stack() {
        let nested: Vec<String> = (1..20_000).map(|len| "/".repeat(len)).collect();
        let nested: Vec<&str> = nested.iter().map(String::as_str).collect();
        let mut count = 0;
        Prefixes::new(&nested).find(&"/".repeat(30_000), |_| count += 1);
        assert_eq!(count, 19_999);
    }

    proptest! {
        #[test]
        fn equals_trying_each(
            prefixes in prop::collection::vec("[ab/\u{e9}\u{e8}]{0,5}", 0..40),
            path in "[ab/\u{e9}\u{e8}]{0,8}",
        ) {
            check(&prefixes.iter().map(String::as_str).collect::<Vec<_>>(), &path);
        }
    }
}
