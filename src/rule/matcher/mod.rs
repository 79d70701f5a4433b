//! Matchers: the catalogue, and a rule ready to match requests.

mod client_ip;
mod cookie;
mod header;
mod host;
mod host_regexp;
mod lua;
mod method;
mod path;
mod pattern;
mod query;
pub(super) mod v2;

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use http::Method;

use super::key::{self, Key};
use super::{Call, RuleError, Tree};
use crate::headers::Headers;
use crate::value::nearest;

pub use host::hosts;
pub use lua::{Judge, NoScripts, scripts};

/// What rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host in lower case, without port and brackets; empty when none was named.
    pub host: &'a str,
    /// The path, escapes decoded but those of reserved characters.
    pub path: &'a str,
    /// The query without its `?`.
    pub query: Option<&'a str>,
    /// The headers, without `Host`.
    pub headers: &'a Headers,
    /// The client's address.
    pub client_ip: IpAddr,
    /// Asks scripts.
    pub scripts: &'a dyn Judge,
}

/// An entry of the catalogue.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The name, as documented.
    pub name: &'static str,
    /// How it is written.
    pub signature: &'static str,
    /// What it does, one sentence.
    pub doc: &'static str,
    /// A rule that uses it.
    pub example: &'static str,
    /// How many arguments it takes.
    pub arity: RangeInclusive2,
    /// Makes a test of checked arguments; the reason why not otherwise.
    pub build: Build,
}

/// Makes a test of a matcher's arguments.
pub type Build = fn(&[String]) -> Result<Box<dyn Test>, String>;

/// The least and the greatest number of arguments.
pub type RangeInclusive2 = (usize, usize);

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.signature)
    }
}

impl Kind {
    fn arity(&self) -> RangeInclusive<usize> {
        self.arity.0..=self.arity.1
    }

    /// Names are written as documented, all in lower case, all in upper case, or all but the first
    /// letter in lower case.
    fn is_called(&self, name: &str) -> bool {
        let is_lower = |text: &str| text.bytes().all(|b| !b.is_ascii_uppercase());
        name == self.name
            || (name.eq_ignore_ascii_case(self.name)
                && (is_lower(name.get(1..).unwrap_or_default())
                    || name.bytes().all(|b| !b.is_ascii_lowercase())))
    }
}

/// All matchers of the present syntax.
pub const CATALOGUE: &[Kind] = &[
    host::KIND,
    host_regexp::KIND,
    path::EXACT,
    path::PREFIX,
    path::REGEXP,
    method::KIND,
    header::EXACT,
    header::REGEXP,
    query::EXACT,
    query::REGEXP,
    client_ip::KIND,
    cookie::EXACT,
    cookie::REGEXP,
    lua::KIND,
];

/// One condition on a request.
pub trait Test: fmt::Debug + Send + Sync {
    /// Whether the request meets it.
    fn matches(&self, facts: &Facts<'_>) -> bool;

    /// Conditions for the index, one of which is met whenever this is.
    fn keys(&self) -> Vec<Key> {
        vec![Key::default()]
    }
}

/// A rule ready to match requests.
#[derive(Debug)]
pub struct Matcher {
    node: Node,
    keys: Vec<Key>,
}

#[derive(Debug)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(Box<dyn Test>),
}

impl Matcher {
    pub(super) fn new(tree: &Tree, catalogue: &'static [Kind]) -> Result<Self, RuleError> {
        let node = Node::new(tree, catalogue)?;
        let keys = node.keys();
        Ok(Self { node, keys })
    }

    /// Whether a request matches.
    #[must_use]
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        self.node.matches(facts)
    }

    /// Whether each of its conditions is met, in the order of [`Tree::calls`]; all of them are
    /// looked at.
    #[must_use]
    pub fn conditions(&self, facts: &Facts<'_>) -> Vec<bool> {
        let mut met = Vec::new();
        self.node.conditions(facts, &mut met);
        met
    }

    /// Conditions for the index: one of them is met whenever the rule matches.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
}

impl Node {
    fn new(tree: &Tree, catalogue: &'static [Kind]) -> Result<Self, RuleError> {
        let one = |part: &Tree| Self::new(part, catalogue);
        let all = |parts: &[Tree]| parts.iter().map(one).collect::<Result<Vec<_>, _>>();
        match tree {
            Tree::And(parts) => Ok(Self::All(all(parts)?)),
            Tree::Or(parts) => Ok(Self::Any(all(parts)?)),
            Tree::Not(inner) => Ok(Self::Not(Box::new(one(inner)?))),
            Tree::Call(call) => Self::call(call, catalogue),
        }
    }

