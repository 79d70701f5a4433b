//! `moongate healthcheck`: asks the ping endpoint of a running process.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use super::plan;
use crate::config::Static;

/// How long the endpoint may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Prints `OK: url` and succeeds when the process is well.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let plan = match plan(arguments) {
        Ok((plan, _)) => plan,
        Err(error) => {
            eprintln!("moongate: {error}");
            return ExitCode::FAILURE;
        }
    };
    let address = match address(&plan) {
        Ok(address) => address,
        Err(reason) => {
            eprintln!("Error calling healthcheck: {reason}");
            return ExitCode::FAILURE;
        }
    };
    let url = format!("http://{address}/ping");
    match ask(&address) {
        Ok(200) => {
            println!("OK: {url}");
            ExitCode::SUCCESS
        }
        Ok(status) => {
            println!("Bad healthcheck status: {status}");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("Error calling healthcheck: {url}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where the ping endpoint listens, as seen from this machine.
fn address(plan: &Static) -> Result<String, String> {
    let ping = plan.ping.as_ref().ok_or("please enable `ping` to use health check")?;
    let entrypoint = plan.entrypoints.iter().find(|e| e.name == ping.entry_point);
    let entrypoint =
        entrypoint.ok_or_else(|| format!("ping: missing {:?} entrypoint", ping.entry_point))?;
    let address = &entrypoint.address;
    let host = match address.host.as_str() {
        "" | "0.0.0.0" | "::" => "127.0.0.1".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    Ok(format!("{host}:{}", address.port))
}

/// The status of `GET /ping`.
fn ask(address: &str) -> io::Result<u16> {
    let found = address.to_socket_addrs()?.next();
    let found = found.ok_or_else(|| io::Error::other("no address"))?;
    let mut stream = TcpStream::connect_timeout(&found, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let request = format!("GET /ping HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut head)?;
    let status = head.get("HTTP/1.1 ".len()..).and_then(|code| std::str::from_utf8(code).ok());
    status
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}
