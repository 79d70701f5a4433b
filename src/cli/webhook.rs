//! `moongate webhook`: a validating admission webhook of a Kubernetes cluster.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::plan;
use super::serve::serve_admission;
use crate::config::{Root, Static};
use crate::model::Dynamic;
use crate::provider::Update;
use crate::value::{Format, decode};

const DYNAMIC: &str = include_str!("webhook-dynamic.yaml");
/// Where it listens unless told otherwise.
const ADDRESS: &str = ":8443";

/// Its own flags.
#[derive(Debug, Default, PartialEq, Eq)]
struct Own {
    address: String,
    certificate: String,
    key: String,
}

/// Answers reviews until it is told to stop. The other flags are those of the router whose objects
/// are checked.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let (own, flags) = match Own::parse(arguments) {
        Ok(parsed) => parsed,
        Err(reason) => {
            eprintln!("moongate: {reason}");
            return ExitCode::from(2);
        }
    };
    let (checked, warnings) = match plan(&flags) {
        Ok(planned) => planned,
        Err(error) => {
            eprintln!("moongate: {error}");
            return ExitCode::FAILURE;
        }
    };
    match own.plan(&checked.root) {
        Ok((plan, update)) => serve_admission(plan, &warnings, update, checked),
        Err(error) => {
            eprintln!("moongate: webhook: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Own {
    /// Takes its own flags out.
    fn parse(arguments: &[String]) -> Result<(Self, Vec<String>), String> {
        let mut own = Self { address: ADDRESS.to_owned(), ..Self::default() };
        let mut rest = Vec::new();
        for argument in arguments {
            let flag = argument.strip_prefix("--webhook.");
            let Some((name, value)) = flag.and_then(|flag| flag.split_once('=')) else {
                rest.push(argument.clone());
                continue;
            };
            let field = match name.to_ascii_lowercase().as_str() {
                "address" => &mut own.address,
                "certfile" => &mut own.certificate,
                "keyfile" => &mut own.key,
                _ => return Err(format!("webhook.{name}: known are address, certFile, keyFile")),
            };
            value.clone_into(field);
        }
        for (name, file) in [("certFile", &own.certificate), ("keyFile", &own.key)] {
            // Found now, and not with the first connection.
            if !Path::new(file).is_file() {
                return Err(format!("--webhook.{name}=FILE is needed: {file:?} is no file"));
            }
        }
        Ok((own, rest))
    }

    /// What serves the webhook: one entrypoint with TLS, and ping.
    fn plan(&self, checked: &Root) -> Result<(Static, Update), Box<dyn std::error::Error>> {
        let root = json!({
            "entryPoints": {"webhook": {"address": self.address}},
            "ping": {"manualRouting": true},
        });
        let root = Root { log: checked.log.clone(), ..decode(&root)? };
        let mut dynamic: Dynamic = decode(&Format::Yaml.parse(DYNAMIC)?)?;
        let files = json!({"certFile": self.certificate, "keyFile": self.key});
        dynamic.tls.certificates.push(Arc::new(decode(&files)?));
        let store = json!({"defaultCertificate": files});
        dynamic.tls.stores.insert("default".to_owned(), store);
        Ok((Static::resolve(root, 1)?, Update::new("webhook", Arc::new(dynamic))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_its_own_flags_and_leaves_the_others() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let given = words(&[
            "--webhook.address=127.0.0.1:0",
            "--entryPoints.web.address=:80",
            &format!("--webhook.certFile={file}"),
            &format!("--webhook.KEYFILE={file}"),
        ]);
        let (own, rest) = Own::parse(&given).unwrap();
        assert_eq!(own.address, "127.0.0.1:0");
        assert_eq!(rest, ["--entryPoints.web.address=:80"]);
        let (plan, update) = own.plan(&Root::default()).unwrap();
        assert_eq!(plan.entrypoints.len(), 1);
        assert_eq!(update.dynamic.http.routers.len(), 2);
        for (flags, expect) in [
            (words(&["--webhook.port=1"]), "webhook.port"),
            (words(&[]), "--webhook.certFile=FILE is needed"),
        ] {
            assert!(Own::parse(&flags).unwrap_err().starts_with(expect), "{flags:?}");
        }
    }
}