    fn call(call: &Call, catalogue: &'static [Kind]) -> Result<Self, RuleError> {
        let at = call.at;
        let Some(kind) = catalogue.iter().find(|kind| kind.is_called(&call.name)) else {
            let near = nearest(&call.name, catalogue.iter().map(|kind| kind.name));
            let nearest = catalogue.iter().map(|kind| kind.name).find(|name| Some(*name) == near);
            return Err(RuleError::UnknownMatcher { at, name: call.name.clone(), nearest });
        };
        if !kind.arity().contains(&call.args.len()) {
            let (signature, given) = (kind.signature, call.args.len());
            return Err(RuleError::Arguments { at, signature, given });
        }
        let refused = |reason| RuleError::Value { at, matcher: kind.name, reason };
        if call.args.iter().any(String::is_empty) {
            return Err(refused("an argument is empty".to_owned()));
        }
        Ok(Self::Test((kind.build)(&call.args).map_err(refused)?))
    }

    fn matches(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(facts)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(facts)),
            Self::Not(inner) => !inner.matches(facts),
            Self::Test(test) => test.matches(facts),
        }
    }

    fn conditions(&self, facts: &Facts<'_>, met: &mut Vec<bool>) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.conditions(facts, met);
                }
            }
            Self::Not(inner) => inner.conditions(facts, met),
            Self::Test(test) => met.push(test.matches(facts)),
        }
    }

    fn keys(&self) -> Vec<Key> {
        match self {
            Self::All(parts) => key::all(parts.iter().map(Self::keys)),
            Self::Any(parts) => key::any(parts.iter().map(Self::keys)),
            Self::Not(_) => vec![Key::default()],
            Self::Test(test) => test.keys(),
        }
    }
}

/// The first argument; the catalogue's arity says that it is there.
fn first(args: &[String]) -> &str {
    args.first().map_or("", String::as_str)
}

