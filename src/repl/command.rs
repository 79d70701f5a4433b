//! The catalogue of commands, from which help and completion are made.

use std::path::Path;

use serde_json::{Value, json};

use super::session::Session;
use super::{Answer, ReplError, edit, expect, import, line, save, send, show};
use crate::explain::Decision;
use crate::rule::{self, Syntax};
use crate::value::nearest;

/// A command.
#[derive(Clone, Copy)]
pub struct Command {
    /// What is typed.
    pub name: &'static str,
    /// What follows.
    pub usage: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// What completes its arguments.
    pub(super) takes: Takes,
    run: fn(&mut Session, &str) -> Result<Answer, ReplError>,
}

/// What completes arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Rule,
    Service,
    Middleware,
    Element,
    Path,
    Request,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// All commands, in the order of the help.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "router",
        usage: "NAME RULE -> SERVICE [MIDDLEWARE, ...] [priority N] | NAME {YAML}",
        doc: "Adds or changes a router.",
        takes: Takes::Rule,
        run: |session, text| put(session, "router", "routers", text, edit::router),
    },
    Command {
        name: "service",
        usage: "NAME URL... | NAME CHILD=WEIGHT... [sticky COOKIE] | NAME echo | NAME {YAML}",
        doc: "Adds or changes a service; `echo` is a server of the session that says what it got.",
        takes: Takes::Service,
        run: service,
    },
    Command {
        name: "middleware",
        usage: "NAME KIND {OPTIONS} | NAME {YAML}",
        doc: "Adds or changes a middleware.",
        takes: Takes::Middleware,
        run: |session, text| put(session, "middleware", "middlewares", text, edit::middleware),
    },
    Command {
        name: "drop",
        usage: "router|service|middleware NAME",
        doc: "Takes an element away.",
        takes: Takes::Element,
        run: drop_element,
    },
    Command {
        name: "show",
        usage: "[NAME]",
        doc: "Lists all elements, or shows one as YAML.",
        takes: Takes::Element,
        run: show_elements,
    },
    Command {
        name: "findings",
        usage: "",
        doc: "Says what is wrong with the configuration.",
        takes: Takes::Nothing,
        run: |session, _| Ok(show::change("all findings:", &session.findings())),
    },
    Command {
        name: "expect",
        usage: "STATUS | router NAME | service NAME | server NAME | header NAME[: VALUE] | body \
                TEXT | share SERVER FROM..TO",
        doc: "Fails when the last answer was another; shares are in percent.",
        takes: Takes::Nothing,
        run: |session, text| {
            let last = session.last.as_ref();
            let last = last.ok_or_else(|| ReplError::Line("nothing was sent yet".to_owned()))?;
            expect::check(last, text).map(|()| Answer::default())
        },
    },
    Command {
        name: "explain",
        usage: "METHOD URL [FLAGS]",
        doc: "Says which router would take a request and why, and sends nothing.",
        takes: Takes::Request,
        run: explain,
    },
    Command {
        name: "time",
        usage: "METHOD URL [FLAGS]",
        doc: "Sends a request (a hundred times without -n) and says how long it took.",
        takes: Takes::Request,
        run: |session, text| {
            let mut sending = send::read(text)?;
            if sending.times == 1 {
                sending.times = 100;
            }
            Ok(show::times(session.send(sending)?))
        },
    },
    Command {
        name: "load",
        usage: "PATH",
        doc: "Adds a file, a folder, a script that returns a configuration, or manifests.",
        takes: Takes::Path,
        run: |session, text| load(session, text),
    },
    Command {
        name: "attach",
        usage: "URL",
        doc: "Takes over what an instance serves, by its API. The instance is only read.",
        takes: Takes::Nothing,
        run: attach,
    },
    Command {
        name: "save",
        usage: "PATH [kubernetes [NAMESPACE]]",
        doc: "Writes the configuration for the file provider, or as Kubernetes manifests.",
        takes: Takes::Path,
        run: save_to,
    },
    Command {
        name: "cookies",
        usage: "[clear]",
        doc: "Shows the cookies that requests with -j keep, or forgets them.",
        takes: Takes::Nothing,
        run: cookies,
    },
    Command {
        name: "json",
        usage: "on|off",
        doc: "Says whether answers are JSON, one object a line.",
        takes: Takes::Nothing,
        run: |session, text| {
            session.json = match text {
                "on" => true,
                "off" => false,
                _ => return Err(ReplError::Usage("json on|off")),
            };
            Ok(Answer::default())
        },
    },
    Command {
        name: "help",
        usage: "[COMMAND|MATCHER|MIDDLEWARE]",
        doc: "Explains.",
        takes: Takes::Nothing,
        run: |_, text| help(text),
    },
    Command {
        name: "quit",
        usage: "",
        doc: "Ends the session.",
        takes: Takes::Nothing,
        run: |_, _| Ok(Answer { ends: true, ..Answer::default() }),
    },
];

