//! Rule text to syntax tree.

use pest::Parser as _;
use pest::error::{ErrorVariant, LineColLocation};
use pest::iterators::Pair;

use super::{Call, Position, RuleError, Tree};

/// The grammar in `grammar/rule.pest`.
mod grammar {
    #![allow(missing_docs, reason = "made by the grammar")]

    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/rule.pest"]
    pub(super) struct Grammar;
}

use grammar::{Grammar, Rule};

/// Bytes of one rule.
const RULE_BYTES_MAX: usize = 64 * 1024;
/// Parentheses and negations inside each other.
const DEPTH_MAX: usize = 64;

/// Reads a rule.
///
/// # Errors
/// When the text is no rule, too long or nested too deep.
pub fn parse(text: &str) -> Result<Tree, RuleError> {
    if text.len() > RULE_BYTES_MAX {
        return Err(RuleError::TooLong { max_bytes: RULE_BYTES_MAX });
    }
    if let Some(at) = too_deep(text) {
        return Err(RuleError::TooDeep { at, max: DEPTH_MAX });
    }
    let mut pairs = Grammar::parse(Rule::rule, text).map_err(|error| syntax(text, &error))?;
    let tree = pairs.next().and_then(|rule| rule.into_inner().next()).and_then(tree);
    tree.ok_or_else(|| RuleError::Syntax {
        at: Position { line: 1, column: 1 },
        reason: "expected a matcher".to_owned(),
    })
}

/// Where parentheses and negations are nested too deep, strings left out: reading a rule takes
/// stack by its depth.
fn too_deep(text: &str) -> Option<Position> {
    let mut at = Position { line: 1, column: 0 };
    // The depth outside each open parenthesis, and where we are.
    let (mut open, mut depth) = (Vec::new(), 0);
    let (mut quote, mut escaped) = (None, false);
    for c in text.chars() {
        at.column += 1;
        match (quote, c) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(mark), c) if c == mark && !escaped => quote = None,
            (None, '`' | '"') => quote = Some(c),
            (None, '!') => depth += 1,
            (None, '(') => {
                open.push(depth);
                depth += 1;
            }
            (None, ')') => depth = open.pop().unwrap_or_default(),
            (None, '&' | '|') => depth = open.last().map_or(0, |outside| outside + 1),
            _ => {}
        }
        escaped = false;
        if c == '\n' {
            at = Position { line: at.line + 1, column: 0 };
        }
        if depth > DEPTH_MAX {
            return Some(at);
        }
    }
    None
}

fn tree(pair: Pair<'_, Rule>) -> Option<Tree> {
    match pair.as_rule() {
        Rule::or => join(pair, Tree::Or),
        Rule::and => join(pair, Tree::And),
        Rule::not => Some(Tree::Not(Box::new(tree(pair.into_inner().next()?)?))),
        Rule::unary | Rule::group => pair.into_inner().find_map(tree),
        Rule::call => {
            let (line, column) = pair.line_col();
            let mut inner = pair.into_inner();
            let name = inner.next()?.as_str().to_owned();
            let args = inner.filter_map(|arg| arg.into_inner().next()).map(|arg| argument(&arg));
            Some(Tree::Call(Call { name, args: args.collect(), at: Position { line, column } }))
        }
        _ => None,
    }
}

/// One part stands for itself.
fn join(pair: Pair<'_, Rule>, all: impl Fn(Vec<Tree>) -> Tree) -> Option<Tree> {
    let mut parts: Vec<Tree> = pair.into_inner().filter_map(tree).collect();
    if parts.len() == 1 { parts.pop() } else { Some(all(parts)) }
}

fn argument(pair: &Pair<'_, Rule>) -> String {
    let text = pair.as_str();
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    // Go drops carriage returns from raw strings.
    if pair.as_rule() == Rule::raw { inner.replace('\r', "") } else { unescape(inner) }
}

