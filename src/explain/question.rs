//! The question: a request as somebody writes it, made into what the entrypoint would read.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Method, Uri, Version};

use super::answer::{Explanation, Outcome};
use crate::config::{EntryPointPlan, UnderscoreHeaders};
use crate::headers::Headers;
use crate::message::{
    Body, Client, Exchange, Parts, Request, Target, TargetError, TlsFacts, routing_host,
};

/// A request that somebody asks about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// The method; empty means GET.
    pub method: String,
    /// The URL, with scheme and host.
    pub url: String,
    /// Headers, each as `Name: value`.
    pub headers: Vec<String>,
    /// The client's address; none means that of this machine.
    pub client: Option<IpAddr>,
    /// The entrypoint; none means the one that listens on the URL's port.
    pub entry_point: Option<String>,
    /// The server name of the handshake; none means the URL's host.
    pub server_name: Option<String>,
}

/// Why a question is none about a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// The method is none.
    #[error("{0:?} is no method")]
    Method(String),
    /// The URL cannot be read.
    #[error("{0:?} is no URL such as https://example.com/path")]
    Url(String),
    /// Its scheme is not ours.
    #[error("{0:?}: the scheme must be http or https")]
    Scheme(String),
    /// Its path is refused.
    #[error("{url:?}: {error}")]
    Target {
        /// The URL.
        url: String,
        /// Why.
        error: TargetError,
    },
    /// A header is none.
    #[error("{0:?} is no header such as \"Name: value\"")]
    Header(String),
    /// There is no such entrypoint.
    #[error("there is no entrypoint {name:?} for TCP connections")]
    EntryPoint {
        /// The name.
        name: String,
    },
}

/// Headers that one question may hold.
const HEADERS_MAX: usize = 200;

/// What the entrypoint would read.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) is_tls: bool,
    pub(super) port: u16,
    /// The host that rules see.
    pub(super) host: String,
    /// The host as the client names it.
    named: Bytes,
    /// In lower case; none for an address, which clients do not send.
    pub(super) server_name: Option<String>,
    pub(super) target: Target,
    /// The path that rules see.
    pub(super) path: String,
    pub(super) headers: Headers,
    pub(super) client: IpAddr,
}