/// Does what a line says: a command, a request, Lua after `=`, or a rule.
pub(super) fn perform(session: &mut Session, text: &str) -> Result<Answer, ReplError> {
    if let Some(lua) = text.strip_prefix('=') {
        let values = session.lua(lua.trim())?;
        return Ok(Answer::text(values.join("\n")).with("values", json!(values)));
    }
    if send::is_request(text) {
        let sending = send::read(text)?;
        return request(session, sending);
    }
    let (word, rest) = line::first(text);
    let name = word.strip_prefix(':').unwrap_or(word);
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        return (command.run)(session, rest);
    }
    if word.starts_with(':') {
        let hint = nearest(name, COMMANDS.iter().map(|command| command.name));
        let hint = hint.map_or_else(String::new, |name| format!(", did you mean :{name}?"));
        return Err(ReplError::Line(format!("there is no command {word}{hint}")));
    }
    scratch(session, text)
}

fn request(session: &mut Session, sending: send::Sending) -> Result<Answer, ReplError> {
    let many = sending.times > 1;
    session.send(sending)?;
    let Some(exchange) = session.last.clone() else { return Ok(Answer::default()) };
    let decisions = session.decisions(&exchange.sending)?;
    let why = match (many, exchange.router.as_deref()) {
        (true, router) => format!("router      {}\n", router.unwrap_or("none")),
        (false, _) => words(&decisions),
    };
    Ok(show::exchange(&exchange, &why).with("decisions", json!(decisions)))
}

/// Which router would take a request, without sending it.
fn explain(session: &mut Session, text: &str) -> Result<Answer, ReplError> {
    let decisions = session.decisions(&send::read(text)?)?;
    Ok(Answer::text(words(&decisions)).with("decisions", json!(decisions)))
}

fn words(decisions: &[Decision]) -> String {
    decisions.iter().map(ToString::to_string).collect()
}

/// A rule alone: a router that is tried, in front of a server that says what it got.
fn scratch(session: &mut Session, text: &str) -> Result<Answer, ReplError> {
    let is_rule = |error: &rule::RuleError| {
        let looks_so = text.contains(['`', '(']);
        match looks_so {
            true => ReplError::Element(format!("rule: {error}")),
            false => ReplError::Line(format!(
                "{text:?} is neither a command, nor a request such as GET http://example.com/, nor \
                 a rule; :help lists what there is"
            )),
        }
    };
    let tree = rule::parse(text).map_err(|error| is_rule(&error))?;
    Syntax::V3.compile(&tree).map_err(|error| is_rule(&error))?;
    let answer = show::rule(&tree, text.len());
    let at = session.server("echo")?;
    let findings = session.change(|document| {
        let http = &mut document["http"];
        http["services"]["echo"] =
            json!({ "loadBalancer": { "servers": [{ "url": format!("http://{at}") }] } });
        http["routers"]["rule"] = json!({ "rule": text, "service": "echo" });
    })?;
    let told = show::change("is the router \"rule\" now; send it a request", &findings);
    Ok(Answer { text: format!("{}\n  {}", answer.text, told.text), ..answer })
}

