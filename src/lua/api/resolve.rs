//! `url.resolve`: what a reference means where it stands (RFC 3986, section 5.2).

use mlua::{LuaString, Value};

use super::{Doc, Function};

pub(super) const RESOLVE: Function = Function {
    doc: Doc {
        name: "resolve",
        signature: "url.resolve(base: string, reference: string) -> string",
        text: "The absolute URL that a reference, such as a `Location`, means in an answer from \
               `base`. A reference that is absolute already stays as it is.",
        example: "res.headers[\"Location\"] = url.resolve(address, location)",
    },
    make: |lua, _| {
        lua.create_function(|_, (base, reference): (LuaString, LuaString)| {
            Ok(resolve(&base.to_str()?, &reference.to_str()?))
        })
        .map(Value::Function)
    },
};

fn resolve(base: &str, reference: &str) -> String {
    if has_scheme(reference) {
        return reference.to_owned();
    }
    let (scheme, rest) = base.split_once(':').unwrap_or(("", base));
    if reference.starts_with("//") {
        return format!("{scheme}:{reference}");
    }
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, way) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let base_path = way.split('?').next().unwrap_or_default();
    let (path, after) = reference.split_at(reference.find(['?', '#']).unwrap_or(reference.len()));
    let way = match path {
        "" if after.starts_with('?') => format!("{base_path}{after}"),
        "" => format!("{way}{after}"),
        path if path.starts_with('/') => format!("{}{after}", without_dots(path)),
        path => {
            let folder = base_path.rfind('/').map_or("/", |slash| &base_path[..=slash]);
            format!("{}{after}", without_dots(&format!("{folder}{path}")))
        }
    };
    format!("{scheme}://{authority}{way}")
}

fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// A path without `.` and `..`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn references_of_rfc_3986() {
        let base = "http://a/b/c/d;p?q";
        for (reference, expect) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("g#s", "http://a/b/c/g#s"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("./g/.", "http://a/b/c/g/"),
            ("g/../h", "http://a/b/c/h"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("https://other.test/x", "https://other.test/x"),
        ] {
            assert_eq!(resolve(base, reference), expect, "{reference}");
        }
        assert_eq!(resolve("http://a:1", "login?x"), "http://a:1/login?x");
    }
}