/// The second argument, empty without one.
fn second(args: &[String]) -> &str {
    args.get(1).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::super::{Syntax, compile, parse};
    use super::*;

    fn matches(rule: &str, request: &str, headers: &[(&str, &str)], ip: &str) -> bool {
        matches_in(Syntax::V3, rule, request, headers, ip)
    }

    /// A request written as `METHOD host/path?query`, with headers.
    pub(super) fn matches_in(
        syntax: Syntax,
        rule: &str,
        request: &str,
        headers: &[(&str, &str)],
        ip: &str,
    ) -> bool {
        let (method, rest) = request.split_once(' ').unwrap();
        let (host, target) = rest.split_at(rest.find('/').unwrap());
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let mut map = Headers::new();
        for (name, value) in headers {
            map.append(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        let matcher = syntax.compile(&parse(rule).unwrap()).unwrap();
        matcher.matches(&Facts {
            method: &method.parse().unwrap(),
            host,
            path,
            query,
            headers: &map,
            client_ip: ip.parse().unwrap(),
            scripts: &NoScripts,
        })
    }

    fn check(rule: &str, request: &str, expect: bool) {
        assert_eq!(matches(rule, request, &[], "127.0.0.1"), expect, "{rule} {request}");
    }

    #[test]
    fn hosts() {
        check("Host(`Example.com`)", "GET example.com/", true);
        check("Host(`example.com`)", "GET example.com./", true);
        check("Host(`example.com.`)", "GET example.com/", true);
        check("Host(`example.com`)", "GET example.com../", false);
        check("Host(`example.com`)", "GET sub.example.com/", false);
        check("Host(`example.com`)", "GET /", false);
        check("Host(`xn--mller-kva.example`)", "GET xn--mller-kva.example/", true);
        check("Host(`*.example.com`)", "GET one.example.com/", true);
        check("Host(`*.example.com`)", "GET two.one.example.com/", false);
        check("Host(`*.example.com`)", "GET example.com/", false);
        check("Host(`*.example.com`)", "GET .example.com/", false);
        check("Host(`*`)", "GET anything.test/", true);
        check("Host(`*`)", "GET /", true);
        check("Host(`127.0.0.1`)", "GET 127.0.0.1/", true);
        check("Host(`::1`)", "GET ::1/", true);
        check("Host(`[::2]`)", "GET ::2/", false);
        check("HostRegexp(`^[a-z]+\\.example\\.com$`)", "GET abc.example.com/", true);
        check("HostRegexp(`^[a-z]+\\.example\\.com$`)", "GET a1.example.com/", false);
        check("HostRegexp(`^[a-z]+\\.example\\.com$`)", "GET abc.example.com./", false);
        check("HostRegexp(`foo`)", "GET xfoox.test/", true);
    }

    #[test]
    fn paths() {
        check("Path(`/products`)", "GET h/products", true);
        check("Path(`/products`)", "POST h/products?x=1", true);
        check("Path(`/products`)", "GET h/products/", false);
        check("Path(`/products`)", "GET h/Products", false);
        check("Path(`/products`)", "GET h/products/shoes", false);
        check("Path(`/with/slash/`)", "GET h/with/slash", false);
        check("Path(`/foo bar`)", "GET h/foo bar", true);
        check("Path(`/caf\u{e9}`)", "GET h/caf\u{e9}", true);
        check("PathPrefix(`/products`)", "GET h/products-for-sale", true);
        check("PathPrefix(`/products`)", "GET h/product", false);
        check("PathPrefix(`/api/`)", "GET h/api", false);
        check("PathPrefix(`/api/`)", "GET h/api/", true);
        check("PathPrefix(`/api/`)", "GET h/API/v1", false);
        check("PathPrefix(`/a/b`)", "GET h/a%2Fb", false);
        let products = "PathRegexp(`^/products/(shoes|socks)/[0-9]+$`)";
        check(products, "GET h/products/shoes/31?q=1", true);
        check(products, "GET h/products/hats/31", false);
        check("PathRegexp(`\\.(jpeg|jpg|png)$`)", "GET h/x/y.png?z", true);
        check("PathRegexp(`\\.(jpeg|jpg|png)$`)", "GET h/x?z=y.png", false);
        check("PathRegexp(`\\.(jpeg|jpg|png)$`)", "GET h/x/y.PNG", false);
        check("PathRegexp(`(?i)^/case`)", "GET h/CaSe/1", true);
    }

    #[test]
    fn methods() {
        check("Method(`GET`)", "GET h/", true);
        check("Method(`GET`)", "HEAD h/", false);
        check("Method(`GET`)", "get h/", false);
        check("Method(`purge`)", "PURGE h/", true);
        check("Method(`purge`)", "purge h/", false);
        check("Method(`POST`) || Method(`PUT`)", "PUT h/", true);
    }

    #[test]
    fn queries() {
        check("Query(`mobile`, `true`)", "GET h/?a=b&mobile=true&c", true);
        check("Query(`mobile`, `true`)", "GET h/?mobile=True", false);
        check("Query(`mobile`, `true`)", "GET h/?mobile=false&mobile=true", true);
        check("Query(`mobile`, `true`)", "GET h/?Mobile=true", false);
        check("Query(`mobile`, `true`)", "GET h/?mobile=tr%75e", true);
        check("Query(`mobile`, `true`)", "GET h/?mob%69le=true", true);
        check("Query(`mobile`, `true`)", "GET h/?mobile=true%4", false);
        check("Query(`mobile`, `true`)", "GET h/?mobile%zz=true", false);
        check("Query(`mobile`, `true`)", "GET h/?mobile=true;x", false);
        check("Query(`mobile`, `true`)", "GET h/?mobile=truer", false);
        check("Query(`a b`, `c+d`)", "GET h/?a+b=c%2Bd", true);
        check("Query(`\u{e9}`, `\u{e9}`)", "GET h/?%C3%A9=%c3%a9", true);
        check("Query(`flag`)", "GET h/?flag", true);
        check("Query(`flag`)", "GET h/?flag=", true);
        check("Query(`flag`)", "GET h/?flag=x", false);
        check("Query(`flag`)", "GET h/", false);
        check("QueryRegexp(`mobile`, `^(true|yes)$`)", "GET h/?mobile=no&mobile=true", true);
        check("QueryRegexp(`mobile`, `^(true|yes)$`)", "GET h/?mobile=%79es", true);
        check("QueryRegexp(`mobile`, `^(true|yes)$`)", "GET h/?mobile=yes1", false);
        check("QueryRegexp(`a`, `^$`)", "GET h/?a", true);
        check("QueryRegexp(`a`, `^.*$`)", "GET h/?a=", true);
        check("QueryRegexp(`a`, `^.*$`)", "GET h/", false);
    }

    #[test]
    fn names_are_written_in_four_ways() {
        check("host(`a.test`) && pathprefix(`/x`)", "GET a.test/x", true);
        check("HOST(`b.test`)", "GET b.test/", true);
        check("PATH(`/c`)", "GET h/c", true);
        check("Pathprefix(`/c`)", "GET h/c", true);
    }

    #[test]
    fn headers_and_clients() {
        let with = |rule: &str, headers: &[(&str, &str)]| matches(rule, "GET h/", headers, "::1");
        assert!(with("Header(`X-Kind`, `blue`)", &[("x-kind", "red"), ("x-kind", "blue")]));
        assert!(!with("Header(`X-Kind`, `blue`)", &[("x-kind", "blue, red")]));
        assert!(!with("Header(`X-Kind`, `blue`)", &[("x-kind", "Blue")]));
        let content = "HeaderRegexp(`Content-Type`, `^application/(json|yaml)$`)";
        assert!(with(content, &[("content-type", "application/json")]));
        assert!(!with(content, &[("content-type", "application/json; charset=utf-8")]));
        assert!(!with(content, &[("content-type", "application/YAML")]));
        assert!(with("HeaderRegexp(`X-Any`, `.*`)", &[("x-any", "")]));
        assert!(!with("HeaderRegexp(`X-Any`, `.*`)", &[]));
        assert!(with("ClientIP(`::1`)", &[]));
        assert!(!with("ClientIP(`127.0.0.1`)", &[("x-forwarded-for", "127.0.0.1")]));
        assert!(matches("ClientIP(`127.1.0.0/16`)", "GET h/", &[], "127.1.2.3"));
        assert!(matches("ClientIP(`127.1.2.3/16`)", "GET h/", &[], "127.1.9.9"));
        assert!(matches("ClientIP(`127.0.0.1`)", "GET h/", &[], "::ffff:127.0.0.1"));
        assert!(!matches("ClientIP(`127.0.0.1`)", "GET h/", &[], "127.0.0.2"));
    }

    #[test]
    fn cookies() {
        let with = |rule: &str, headers: &[(&str, &str)]| matches(rule, "GET h/", headers, "::1");
        let canary = "Cookie(`canary`, `yes`)";
        assert!(with(canary, &[("cookie", "a=1; canary=yes")]));
        assert!(with(canary, &[("cookie", "a=1"), ("cookie", "canary=\"yes\"")]));
        assert!(with(canary, &[("cookie", "canary=no;canary=yes")]));
        assert!(!with(canary, &[("cookie", "xcanary=yes; canary=Yes")]));
        assert!(with("Cookie(`a`)", &[("cookie", "a=")]));
        assert!(!with("Cookie(`a`)", &[("cookie", "a")]));
        assert!(with("CookieRegexp(`a`, `^[0-9]+$`)", &[("cookie", "a=12")]));
        assert!(!with("CookieRegexp(`a`, `^[0-9]+$`)", &[("cookie", "a=12x")]));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (rule, part) in [
            ("Hst(`a`)", "unknown matcher Hst, did you mean Host?"),
            ("hOST(`a`)", "unknown matcher"),
            ("Host(`a`, `b`)", "does not take 2 arguments"),
            ("Host(``)", "empty"),
            ("Host(`b\u{fc}cher.de`)", "ASCII"),
            ("Path(`abc`)", "begin with a slash"),
            ("PathRegexp(`[`)", "PathRegexp"),
            ("ClientIP(`300.1.1.1`)", "300.1.1.1"),
            ("Header(`X`)", "line 1, column 1: Header(`name`, `value`) does not take 1 argument"),
            ("Host(`a`) &&\n  Host(`a b`)", "line 2, column 3: Host"),
            ("Host(`.`)", "Host"),
            ("Foo(`x`)", "line 1, column 1: unknown matcher Foo"),
            ("Query(`a`, `b`, `c`)", "does not take 3"),
            ("Header(`a`, ``)", "an argument is empty"),
            ("Cookie(`a b`)", "no cookie's name"),
        ] {
            let error = compile(&parse(rule).unwrap()).unwrap_err().to_string();
            assert!(error.contains(part), "{rule}: {error}");
        }
    }

    #[test]
    fn examples_of_the_catalogue_compile() {
        for syntax in Syntax::ALL {
            for kind in syntax.catalogue() {
                let tree = parse(kind.example).unwrap();
                assert!(syntax.compile(&tree).is_ok(), "{}", kind.example);
                assert!(tree.calls().iter().any(|call| call.name == kind.name), "{}", kind.example);
            }
        }
    }
}
