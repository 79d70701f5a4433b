//! What templates render to, and how they are refused.

use proptest::prelude::*;

use super::{Template, catalogue};

fn environment(name: &str) -> Option<String> {
    (name == "HOST").then(|| "example.com".to_owned())
}

fn render(text: &str) -> Result<String, String> {
    let template = Template::parse(text).map_err(|error| format!("{}: {error}", error.line))?;
    template.render(&environment).map_err(|error| format!("{}: {error}", error.line))
}

fn check(cases: &[(&str, &str)]) {
    for (text, expect) in cases {
        assert_eq!(render(text).as_deref(), Ok(*expect), "{text}");
    }
}

fn refuse(cases: &[(&str, &str)]) {
    for (text, expect) in cases {
        assert_eq!(render(text), Err((*expect).to_owned()), "{text}");
    }
}

/// The cases of a file: templates and what they make.
fn cases(file: &str) -> Vec<(&str, &str)> {
    let parts = file.split("--- template\n").skip(1);
    let cases = parts.filter_map(|part| part.split_once("\n--- makes\n"));
    cases.map(|(text, made)| (text, made.strip_suffix('\n').unwrap_or(made))).collect()
}

#[test]
fn actions_and_functions() {
    check(&cases(include_str!("../../tests/golden/template/actions.txt")));
    check(&cases(include_str!("../../tests/golden/template/functions.txt")));
}

#[test]
fn refusals_name_line_and_reason() {
    refuse(&cases(include_str!("../../tests/golden/template/refusals.txt")));
}

#[test]
fn limits_end_what_would_not() {
    refuse(&[
        (
            "{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}",
            "1: more than 100 templates in templates",
        ),
        ("{{ range 9000 }}{{ range 9000 }}{{ end }}{{ end }}", "1: more than 20000000 steps"),
        ("{{ repeat 9999999 \"aaaaaaaaaa\" }}", "1: more than 67108864 bytes"),
        ("{{ until 99999999999 }}", "1: more than 67108864 bytes"),
        (
            "{{ $l := list 1 }}{{ range 99 }}{{ $l = list $l $l }}{{ end }}",
            "1: more than 4194304 values in one value, or in each other",
        ),
    ]);
    let nested = format!("{}1{}", "(".repeat(300), ")".repeat(300));
    refuse(&[(&format!("{{{{ {nested} }}}}"), "1: more than 100 blocks in blocks")]);
    // Maps that get deeper from within are dropped without a deep stack.
    let deeper = "{{ $top := dict }}{{ $at := $top }}{{ range 200000 }}{{ $next := dict }}\
                  {{ $_ := set $at \"n\" $next }}{{ $at = $next }}{{ end }}ok";
    check(&[(deeper, "ok")]);
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = catalogue().into_iter().map(|function| function.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    for (refused, _) in super::functions::REFUSED {
        assert!(!names.contains(refused), "{refused}");
    }
}

proptest! {
    #[test]
    fn text_without_actions_is_itself(text in "[^{]{0,80}") {
        prop_assert_eq!(render(&text), Ok(text));
    }

    #[test]
    fn quoted_text_comes_out_as_it_went_in(text in "\\PC{0,40}") {
        let quoted = super::format::quote(&text);
        prop_assert_eq!(render(&format!("{{{{ {quoted} }}}}")), Ok(text));
    }

    #[test]
    fn whole_numbers_read_and_print(number in any::<i64>()) {
        prop_assert_eq!(render(&format!("{{{{ {number} }}}}")), Ok(number.to_string()));
    }

    #[test]
    fn json_round_trips(list in proptest::collection::vec("[a-z<&\"]{0,6}", 0..6)) {
        let json = serde_json::to_string(&list).unwrap();
        let text = format!("{{{{ fromJson {} | toRawJson }}}}", super::format::quote(&json));
        prop_assert_eq!(render(&text), Ok(json));
    }

    #[test]
    fn nothing_makes_it_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "{{", "}}", "{{-", "-}}", "if", "else", "end", "range", "with", "define", "\"a\"",
            "template", "block", "$x", ":=", "=", "|", "(", ")", ".", ".a", "1", "-1", "list",
            "dict", "set", "printf", "until", "`", "'", "\\", "/*", "*/", "\n", "break", "index",
        ]), 0..24,
    )) {
        let text = words.join(" ");
        drop(render(&text));
    }
}