impl Asked {
    pub(super) fn read(question: &Question) -> Result<Self, QuestionError> {
        let url = question.url.as_str();
        let bad = || QuestionError::Url(url.to_owned());
        let text = url.split('#').next().unwrap_or_default();
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(_) => return Err(QuestionError::Scheme(url.to_owned())),
            None => return Err(bad()),
        };
        let authority: &Authority = uri.authority().ok_or_else(bad)?;
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let target = Target::parse(Bytes::copy_from_slice(target.as_bytes()))
            .map_err(|error| QuestionError::Target { url: url.to_owned(), error })?;
        let mut headers = headers(&question.headers)?;
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let named = headers.remove(HOST).map_or_else(
            || Bytes::copy_from_slice(host.as_bytes()),
            |host| Bytes::copy_from_slice(host.as_bytes()),
        );
        let named_server = || name.parse::<IpAddr>().is_err().then(|| name.to_owned());
        let server_name = question.server_name.clone().or_else(named_server);
        let method = if question.method.is_empty() { "GET" } else { &question.method };
        Ok(Self {
            method: method.parse().map_err(|_| QuestionError::Method(method.to_owned()))?,
            is_tls,
            port,
            host: routing_host(&named).into_owned(),
            named,
            server_name: server_name.map(|name| name.to_ascii_lowercase()),
            path: target.routing_path().into_owned(),
            target,
            headers,
            client: question.client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        })
    }

    /// Does what the entrypoint does before it routes; none where it refuses the request.
    pub(super) fn enter(&mut self, plan: &EntryPointPlan, said: &mut Explanation) -> Option<()> {
        let http = &plan.options.http;
        let refused = http.encoded_characters.refused();
        if !refused.is_empty() && self.target.holds_escaped(&refused) {
            return refuse(said, "the path holds an encoded character that is not allowed");
        }
        self.target.replace_semicolons(if http.encode_query_semicolons { "%3B" } else { "&" });
        let underscored = |name: &HeaderName| name.as_str().contains('_');
        match http.underscore_headers_strategy {
            UnderscoreHeaders::Keep => {}
            UnderscoreHeaders::Reject if self.headers.keys().any(underscored) => {
                return refuse(said, "a header's name holds an underscore");
            }
            UnderscoreHeaders::Reject => {}
            UnderscoreHeaders::Delete => self.drop(underscored, "they hold underscores", said),
        }
        if http.sanitize_path {
            self.target.sanitize();
        }
        let trusted = plan.options.forwarded_headers.insecure
            || plan.trusted.iter().any(|network| network.contains(&self.client));
        if !trusted {
            let forwarded = |name: &HeaderName| {
                name.as_str().starts_with("x-forwarded-") || name.as_str() == "x-real-ip"
            };
            self.drop(forwarded, "the entrypoint does not trust this client's", said);
        }
        self.path = self.target.routing_path().into_owned();
        said.request.path.clone_from(&self.path);
        said.request.query = self.target.query().map(str::to_owned);
        Some(())
    }

    fn drop(&mut self, which: impl Fn(&HeaderName) -> bool, why: &str, said: &mut Explanation) {
        let names: Vec<HeaderName> =
            self.headers.keys().filter(|name| which(name)).cloned().collect();
        for name in names {
            said.notes.push(format!("the header {name} is dropped: {why}"));
            self.headers.remove(name);
        }
    }

    /// The request that rules and services look at.
    pub(super) fn request(&self, plan: &EntryPointPlan) -> Request {
        let tls = self.is_tls.then(|| TlsFacts {
            sni: self.server_name.as_deref().map(Arc::from),
            ..TlsFacts::default()
        });
        let ip = HeaderValue::try_from(self.client.to_string());
        let client = Client {
            peer: SocketAddr::new(self.client, 0),
            local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), plan.address.port),
            ip: ip.unwrap_or_else(|_| HeaderValue::from_static("")),
            entrypoint: plan.name.as_str().into(),
            adds_address: true,
            tls,
            guard: Rc::new(()),
        };
        Request::from(Parts {
            method: self.method.clone(),
            target: self.target.clone(),
            version: Version::HTTP_11,
            host: self.named.clone(),
            headers: self.headers.clone(),
            body: Body::Empty,
            upgrade: None,
            exchange: Rc::new(Exchange::new(Rc::new(client))),
        })
    }
}

fn refuse(said: &mut Explanation, why: &str) -> Option<()> {
    said.outcome = Outcome::BadRequest;
    said.status = Some(400);
    said.summary = format!("The entrypoint refuses the request: {why}: 400.");
    None
}

fn headers(lines: &[String]) -> Result<Headers, QuestionError> {
    let mut all = Headers::new();
    for line in lines.iter().take(HEADERS_MAX) {
        let bad = || QuestionError::Header(line.clone());
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name: HeaderName = name.trim().parse().map_err(|_| bad())?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| bad())?;
        all.append(name, value);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, headers: &[&str], expect: Result<(&str, u16, &str), &str>) {
        let headers = headers.iter().map(|&line| line.to_owned()).collect();
        let question = Question { url: url.to_owned(), headers, ..Question::default() };
        let asked = Asked::read(&question);
        let asked = asked.as_ref().map(|a| (&*a.host, a.port, a.target.as_str()));
        let asked = asked.map_err(ToString::to_string);
        assert_eq!(asked.as_ref().map_err(String::as_str), expect.as_ref().map_err(|e| *e));
    }

    #[test]
    fn reads_requests() {
        check("https://Example.com/a?b=1#c", &[], Ok(("example.com", 443, "/a?b=1")));
        check("http://h:8080", &[], Ok(("h", 8080, "/")));
        check("http://u:p@h/", &[], Ok(("h", 80, "/")));
        check("http://[::1]:1/", &[], Ok(("::1", 1, "/")));
        check("http://h/", &["Host: other:3"], Ok(("other", 80, "/")));
        check("/a", &[], Err("\"/a\" is no URL such as https://example.com/path"));
        check("ftp://h/", &[], Err("\"ftp://h/\": the scheme must be http or https"));
        check("http://h/", &["nothing"], Err("\"nothing\" is no header such as \"Name: value\""));
    }
}
