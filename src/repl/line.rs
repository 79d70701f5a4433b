//! A line as it is typed: whether it goes on in the next one, and its words.
//!
//! Must not know commands.

/// Whether the text goes on in the next line: a bracket or a quote is open, or it ends with an
/// operator, a comma or a backslash.
pub(super) fn is_open(text: &str) -> bool {
    let mut open = 0_i32;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(mark), c) if mark == c => quote = None,
            (Some(_), _) => {}
            // An apostrophe is a quote at the beginning of a word only; rules have none.
            (None, '`' | '"') => quote = Some(c),
            (None, '(' | '{' | '[') => open += 1,
            (None, ')' | '}' | ']') => open -= 1,
            (None, _) => {}
        }
    }
    let end = text.trim_end();
    let goes_on = ["&&", "||", "->", "\\"].iter().any(|mark| end.ends_with(mark));
    !text.trim_start().starts_with('#') && (open > 0 || quote.is_some() || goes_on)
}

/// The words of a text, as a shell reads them: quotes hold words together.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(mark), c) if mark == c => quote = None,
            (Some('"') | None, '\\') => {
                word.get_or_insert_default().extend(characters.next());
            }
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The first word and the rest.
pub(super) fn first(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_on_where_something_is_open() {
        for open in ["Host(`a`) &&", "router r {rule: x,", "x [", "Host(`a", "= f(1,", "a ->"] {
            assert!(is_open(open), "{open}");
        }
        for closed in ["Host(`a`)", "GET http://a/ -H 'x: it'", "# (", "router r {a: b}", ""] {
            assert!(!is_open(closed), "{closed}");
        }
    }

    #[test]
    fn words_are_a_shells() {
        for (text, expect) in [
            ("a  b", &["a", "b"][..]),
            ("-H 'X: a b' \"c\\\" d\" e\\ f", &["-H", "X: a b", "c\" d", "e f"]),
            ("'' x", &["", "x"]),
            ("  ", &[]),
        ] {
            assert_eq!(words(text), expect, "{text}");
        }
    }
}
