//! `moongate explain`: why a request goes where it goes, by the configuration or by a running
//! process.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use http::Uri;

use super::plan;
use crate::app;
use crate::explain::{Explanation, Outcome, Question};

/// How long a running process may take.
const LIMIT: Duration = Duration::from_secs(10);
/// An answer longer than this is none of ours.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

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
    let uri: Uri = api.parse().map_err(|_| "it is no URL")?;
    if uri.scheme_str() != Some("http") {
        return Err("the URL of an API must begin with http://".to_owned());
    }
    let authority = uri.authority().ok_or("the URL names no host")?;
    let host = authority.host().trim_matches(|c| matches!(c, '[' | ']'));
    let address = (host, authority.port_u16().unwrap_or(80));
    let base = uri.path().trim_end_matches('/');
    let path = format!("{base}/api/explain?{}", query(question));
    let (status, body) =
        get(address, authority.as_str(), &path).map_err(|error| error.to_string())?;
    if status != 200 {
        let told: Option<serde_json::Value> = serde_json::from_str(&body).ok();
        let told = told.and_then(|told| told.get("message")?.as_str().map(str::to_owned));
        return Err(told.unwrap_or_else(|| format!("the API answers with {status}")));
    }
    serde_json::from_str(&body).map_err(|error| format!("the answer cannot be read: {error}"))
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

/// Status and body of a GET; in HTTP/1.0, so that the body ends with the connection.
fn get(address: (&str, u16), host: &str, path: &str) -> io::Result<(u16, String)> {
    let found = address.to_socket_addrs()?.next();
    let found = found.ok_or_else(|| io::Error::other("the host has no address"))?;
    let mut stream = TcpStream::connect_timeout(&found, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(bad)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(bad)?;
    Ok((status, body.to_owned()))
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
