//! `moongate explain`: why a request goes where it goes, by the configuration or by a running
//! process.

use std::process::ExitCode;

use http::StatusCode;
use tokio::task::LocalSet;

use super::plan;
use crate::app;
use crate::explain::{Explanation, Outcome, Question};
use crate::outbound::Remote;

/// What the command line asks.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    question: Question,
    /// The API of a running process.
    api: Option<String>,
    is_json: bool,
    /// What is left: flags of the static configuration.
    rest: Vec<String>,
}

/// Prints the explanation; fails when no service would get the request.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let asked = match read(arguments) {
        Ok(asked) => asked,
        Err(reason) => {
            eprintln!("moongate: explain: {reason}");
            eprintln!("usage: moongate explain [METHOD] URL [-H \"Name: value\"] [--client=IP]");
            eprintln!(
                "       [--entry-point=NAME] [--server-name=NAME] [--api=URL] [--json] [flags]"
            );
            return ExitCode::from(2);
        }
    };
    let said = match &asked.api {
        Some(api) => ask(api, &asked.question).map_err(|error| format!("{api}: {error}")),
        None => of_configuration(&asked),
    };
    match said {
        Ok(said) => {
            print(&said, asked.is_json);
            match said.outcome {
                Outcome::Served | Outcome::Tcp => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            }
        }
        Err(reason) => {
            eprintln!("moongate: explain: {reason}");
            ExitCode::from(2)
        }
    }
}

fn of_configuration(asked: &Asked) -> Result<Explanation, String> {
    let (plan, warnings) = plan(&asked.rest).map_err(|error| error.to_string())?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    app::explain(&plan, &asked.question).map_err(|error| error.to_string())
}

fn print(said: &Explanation, is_json: bool) {
    if is_json {
        // Plain data, which always has a value.
        println!("{}", serde_json::to_string_pretty(said).unwrap_or_default());
    } else {
        print!("{said}");
    }
}

/// Reads the command line: what is no flag is a method and a URL, or a URL alone.
fn read(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut words = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with('-') => (name, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        let mut value = || {
            let next = value.clone().or_else(|| arguments.next().cloned());
            next.ok_or_else(|| format!("{name} wants a value"))
        };
        match name {
            "-H" | "--header" => asked.question.headers.push(value()?),
            "--api" => asked.api = Some(value()?),
            "--client" => {
                let address = value()?;
                let parsed = address.parse().map_err(|_| format!("{address:?} is no IP address"));
                asked.question.client = Some(parsed?);
            }
            "--entry-point" => asked.question.entry_point = Some(value()?),
            "--server-name" => asked.question.server_name = Some(value()?),
            "--json" => asked.is_json = true,
            flag if flag.starts_with('-') => asked.rest.push(argument.clone()),
            word => words.push(word.to_owned()),
        }
    }
    match words.as_slice() {
        [url] => asked.question.url.clone_from(url),
        [method, url] => {
            asked.question.method.clone_from(method);
            asked.question.url.clone_from(url);
        }
        _ => return Err("give a URL, or a method and a URL".to_owned()),
    }
    Ok(asked)
}

/// Asks the API of a running process.
fn ask(api: &str, question: &Question) -> Result<Explanation, String> {
    let remote = Remote::new(api).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let path = format!("/api/explain?{}", query(question));
    let asked = LocalSet::new().block_on(&runtime, remote.get(&path));
    let (status, body) = asked.map_err(|error| error.to_string())?;
    if status != StatusCode::OK {
        let told: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let told = told.and_then(|told| told.get("message")?.as_str().map(str::to_owned));
        return Err(told.unwrap_or_else(|| format!("the API answers with {}", status.as_u16())));
    }
    serde_json::from_slice(&body).map_err(|error| format!("the answer cannot be read: {error}"))
}

fn query(question: &Question) -> String {
    let mut pairs = vec![("url", question.url.clone())];
    let mut add = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
    add("method", Some(question.method.clone()));
    add("client", question.client.map(|client| client.to_string()));
    add("entryPoint", question.entry_point.clone());
    add("serverName", question.server_name.clone());
    pairs.extend(question.headers.iter().map(|line| ("header", line.clone())));
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    pairs.join("&")
}

fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let escape = |b: u8| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: Result<&Asked, &str>) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(read(&words).as_ref().map_err(String::as_str), expect, "{line}");
    }

    #[test]
    fn reads_the_command_line() {
        let question = |method: &str| Question {
            method: method.to_owned(),
            url: "http://h/".to_owned(),
            ..Question::default()
        };
        let plain = Asked { question: question(""), ..Asked::default() };
        check("http://h/", Ok(&plain));
        let headers = vec!["A:b".to_owned(), "C:d".to_owned()];
        let api = Some("http://a".to_owned());
        let rest = vec!["--ping".to_owned(), "--log.level=INFO".to_owned()];
        let question = Question { headers, ..question("PUT") };
        let full = Asked { question, api, is_json: true, rest };
        check(
            "PUT http://h/ -H A:b --header=C:d --api http://a --json --ping --log.level=INFO",
            Ok(&full),
        );
        check(
            "GET",
            Ok(&Asked {
                question: Question { url: "GET".into(), ..Question::default() },
                ..Asked::default()
            }),
        );
        check("--json", Err("give a URL, or a method and a URL"));
        check("http://h/ --client=x", Err("\"x\" is no IP address"));
        check("http://h/ -H", Err("-H wants a value"));
    }
}
