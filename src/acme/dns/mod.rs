//! Records of the DNS that prove names: whom they are set by, where they belong, and whether they
//! can be seen.
//!
//! Must not know how the service that holds the records is talked to.

mod lookup;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use tokio::time::{Instant, sleep};

use super::client::encode;
use crate::config::DnsChallenge;
use crate::message::LocalFuture;

use lookup::{Found, Kind, LookupError, PORT, ask, system_servers};

/// Why a record does not prove a name.
#[derive(Debug, thiserror::Error)]
pub(super) enum DnsError {
    /// Nobody sets records.
    #[error("dnsChallenge.provider is not given")]
    NoProvider,
    /// The one who sets records says no.
    #[error(transparent)]
    Provider(#[from] SolveError),
    /// A server that is to be asked has no address.
    #[error("dnsChallenge.resolvers: {server:?} has no address")]
    Resolver {
        /// As configured.
        server: String,
    },
    /// A record is not to be seen.
    #[error("{fqdn} cannot be seen after {} s: {reason}", limit.as_secs())]
    Unseen {
        /// The record's name.
        fqdn: String,
        /// How long it was waited for.
        limit: Duration,
        /// What was seen last.
        reason: String,
    },
}

/// The words of the one who sets records, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SolveError {
    /// What went wrong, and with which provider.
    pub reason: String,
}

/// The record that proves a name (RFC 8555, section 8.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The name that is proved, without `*.`.
    pub domain: String,
    /// Where the record belongs, with a dot at its end; where a CNAME leads, if there is one.
    pub fqdn: String,
    /// Its text.
    pub value: String,
    /// What the authority gave for it.
    pub token: String,
    /// What the text is made of.
    pub key_authorization: String,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("fqdn", &self.fqdn).finish_non_exhaustive()
    }
}

/// One who sets records.
pub trait Solver: std::fmt::Debug {
    /// Sets a record beside others of the same name.
    fn present<'a>(&'a self, record: &'a Record) -> LocalFuture<'a, Result<(), SolveError>>;

    /// Takes a record away.
    fn clean_up<'a>(&'a self, record: &'a Record) -> LocalFuture<'a, Result<(), SolveError>>;

    /// How long it may take until a record is seen, and how often to look.
    fn patience(&self) -> (Duration, Duration);

    /// Where records can only be set one after another, the pause between two of them.
    fn sequence(&self) -> Option<Duration> {
        None
    }
}

/// All who set records, by their codes.
pub trait Solvers: std::fmt::Debug + Send + Sync {
    /// The one with that code, ready for use.
    fn solver<'a>(&'a self, code: &'a str) -> LocalFuture<'a, Result<Rc<dyn Solver>, SolveError>>;
}

/// One who sets records, and how they are looked for.
#[derive(Debug)]
pub(super) struct Dns {
    solver: Rc<dyn Solver>,
    options: DnsChallenge,
    /// Those who are asked where records belong.
    servers: Vec<SocketAddr>,
    /// Where the servers of domains are asked.
    port: u16,
}

/// CNAMEs that are followed one after another.
const ALIASES_MAX: usize = 10;

impl Dns {
    pub(super) async fn open(
        solvers: &dyn Solvers,
        options: &DnsChallenge,
    ) -> Result<Self, DnsError> {
        if options.provider.is_empty() {
            return Err(DnsError::NoProvider);
        }
        let solver = solvers.solver(&options.provider).await?;
        let mut servers = Vec::new();
        for server in &options.resolvers {
            let named = lookup::address(server).await;
            servers.push(named.ok_or_else(|| DnsError::Resolver { server: server.clone() })?);
        }
        if servers.is_empty() {
            servers = system_servers();
        }
        Ok(Self { solver, options: options.clone(), servers, port: PORT })
    }

    /// The record that proves a name.
    pub(super) async fn record(&self, name: &str, text: &str) -> Result<Record, DnsError> {
        let value = encode(digest(&SHA256, text.as_bytes()).as_ref());
        let fqdn = self.end_of_aliases(format!("_acme-challenge.{name}.")).await;
        let token = text.split_once('.').map_or(text, |(token, _)| token).to_owned();
        let (domain, key_authorization) = (name.to_owned(), text.to_owned());
        Ok(Record { domain, fqdn, value, token, key_authorization })
    }

    /// Where names must be proved one after another, the pause between two of them.
    pub(super) fn sequence(&self) -> Option<Duration> {
        self.solver.sequence()
    }

    pub(super) async fn present(&self, record: &Record) -> Result<(), DnsError> {
        Ok(self.solver.present(record).await?)
    }

