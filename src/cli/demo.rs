//! `moongate demo`: two echo servers, weighted 3:1, behind a Lua script, on the loopback address.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use super::serve::serve;
use crate::app::{App, Extra, echo};
use crate::config::{Root, Static};
use crate::model::Dynamic;
use crate::provider::Update;
use crate::value::{Format, decode};

const STATIC: &str = include_str!("demo-static.yaml");
const DYNAMIC: &str = include_str!("demo-dynamic.yaml");

/// Serves the demonstration until it is interrupted.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    if let Some(argument) = arguments.first() {
        eprintln!("moongate: demo takes no arguments, such as {argument:?}");
        return ExitCode::from(2);
    }
    let servers = echo::start("stable".into(), None)
        .and_then(|stable| Ok([stable, echo::start("canary".into(), None)?]));
    let servers = match servers {
        Ok(servers) => servers,
        Err(error) => {
            eprintln!("moongate: the echo servers could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match plan(servers) {
        Ok((plan, update)) => {
            let extra = Extra { update, admission: None };
            serve(plan, &[], |_| Ok(Some(extra)), tell)
        }
        Err(error) => {
            eprintln!("moongate: the demonstration is broken: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan(servers: [SocketAddr; 2]) -> Result<(Static, Update), Box<dyn std::error::Error>> {
    let root: Root = decode(&Format::Yaml.parse(STATIC)?)?;
    let [stable, canary] = servers.map(|server| server.to_string());
    let dynamic = DYNAMIC.replace("STABLE", &stable).replace("CANARY", &canary);
    let dynamic: Dynamic = decode(&Format::Yaml.parse(&dynamic)?)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let update = Update::new("demo", Arc::new(dynamic));
    Ok((Static::resolve(root, cores)?, update))
}

fn tell(app: &App) {
    let at = |wanted: &str| {
        let found = app.addresses().iter().find(|(name, _)| &**name == wanted);
        found.map_or_else(String::new, |(_, address)| address.to_string())
    };
    let (web, internal) = (at("web"), at("traefik"));
    println!(
        "Moongate is serving a demonstration. Try:\n\n\
         \x20   curl -i http://{web}/hello          three of four answers come from \"stable\"\n\
         \x20   curl -i 'http://{web}/hello?name=Ada'   the Lua script greets in a header\n\
         \x20   curl -i http://{web}/teapot         the Lua script answers by itself\n\
         \x20   curl http://{internal}/api/http/routers     what is routed where\n\
         \x20   curl http://{internal}/ping\n\n\
         Press Ctrl-C to stop."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_configuration_is_sound() {
        let server = SocketAddr::from(([127, 0, 0, 1], 1));
        let (plan, update) = plan([server, server]).unwrap();
        assert_eq!(plan.entrypoints.len(), 2);
        assert_eq!(update.dynamic.http.routers.len(), 1);
    }
}