fn put(
    session: &mut Session,
    what: &'static str,
    kind: &'static str,
    text: &str,
    read: fn(&str) -> Result<Value, ReplError>,
) -> Result<Answer, ReplError> {
    let (name, rest) = line::first(text);
    if name.is_empty() || name.contains(['@', '{', '(']) {
        let command = COMMANDS.iter().find(|command| command.name == what);
        return Err(ReplError::Usage(command.map_or("", |command| command.usage)));
    }
    let element = read(rest)?;
    let known = session.names(kind).iter().any(|other| other == name);
    let findings = session.put(kind, name, Some(element))?;
    let done = format!("{what} {name} {}", if known { "changed" } else { "added" });
    Ok(show::change(&done, &findings))
}

fn service(session: &mut Session, text: &str) -> Result<Answer, ReplError> {
    let (name, rest) = line::first(text);
    if rest == "echo" {
        let at = session.server(name)?;
        let text = format!("{name} http://{at}");
        return put(session, "service", "services", &text, edit::service);
    }
    put(session, "service", "services", text, edit::service)
}

fn drop_element(session: &mut Session, text: &str) -> Result<Answer, ReplError> {
    let (what, name) = line::first(text);
    let (what, kind) = match what {
        "router" => ("router", "routers"),
        "service" => ("service", "services"),
        "middleware" => ("middleware", "middlewares"),
        _ => return Err(ReplError::Usage("drop router|service|middleware NAME")),
    };
    let names = session.names(kind);
    if !names.iter().any(|other| other == name) {
        let nearest = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
        return Err(ReplError::Missing { kind: what, name: name.to_owned(), nearest });
    }
    let findings = session.put(kind, name, None)?;
    Ok(show::change(&format!("{what} {name} dropped"), &findings))
}

fn show_elements(session: &mut Session, text: &str) -> Result<Answer, ReplError> {
    let elements = session.elements();
    if text.is_empty() {
        return Ok(show::elements(&elements));
    }
    let mut shown = Value::Object(serde_json::Map::new());
    for (section, kind, name, element) in elements.iter().filter(|(_, _, name, _)| *name == text) {
        shown[section][kind][name.as_str()] = (*element).clone();
    }
    if shown.as_object().is_none_or(serde_json::Map::is_empty) {
        let names = elements.iter().map(|(_, _, name, _)| name.as_str());
        let nearest = nearest(text, names).map(str::to_owned);
        return Err(ReplError::Missing { kind: "element", name: text.to_owned(), nearest });
    }
    let yaml = save::yaml(&shown).map_err(|error| ReplError::Element(error.to_string()))?;
    Ok(Answer::text(yaml).with("elements", shown))
}

/// Adds what a path holds.
pub(super) fn load(session: &mut Session, text: &str) -> Result<Answer, ReplError> {
    if text.is_empty() {
        return Err(ReplError::Usage("load PATH"));
    }
    let path = Path::new(text);
    let loaded = match import::holds_objects(path) {
        true => import::objects(path, &session.objects()?)?,
        false => import::files(path)?,
    };
    let findings = session.change(|document| import::merge(document, &loaded))?;
    Ok(show::change(&format!("{text}: {}", counted(&loaded)), &findings))
}

fn attach(session: &mut Session, text: &str) -> Result<Answer, ReplError> {
    if text.is_empty() {
        return Err(ReplError::Usage("attach http[s]://[USER:PASSWORD@]HOST[:PORT]"));
    }
    let loaded = session.wait(import::instance(text))?;
    let findings = session.change(|document| import::merge(document, &loaded))?;
    let mut done = format!("{text}: {}; the instance itself is left alone", counted(&loaded));
    let hidden = import::hidden(&loaded);
    if !hidden.is_empty() {
        done.push_str("\nits API hides secrets, which you must give anew, of: ");
        done.push_str(&hidden.join(", "));
    }
    Ok(show::change(&done, &findings))
}