    pub(super) async fn clean_up(&self, record: &Record) -> Result<(), DnsError> {
        Ok(self.solver.clean_up(record).await?)
    }

    /// Waits until all records can be seen, as far as it is to be looked for.
    pub(super) async fn propagated(&self, records: &[&Record]) -> Result<(), DnsError> {
        let told = self.options.propagation.clone().unwrap_or_default();
        let delay = told.delay_before_checks.get().max(self.options.delay_before_check.get());
        if !delay.is_zero() {
            sleep(delay).await;
        }
        if told.disable_checks || self.options.disable_propagation_check {
            return Ok(());
        }
        let (limit, interval) = self.solver.patience();
        let end = Instant::now() + limit;
        for record in records {
            let mut seen_by = Vec::new();
            if told.require_all_rns {
                seen_by.extend(self.servers.iter().map(|server| (*server, Recursion::Wanted)));
            }
            loop {
                match self.is_seen(record, &seen_by, told.disable_ans_checks).await {
                    Ok(()) => break,
                    Err(reason) if Instant::now() >= end => {
                        let fqdn = record.fqdn.clone();
                        return Err(DnsError::Unseen { fqdn, limit, reason });
                    }
                    Err(reason) => tracing::debug!(fqdn = record.fqdn, reason, "not seen yet"),
                }
                sleep(interval).await;
            }
        }
        Ok(())
    }

    /// Whether a record is seen by all; the reason why not otherwise.
    async fn is_seen(
        &self,
        record: &Record,
        by: &[(SocketAddr, Recursion)],
        leaves_out_authorities: bool,
    ) -> Result<(), String> {
        let mut all = by.to_vec();
        if !leaves_out_authorities {
            let authorities = self.authorities(&record.fqdn).await.map_err(|e| e.to_string())?;
            all.extend(authorities.into_iter().map(|server| (server, Recursion::Unwanted)));
        }
        for (server, recursion) in all {
            let found = ask(server, &record.fqdn, Kind::Txt, recursion).await;
            let found = found.map_err(|error| error.to_string())?;
            let is = |found: &Found| matches!(found, Found::Text(text) if *text == record.value);
            if !found.iter().any(|(_, found)| is(found)) {
                return Err(format!("{server} does not have it"));
            }
        }
        Ok(())
    }

    /// Where a chain of aliases ends.
    async fn end_of_aliases(&self, mut fqdn: String) -> String {
        for _ in 0..ALIASES_MAX {
            let found = self.ask_any(&fqdn, Kind::Alias).await.unwrap_or_default();
            let next = found.into_iter().find_map(|(owner, found)| match found {
                Found::Alias(to) if owner.eq_ignore_ascii_case(&fqdn) => Some(to),
                _ => None,
            });
            match next {
                Some(to) => fqdn = to,
                None => break,
            }
        }
        fqdn
    }

    /// The servers of the domain that a name belongs to.
    async fn authorities(&self, fqdn: &str) -> Result<Vec<SocketAddr>, LookupError> {
        let mut domain = fqdn;
        let mut names: Vec<String> = Vec::new();
        while names.is_empty() && !domain.is_empty() {
            for (owner, found) in self.ask_any(domain, Kind::Servers).await? {
                if let (true, Found::Server(name)) = (owner.eq_ignore_ascii_case(domain), found) {
                    names.push(name);
                }
            }
            domain = domain.split_once('.').map_or("", |(_, above)| above);
        }
        let mut servers = Vec::new();
        for name in &names {
            for kind in [Kind::Address4, Kind::Address6] {
                let found = self.ask_any(name, kind).await.unwrap_or_default();
                servers.extend(found.into_iter().filter_map(|(_, found)| match found {
                    Found::Address(address) => Some(SocketAddr::new(address, self.port)),
                    _ => None,
                }));
            }
        }
        // A machine may have no way to addresses of one family; then the other's count.
        let reachable: Vec<SocketAddr> = servers.iter().copied().filter(lookup::has_way).collect();
        if reachable.is_empty() {
            return Err(LookupError::NoServers { name: fqdn.to_owned() });
        }
        Ok(reachable)
    }

    /// The answer of the first server that has one.
    async fn ask_any(&self, name: &str, kind: Kind) -> Result<Vec<(String, Found)>, LookupError> {
        let mut last = LookupError::NoServers { name: name.to_owned() };
        for server in &self.servers {
            match ask(*server, name, kind, Recursion::Wanted).await {
                Ok(found) => return Ok(found),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Whether a server is to ask others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recursion {
    Wanted,
    Unwanted,
}

#[cfg(test)]
mod tests;