/// Go's escapes in a double-quoted string.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let kind = rest.chars().next().unwrap_or('\\');
        let (digits, radix, skip) = match kind {
            'x' => (2, 16, 1),
            'u' => (4, 16, 1),
            'U' => (8, 16, 1),
            '0'..='7' => (3, 8, 0),
            _ => (0, 0, 1),
        };
        let number = rest.get(skip..skip + digits).unwrap_or_default();
        rest = rest.get(skip + digits..).unwrap_or_default();
        match kind {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            'x' | '0'..='7' => {
                let byte = u32::from_str_radix(number, radix).unwrap_or_default();
                out.push(u8::try_from(byte & 0xff).unwrap_or_default());
            }
            'u' | 'U' => {
                let code = u32::from_str_radix(number, radix).unwrap_or_default();
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn syntax(text: &str, error: &pest::error::Error<Rule>) -> RuleError {
    let (line, column) = match error.line_col {
        LineColLocation::Pos(at) | LineColLocation::Span(at, _) => at,
    };
    let at = Position { line, column };
    let here = text.lines().nth(line - 1).unwrap_or_default();
    let here = here.chars().nth(column.saturating_sub(1));
    let rules = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => &positives[..],
        ErrorVariant::CustomError { .. } => &[],
    };
    let expected = expected(rules);
    let reason = match here {
        Some('\'') => "strings are written in backticks or double quotes, not single quotes".into(),
        Some(c @ ('&' | '|')) if starts_line(text, at) => {
            format!(
                "{expected}, found {c:?}; a rule goes on in the next line only after an operator"
            )
        }
        Some('`') if rules.contains(&Rule::arg) => "the string that begins here has no end".into(),
        Some('"') if rules.contains(&Rule::arg) => {
            "the string that begins here has no end or an unknown escape".into()
        }
        Some(c) => format!("{expected}, found {c:?}"),
        None => format!("{expected}, found the end"),
    };
    RuleError::Syntax { at, reason }
}

/// Whether nothing but space stands before the place in a line that is not the first.
fn starts_line(text: &str, at: Position) -> bool {
    let line = text.lines().nth(at.line - 1).unwrap_or_default();
    at.line > 1 && line.chars().take(at.column - 1).all(char::is_whitespace)
}

/// What could have stood there, each named once.
fn expected(rules: &[Rule]) -> String {
    let name = |expected: &Rule| match expected {
        Rule::arg | Rule::raw | Rule::text => "a string in backticks",
        Rule::both => "&&",
        Rule::either => "||",
        Rule::open => "an opening parenthesis",
        Rule::close => "a closing parenthesis",
        Rule::comma => "a comma",
        Rule::EOI => "the end",
        _ => "a matcher such as Host(`a.example`)",
    };
    let mut names: Vec<&str> = Vec::new();
    for name in rules.iter().map(name) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    format!("expected {}", names.join(" or "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(parse(text).unwrap().to_string(), expect, "{text}");
    }

    #[test]
    fn reads_rules() {
        check("Host(`a`)", "Host(`a`)");
        check("Host(\"a\\x41\\n\")", "Host(`aA\n`)");
        check("A(`1`) || B(`2`) && C(`3`)", "A(`1`) || B(`2`) && C(`3`)");
        check("(A(`1`) || B(`2`)) && !C(`3`)", "(A(`1`) || B(`2`)) && !C(`3`)");
        check("!(A(`1`) && B(`2`))", "!(A(`1`) && B(`2`))");
        check("  Host( `a` )   &&\n    Path(`/x`)\n", "Host(`a`) && Path(`/x`)");
        check("Q(`a`, `b`)&&Z()", "Q(`a`, `b`) && Z()");
        check("Q(\n`a`,\n`b`,\n)", "Q(`a`, `b`)");
        check("\n Host(`a`) \n", "Host(`a`)");
        check("Host(\"b.test\") && Path(\"/y\")", "Host(`b.test`) && Path(`/y`)");
        check("Host(\"a\\rb\")", "Host(\"a\\rb\")");
        check("Host(`a\rb`)", "Host(`ab`)");
        check("!!A(`1`)", "!!A(`1`)");
    }

    #[test]
    fn errors_have_a_place_and_a_hint() {
        for (text, at, part) in [
            ("Host('a')", (1, 6), "single quotes"),
            ("Host(`a`", (1, 9), "expected a closing parenthesis or a comma, found the end"),
            ("Host(`a` `b`)", (1, 10), "expected a closing parenthesis or a comma, found '`'"),
            ("Host(a)", (1, 6), "expected a string in backticks or a closing parenthesis"),
            ("Host(`a)", (1, 6), "has no end"),
            ("Host", (1, 5), "expected an opening parenthesis, found the end"),
            ("(Host(`a`)", (1, 11), "a closing parenthesis, found the end"),
            ("Host(`a`) & Path(`/`)", (1, 11), "expected the end or || or &&, found '&'"),
            ("Host(`a`\n)", (1, 9), "found"),
            ("Host(`a`) &&", (1, 13), "expected a matcher"),
            ("Host(`a`)\n&& Path(`/`)", (2, 1), "only after an operator"),
            ("Path(`/t`) &&", (1, 14), "expected a matcher"),
            ("Host(\"\\A\")", (1, 6), "unknown escape"),
            ("Host(\"\\777\")", (1, 6), "unknown escape"),
            ("Host(`a`) Path(`/`)", (1, 11), "found 'P'"),
            ("", (1, 1), "expected a matcher"),
            ("Host(`a`))", (1, 10), "found ')'"),
        ] {
            match parse(text).unwrap_err() {
                RuleError::Syntax { at: found, reason } => {
                    assert_eq!((found.line, found.column), at, "{text}: {reason}");
                    assert!(reason.contains(part), "{text}: {reason}");
                }
                other => panic!("{text}: {other}"),
            }
        }
    }

    #[test]
    fn depth_and_length_are_limited() {
        let deep = format!("{}A(`1`){}", "(".repeat(100), ")".repeat(100));
        let at = Position { line: 1, column: DEPTH_MAX + 1 };
        assert_eq!(parse(&deep), Err(RuleError::TooDeep { at, max: DEPTH_MAX }));
        let negated = format!("{}A(`1`)", "!".repeat(100));
        assert_eq!(parse(&negated), Err(RuleError::TooDeep { at, max: DEPTH_MAX }));
        // Negations count together with the parentheses around them.
        let both = "\n!!!!(A() && ".repeat(13);
        let at = Position { line: 14, column: 5 };
        assert_eq!(parse(&both), Err(RuleError::TooDeep { at, max: DEPTH_MAX }));
        let wide = vec!["!(!A(`(((\"!!!!`) || B(\"\\\"((((\"))"; 200].join(" && ");
        assert!(parse(&wide).is_ok());
        let long = format!("A(`{}`)", "x".repeat(RULE_BYTES_MAX));
        assert_eq!(parse(&long), Err(RuleError::TooLong { max_bytes: RULE_BYTES_MAX }));
    }

    fn any_tree() -> impl Strategy<Value = Tree> {
        let arg = prop_oneof!["[a-z/.]{0,4}", Just("`".to_owned()), Just("a\"\\`\n\r".to_owned())];
        let call = ("[A-Z][a-z]{0,3}", prop::collection::vec(arg, 0..3))
            .prop_map(|(name, args)| Tree::Call(Call { name, args, at: Position::default() }));
        call.prop_recursive(4, 24, 3, |inner| {
            let many = || prop::collection::vec(inner.clone(), 2..4);
            prop_oneof![
                many().prop_map(Tree::And),
                many().prop_map(Tree::Or),
                inner.prop_map(|tree| Tree::Not(Box::new(tree))),
            ]
        })
    }

    proptest! {
        #[test]
        fn printing_parses_back(tree in any_tree()) {
            prop_assert_eq!(parse(&tree.to_string()).unwrap(), tree);
        }

        #[test]
        fn never_panics(text in "[A-Za-z()&|!`\"'\\\\ \n,0-9]{0,60}") {
            let _ = parse(&text);
        }
    }
}