/// How many elements there are of each kind.
fn counted(document: &Value) -> String {
    let mut parts = Vec::new();
    for (section, kinds) in import::SECTIONS {
        for kind in *kinds {
            let count = document[section][kind].as_object().map_or(0, serde_json::Map::len);
            if count > 0 {
                let section = if *section == "http" { "" } else { *section };
                parts.push(format!(
                    "{count} {section}{}{kind}",
                    if section.is_empty() { "" } else { " " }
                ));
            }
        }
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn save_to(session: &mut Session, text: &str) -> Result<Answer, ReplError> {
    let words = line::words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (path, left_out) = match words.as_slice() {
        [path] => {
            save::file(Path::new(path), &session.document)?;
            (*path, Vec::new())
        }
        [path, "kubernetes"] => {
            (*path, save::objects(Path::new(path), "default", &session.document)?)
        }
        [path, "kubernetes", namespace] => {
            (*path, save::objects(Path::new(path), namespace, &session.document)?)
        }
        _ => return Err(ReplError::Usage("save PATH [kubernetes [NAMESPACE]]")),
    };
    let mut told = format!("saved {path}");
    for name in &left_out {
        told.push_str(&format!("\n  not written, it has no object: {name}"));
    }
    for (name, at) in &session.servers {
        if session.document.to_string().contains(&at.to_string()) {
            told.push_str(&format!(
                "\n  {name} is a server of this session at {at}: put yours there"
            ));
        }
    }
    Ok(Answer::text(told).with("saved", path).with("left_out", json!(left_out)))
}

fn cookies(session: &mut Session, text: &str) -> Result<Answer, ReplError> {
    match text {
        "clear" => session.jar.clear(),
        "" => {}
        _ => return Err(ReplError::Usage("cookies [clear]")),
    }
    let lines = session.jar.iter().map(|(name, value)| format!("{name}={value}"));
    Ok(Answer::text(lines.collect::<Vec<_>>().join("\n")).with("cookies", json!(session.jar)))
}

fn help(about: &str) -> Result<Answer, ReplError> {
    let about = about.trim_start_matches(':');
    if about.is_empty() {
        let commands = COMMANDS.iter().map(|c| format!("  :{:<11} {}\n", c.name, c.doc));
        return Ok(Answer::text(format!(
            "Type a rule, a request or a command:\n\n  Host(`a.test`) && PathPrefix(`/x`)\n  GET \
             http://a.test/x -H 'Cookie: beta=1' -n 100\n  = url.parse('http://a.test/x').path     \
             Lua with the scripting API\n\n{}\nThe colon may be left out. Flags of requests: -H \
             HEADER, -d BODY, -c CLIENT, -e ENTRYPOINT, -n TIMES, -j (keep cookies).\n:help \
             COMMAND says more, and so do names of matchers and middlewares.",
            commands.collect::<String>()
        )));
    }
    if let Some(command) = COMMANDS.iter().find(|command| command.name == about) {
        return Ok(Answer::text(format!("{} {}\n  {}", command.name, command.usage, command.doc)));
    }
    let matcher = Syntax::V3.catalogue().iter().find(|kind| kind.name.eq_ignore_ascii_case(about));
    if let Some(kind) = matcher {
        let text = format!("{}\n  {}\n  {}", kind.signature, kind.doc, kind.example);
        return Ok(Answer::text(text));
    }
    let mut scripts = crate::lua::builtins();
    if let Some(source) = scripts.find(|source| source.kind().eq_ignore_ascii_case(about)) {
        let info = crate::lua::inspect(&source)?;
        return Ok(Answer::text(crate::schema::print::markdown(&info.schema)));
    }
    let sections = crate::lua::api::sections();
    let named = |section: &str, name: &str| match section.is_empty() {
        true => name == about,
        false => format!("{section}.{name}") == about || section == about,
    };
    let docs = sections.iter().flat_map(|section| {
        let entries = section.entries.iter();
        entries.filter(|doc| named(section.name, doc.name))
    });
    let docs: Vec<String> =
        docs.map(|doc| format!("{}\n  {}\n  {}", doc.signature, doc.text, doc.example)).collect();
    match docs.is_empty() {
        true => Err(ReplError::Line(format!("there is no help about {about:?}"))),
        false => Ok(Answer::text(docs.join("\n"))),
    }
}
