//! Annotations of ingress-nginx, which are not read: what stands for them here.

use std::fmt::Write as _;

use serde_json::Value;

use crate::model::Diagnostic;

const PREFIX: &str = "nginx.ingress.kubernetes.io/";

/// Annotations without their prefix, and what stands for them. `*` at a name's end or at
/// its beginning stands for anything; the first that fits counts.
const STANDS: &[(&[&str], &str)] = &[
    (&["rewrite-target"], "`stripPrefix` or `replacePathRegex`"),
    (&["app-root"], "`redirectRegex` for `/`"),
    (
        &["ssl-redirect", "force-ssl-redirect"],
        "`redirectScheme`, or `redirections` of the entrypoint",
    ),
    (&["from-to-www-redirect"], "`redirectRegex`"),
    (&["permanent-redirect*", "temporal-redirect*"], "`redirectRegex`"),
    (
        &["limit-rps", "limit-rpm", "limit-burst-multiplier"],
        "`rateLimit` with `average`, `period` and `burst`; nginx's burst is five times the rate",
    ),
    (&["limit-connections"], "`inFlightReq`"),
    (&["limit-whitelist"], "two routers, of which the one with `ClientIP` has no limit"),
    (&["limit-rate*"], UNKNOWN),
    (&["whitelist-source-range", "allowlist-source-range"], "`ipAllowList`"),
    (&["denylist-source-range"], "`ipDenyList`"),
    (&["auth-type", "auth-secret", "auth-secret-type", "auth-realm"], "`basicAuth` with `secret`"),
    (&["auth-tls-*"], "a `TLSOption` with `clientAuth`, and `passTLSClientCert`"),
    (
        &["auth-signin*"],
        "`forwardAuth`: what the server at its `address` answers is handed on, redirections too",
    ),
    (
        &["auth-snippet", "auth-proxy-set-headers"],
        "`forwardAuth` with `authRequestHeaders`, or a script",
    ),
    (&["auth-cache-*"], "`forwardAuth` with `cacheTTL`"),
    (&["auth-*"], "`forwardAuth` with `address` and `authResponseHeaders`"),
    (&["enable-global-auth"], "`middlewares` of the entrypoint"),
    (&["enable-cors", "cors-*"], "`headers` with `accessControlAllowOriginList` and its kin"),
    (&["*-snippet"], "a script, see docs/scripting"),
    (&["custom-headers", "x-forwarded-prefix", "upstream-vhost"], "`headers`"),
    (&["custom-http-errors", "default-backend"], "`errors`, with a service for the pages"),
    (&["proxy-body-size", "client-body-buffer-size"], "`buffering` with `maxRequestBodyBytes`"),
    (
        &["proxy-connect-timeout", "proxy-read-timeout", "proxy-send-timeout"],
        "a `ServersTransport` with `forwardingTimeouts`, or `timeouts` of the router",
    ),
    (&["proxy-next-upstream*"], "`retry`"),
    (&["proxy-ssl-*"], "a `ServersTransport`"),
    (
        &[
            "proxy-buffering",
            "proxy-request-buffering",
            "proxy-buffer*",
            "proxy-max-temp-file-size",
        ],
        "nothing that is needed: bodies are streamed; `buffering` holds them",
    ),
    (&["proxy-cookie-*", "proxy-redirect-*"], "`headers`, or a script"),
    (&["proxy-http-version"], "nothing that is needed: servers are asked for what they speak"),
    (&["affinity*", "session-cookie-*"], "`sticky.cookie` of the service"),
    (&["upstream-hash-by*"], "the strategy `hrw` with `hashBy`"),
    (&["load-balance"], "`strategy` of the service"),
    (&["canary-by-*"], "a router with `Header` or `Cookie` in its rule, and a greater priority"),
    (&["canary*"], "a `TraefikService` with `weighted`"),
    (&["mirror-*"], "a `TraefikService` with `mirroring`"),
    (
        &["backend-protocol"],
        "`traefik.ingress.kubernetes.io/service.serversscheme` of the Service: `https`, `h2c`",
    ),
    (&["ssl-passthrough"], "an `IngressRouteTCP` with `tls.passthrough`"),
    (&["ssl-ciphers", "ssl-prefer-server-ciphers"], "a `TLSOption` with `cipherSuites`"),
    (&["use-regex"], "an `IngressRoute` with `PathRegexp`"),
    (&["server-alias"], "one more host in the rules"),
    (&["satisfy"], "two routers, of which one has `ClientIP` in its rule"),
    (&["service-upstream"], "`traefik.ingress.kubernetes.io/service.nativelb` of the Service"),
    (&["enable-access-log"], "`traefik.ingress.kubernetes.io/router.observability.accesslogs`"),
    (
        &["enable-opentelemetry", "opentelemetry-*", "enable-opentracing"],
        "`traefik.ingress.kubernetes.io/router.observability.tracing`",
    ),
];

/// What stands for nothing.
const UNKNOWN: &str = "nothing yet";

/// What there is to say of an object's annotations.
pub(super) fn remarks(object: &Value) -> Vec<Diagnostic> {
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    let names = annotations.into_iter().flatten().filter_map(|(key, _)| key.strip_prefix(PREFIX));
    let remark = |name: &str| {
        let reason =
            format!("is ingress-nginx's and not read; what stands for it: {}", stands(name));
        Diagnostic::warning(format!("metadata.annotations.{PREFIX}{name}"), reason)
    };
    names.map(remark).collect()
}

fn stands(name: &str) -> &'static str {
    let fits = |pattern: &&str| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == *pattern,
    };
    let found = STANDS.iter().find(|(names, _)| names.iter().any(fits));
    found.map_or(UNKNOWN, |(_, what)| what)
}

/// The page of the reference.
#[must_use]
pub fn nginx_annotations() -> String {
    let mut page = String::from(
        "# Annotations of ingress-nginx\n\nWhat stands here for the annotations that begin with \
         `nginx.ingress.kubernetes.io/`; `moongate check FILE` says it of each that it finds. For \
         others stands nothing yet.\n\n| annotation | here |\n| --- | --- |\n",
    );
    for (names, what) in STANDS {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| {} | {what} |", names.join(", "));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_stands() {
        for (name, expect) in [
            ("rewrite-target", "`stripPrefix`"),
            ("auth-tls-secret", "`TLSOption`"),
            ("auth-url", "`address`"),
            ("auth-snippet", "authRequestHeaders"),
            ("server-snippet", "a script"),
            ("canary-weight", "`weighted`"),
            ("canary-by-cookie", "`Cookie`"),
            ("enable-modsecurity", UNKNOWN),
        ] {
            assert!(stands(name).contains(expect), "{name}: {}", stands(name));
        }
        // None stands behind one that fits all that it fits.
        let all = STANDS.iter().flat_map(|(names, what)| names.iter().map(move |n| (n, what)));
        for (name, what) in all {
            assert_eq!(stands(&name.replace('*', "x")), *what, "{name}");
        }
    }
}
