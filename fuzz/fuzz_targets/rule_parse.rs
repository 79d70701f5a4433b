//! Reading a rule never panics; what is printed reads as the same rule.

#![no_main]

use libfuzzer_sys::fuzz_target;
use moongate::rule::{Syntax, parse};

fuzz_target!(|text: &str| {
    let Ok(tree) = parse(text) else { return };
    let printed = tree.to_string();
    assert_eq!(parse(&printed).as_ref(), Ok(&tree), "printed as {printed:?}");
    for syntax in Syntax::ALL {
        let _ = syntax.compile(&tree);
    }
});
