//! A rule's text and what each of its conditions says.

use super::answer::{Condition, Way};
use crate::rule::{Tree, parse};

/// The rule as a tree, with the values of its matchers from left to right.
pub(super) fn condition(rule: &str, met: &[bool]) -> Option<Condition> {
    let tree = parse(rule).ok()?;
    let mut met = met.iter().copied();
    build(&tree, &mut met)
}

fn build(tree: &Tree, met: &mut impl Iterator<Item = bool>) -> Option<Condition> {
    let mut join = |way, parts: &[Tree]| {
        let parts: Vec<_> = parts.iter().map(|part| build(part, met)).collect::<Option<_>>()?;
        let is_met = match way {
            Way::And => parts.iter().all(|part: &Condition| part.is_met),
            _ => parts.iter().any(|part| part.is_met),
        };
        Some(Condition { way, text: String::new(), is_met, parts })
    };
    match tree {
        Tree::And(parts) => join(Way::And, parts),
        Tree::Or(parts) => join(Way::Or, parts),
        Tree::Not(inner) => {
            let part = build(inner, met)?;
            let (text, is_met) = (String::new(), !part.is_met);
            Some(Condition { way: Way::Not, text, is_met, parts: vec![part] })
        }
        Tree::Call(_) => {
            let is_met = met.next()?;
            Some(Condition { way: Way::Call, text: tree.to_string(), is_met, parts: Vec::new() })
        }
    }
}

impl Condition {
    /// What keeps it from being met, in words.
    pub(super) fn obstacle(&self) -> String {
        match self.way {
            Way::Call => self.text.clone(),
            Way::Not => format!("!{}", self.parts.first().map(Self::whole).unwrap_or_default()),
            Way::And => {
                let unmet = self.parts.iter().filter(|part| !part.is_met).map(Self::obstacle);
                unmet.collect::<Vec<_>>().join(" and ")
            }
            Way::Or => {
                let all = self.parts.iter().map(Self::obstacle);
                format!("none of {}", all.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn whole(&self) -> String {
        let join = |with: &str| {
            let parts: Vec<_> = self.parts.iter().map(Self::whole).collect();
            format!("({})", parts.join(with))
        };
        match self.way {
            Way::Call => self.text.clone(),
            Way::Not => format!("!{}", self.parts.first().map(Self::whole).unwrap_or_default()),
            Way::And => join(" && "),
            Way::Or => join(" || "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_in_the_way() {
        let check = |rule: &str, met: &[bool], expect: (bool, &str)| {
            let condition = condition(rule, met).unwrap();
            assert_eq!((condition.is_met, &*condition.obstacle()), expect, "{rule}");
        };
        check("Host(`a`)", &[false], (false, "Host(`a`)"));
        check("Host(`a`) && Path(`/b`)", &[true, false], (false, "Path(`/b`)"));
        check("Host(`a`) && !Path(`/b`)", &[true, true], (false, "!Path(`/b`)"));
        check("Host(`a`) || Host(`b`)", &[false, false], (false, "none of Host(`a`), Host(`b`)"));
        check("Host(`a`) || Host(`b`)", &[false, true], (true, "none of Host(`a`), Host(`b`)"));
        let both = "Host(`a`) && (Method(`GET`) || Path(`/b`))";
        check(both, &[false, true, false], (false, "Host(`a`)"));
    }
}
