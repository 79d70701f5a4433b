//! `healthCheck`: how servers are asked whether they are well.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::Work;
use crate::message;
use crate::model::{self, ServerHealthCheck};
use crate::service::{Check, Mode, Plan, Redirects, Server, Target};
use crate::upstream::Endpoint;
use crate::value::GoDuration;

impl Work<'_> {
    /// The plan of a service's check.
    pub(super) fn check(
        &mut self,
        name: &str,
        options: &ServerHealthCheck,
        servers: &[Server],
    ) -> Result<Check, String> {
        let plan = self.plan(options)?;
        let mut targets = Vec::with_capacity(servers.len());
        for server in servers.iter().filter(|server| server.weight > 0) {
            let endpoint = self.asked(options, &server.endpoint)?;
            let url = server.endpoint.source();
            let path = path(&options.path, url)?;
            let member = Arc::clone(&server.member);
            targets.push(Target { url: url.into(), endpoint, path, member });
        }
        Ok(Check { service: name.into(), plan, targets })
    }

    fn plan(&mut self, options: &ServerHealthCheck) -> Result<Plan, String> {
        let mode = match options.mode.as_str() {
            "" | "http" => Mode::Http,
            "grpc" => Mode::Grpc,
            unknown => {
                return Err(format!("healthCheck.mode: {unknown:?} is neither http nor grpc"));
            }
        };
        let defaults = ServerHealthCheck::default();
        let interval = self.positive("interval", options.interval, defaults.interval);
        let unhealthy_interval = match options.unhealthy_interval {
            None => interval,
            Some(given) => self.positive("unhealthyInterval", given, defaults.interval),
        };
        let method = match options.method.as_str() {
            "" => Method::GET,
            method => method.parse().map_err(|_| "healthCheck.method: it is no method")?,
        };
        let host = Some(&options.hostname).filter(|host| !host.is_empty());
        let (host, own) = headers(options, host)?;
        let redirects =
            if options.follow_redirects { Redirects::Followed } else { Redirects::Judged };
        Ok(Plan {
            mode,
            method,
            host,
            headers: own,
            status: Some(options.status).filter(|status| *status != 0),
            interval,
            unhealthy_interval,
            timeout: self.positive("timeout", options.timeout, defaults.timeout),
            redirects,
        })
    }

    /// A duration above zero; as in Traefik, zero means the default.
    fn positive(&mut self, option: &str, given: GoDuration, default: GoDuration) -> Duration {
        given.limit().unwrap_or_else(|| {
            let text = format!("healthCheck.{option}: not above zero, {default} is taken");
            self.warnings.push(text);
            default.get()
        })
    }

    /// Where a server is asked.
    fn asked(
        &self,
        options: &model::ServerHealthCheck,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Arc<Endpoint>, String> {
        let Some((own, host)) = endpoint.url().split_once("://") else {
            return Ok(Arc::clone(endpoint));
        };
        let scheme = match (options.mode.as_str(), options.scheme.as_str()) {
            // gRPC is spoken over HTTP/2, so without TLS it is known beforehand.
            ("grpc", "http") => "h2c",
            ("grpc", "") if own == "http" => "h2c",
            (_, "") => own,
            (_, scheme) => scheme,
        };
        if scheme == own && options.port == 0 {
            return Ok(Arc::clone(endpoint));
        }
        let url = match options.port {
            0 => format!("{scheme}://{host}"),
            port => format!("{scheme}://{}:{port}", without_port(host)),
        };
        let asked = self.endpoint(&url, endpoint.transport());
        asked.map_err(|error| format!("healthCheck: {error}"))
    }
}

/// Headers of the question, and its `Host`.
fn headers(
    options: &ServerHealthCheck,
    hostname: Option<&String>,
) -> Result<(Option<Bytes>, HeaderMap), String> {
    let mut host = hostname.cloned();
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        let bad = || format!("healthCheck.headers.{name}: it is no header");
        if name.eq_ignore_ascii_case("host") {
            host.get_or_insert_with(|| value.clone());
            continue;
        }
        let (name, value) = (HeaderName::try_from(name), HeaderValue::try_from(value));
        headers.insert(name.map_err(|_| bad())?, value.map_err(|_| bad())?);
    }
    Ok((host.map(Bytes::from), headers))
}

/// The path that is asked for: absolute, or seen from the URL's, or the URL's own.
fn path(configured: &str, url: &str) -> Result<message::Target, String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let base = rest.find('/').map_or("/", |i| &rest[i..]);
    let text = match configured {
        "" => base.to_owned(),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => {
            let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{relative}")
        }
    };
    let path = message::Target::parse(Bytes::from(text));
    path.map_err(|error| format!("healthCheck.path: {error}"))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(configured: &str, url: &str, expect: &str) {
        assert_eq!(path(configured, url).unwrap().as_str(), expect, "{configured} {url}");
    }

    #[test]
    fn finds_the_path() {
        check("", "http://a", "/");
        check("", "http://a/base", "/base");
        check("/h?x=1", "http://a/base", "/h?x=1");
        check("h", "http://a", "/h");
        check("h", "http://a/base/x", "/base/h");
        assert!(path("/ x", "http://a").is_err());
    }

    #[test]
    fn changes_the_port() {
        for (host, expect) in [("a", "a"), ("a:80", "a"), ("[::1]", "[::1]"), ("[::1]:80", "[::1]")]
        {
            assert_eq!(without_port(host), expect, "{host}");
        }
    }
}
