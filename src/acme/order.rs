//! One order from names to a certificate: names are proved, the key is made, the chain chosen.
//!
//! Whatever it ends with, nothing of it stays: proofs are hidden, records taken away, and what the
//! authority was to find out is called off. Must not know why a certificate is wanted.

use std::net::IpAddr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::time::{Instant, sleep};

use super::book::{Book, pending_of};
use super::client::{
    Authorization, Challenge, Client, ClientError, NewOrder, Order, Problem, Status,
};
use super::dns::{Dns, DnsError, Record};
use super::key::{self, CommonName, KeyError, KeyType, Subject};
use super::proofs::{Proof, ProofError, Proofs};
use super::store::{Shared, StoreError};
use crate::config::AcmeOptions;
use crate::model;
use crate::value::{Certificate as Facts, GoDuration};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    /// The authority, or the way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A key, or a request made with it.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The proof in a handshake.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The records of the DNS.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// Other replicas cannot be told, or what is to be taken away cannot be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The authority does not offer what is configured.
    #[error("{name}: the authority offers {offered}, none of which is configured")]
    NoChallenge {
        /// The name.
        name: String,
        /// What it offers.
        offered: String,
    },
    /// The authority has looked and is not convinced.
    #[error("{name}: {problem}")]
    NotProved {
        /// The name.
        name: String,
        /// Why.
        problem: Problem,
    },
    /// The authority takes too long.
    #[error("the authority has not {what} within {} s", limit.as_secs())]
    Late {
        /// What it should have done.
        what: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// The order has come to nothing.
    #[error("the authority has given up the order: {0}")]
    GivenUp(Problem),
    /// The thread that makes keys has ended.
    #[error("no key was made")]
    NoKey,
}

/// What orders need.
pub(super) struct Means<'a> {
    pub(super) client: &'a Client,
    pub(super) proofs: &'a Proofs,
    pub(super) shared: Option<&'a dyn Shared>,
    pub(super) options: &'a AcmeOptions,
    pub(super) key_type: KeyType,
    pub(super) dns: Option<&'a Dns>,
    /// Where records are noted before they are set.
    pub(super) book: &'a Book,
}

/// A name that is being proved.
struct Step {
    /// Of the authorization.
    url: String,
    name: String,
    challenge: Challenge,
    shown: Shown,
}

/// How it is proved.
enum Shown {
    Here(Proof),
    Record(Box<Record>),
}

/// How long the authority may take to look.
const LOOK_LIMIT: Duration = Duration::from_mins(2);
/// Between two questions about it.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// How long other replicas prove a name if nobody takes it back.
const PROOF_LIFETIME: Duration = Duration::from_mins(10);
/// Challenges in the order in which they are chosen where several are configured.
const HTTP: &str = "http-01";
const DNS: &str = "dns-01";
const TLS: &str = "tls-alpn-01";
/// 2.5.4.3, the common name.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

impl Means<'_> {
    /// Orders a certificate for names, in the place of one that is renewed.
    pub(super) async fn obtain(
        &self,
        names: &[String],
        replaces: Option<&str>,
    ) -> Result<model::Certificate, OrderError> {
        let new = NewOrder { names, profile: &self.options.profile, replaces };
        let (url, order) = self.client.order(new).await?;
        self.prove(&order).await?;
        let finalize = order.finalize.clone();
        let order = match order.status {
            Status::Ready => order,
            _ => self.follow(&url, LOOK_LIMIT, "made up its mind", is_ready).await?,
        };
        drop(order);
        let kind = self.key_type;
        // Primes take seconds.
        let key = tokio::task::spawn_blocking(move || kind.generate()).await;
        let key = key.map_err(|_| OrderError::NoKey)??;
        let common_name = match self.options.disable_common_name {
            true => CommonName::None,
            false => CommonName::Main,
        };
        let subject = Subject { names, emails: &self.options.email_addresses, common_name };
        let request = key::request(&key, subject)?;
        self.client.finalize(&finalize, request.der()).await?;
        let limit = self.options.certificate_timeout.limit().unwrap_or(LOOK_LIMIT);
        let order = self.follow(&url, limit, "issued", is_valid).await?;
        let what = "a valid order without a certificate";
        let none = || ClientError::Malformed { url: url.clone(), what };
        let cert_file = self.chain(&order.certificate.ok_or_else(none)?).await?;
        Ok(model::Certificate { cert_file, key_file: key.serialize_pem(), stores: Vec::new() })
    }

    /// Looks at the order until it is as wanted.
    async fn follow(
        &self,
        url: &str,
        limit: Duration,
        what: &'static str,
        is_done: fn(Status) -> bool,
    ) -> Result<Order, OrderError> {
        let end = Instant::now() + limit;
        loop {
            let (order, wait) = self.client.look::<Order>(url).await?;
            if is_done(order.status) {
                return Ok(order);
            }
            if order.status == Status::Invalid {
                return Err(OrderError::GivenUp(order.error.unwrap_or_default()));
            }
            if Instant::now() >= end {
                return Err(OrderError::Late { what, limit });
            }
            sleep(wait.unwrap_or(PAUSE.0).clamp(PAUSE.0, PAUSE.1)).await;
        }
    }

    /// Proves all names of an order, at once if those who set records can.
    async fn prove(&self, order: &Order) -> Result<(), OrderError> {
        let all = &order.authorizations;
        let Some(pause) = self.dns.and_then(Dns::sequence) else {
            return self.prove_together(all).await;
        };
        for (place, one) in all.iter().enumerate() {
            if place > 0 {
                sleep(pause).await;
            }
            self.prove_together(std::slice::from_ref(one)).await?;
        }
        Ok(())
    }

    async fn prove_together(&self, authorizations: &[String]) -> Result<(), OrderError> {
        let mut steps = Vec::new();
        let shown = self.show_all(authorizations, &mut steps).await;
        let proved = match shown {
            Ok(()) => self.proved(&steps).await,
            Err(error) => Err(error),
        };
        for step in &steps {
            self.hide(step).await;
            if proved.is_err() {
                // It ends by itself if this fails.
                let _ = self.client.deactivate(&step.url).await;
            }
        }
        proved
    }

    async fn show_all(
        &self,
        authorizations: &[String],
        steps: &mut Vec<Step>,
    ) -> Result<(), OrderError> {
        for url in authorizations {
            let (authorization, _) = self.client.look::<Authorization>(url).await?;
            let name = authorization.identifier.value.clone();
            match authorization.status {
                Status::Valid => continue,
                Status::Pending => {}
                _ => return Err(not_proved(name, &authorization)),
            }
            let challenge = self.choose(&authorization)?.clone();
            let text = self.client.proof(&challenge.token);
            let shown = match challenge.kind.as_str() {
                HTTP => Shown::Here(Proof::Http(name.clone(), challenge.token.clone())),
                TLS => Shown::Here(Proof::Tls(server_name(&name))),
                _ => Shown::Record(Box::new(self.dns()?.record(&name, &text).await?)),
            };
            let url = url.clone();
            // Noted first, so that it is taken away whatever becomes of it.
            steps.push(Step { url, name, challenge, shown });
            if let Some(step) = steps.last() {
                self.show(step, &text).await?;
            }
        }
        Ok(())
    }

    fn dns(&self) -> Result<&Dns, DnsError> {
        self.dns.ok_or(DnsError::NoProvider)
    }

    /// The first of the configured ways that the authority offers.
    fn choose<'a>(&self, authorization: &'a Authorization) -> Result<&'a Challenge, OrderError> {
        let options = self.options;
        let http = options.http_challenge.as_ref().filter(|http| !http.entry_point.is_empty());
        let ways = [
            (TLS, options.tls_challenge.is_some()),
            (HTTP, http.is_some()),
            (DNS, self.dns.is_some()),
        ];
        let offered = &authorization.challenges;
        let find = |kind: &str| offered.iter().find(|challenge| challenge.kind == kind);
        let mut ways = ways.iter().filter(|(_, is_configured)| *is_configured);
        ways.find_map(|(kind, _)| find(kind)).ok_or_else(|| {
            let offered: Vec<_> = offered.iter().map(|one| one.kind.as_str()).collect();
            let (name, offered) = (authorization.identifier.value.clone(), offered.join(", "));
            OrderError::NoChallenge { name, offered }
        })
    }

    async fn show(&self, step: &Step, text: &str) -> Result<(), OrderError> {
        match &step.shown {
            Shown::Here(proof) => {
                self.proofs.show(proof.clone(), text)?;
                if let Some(shared) = self.shared {
                    shared.share_proof(&proof.to_string(), text, PROOF_LIFETIME).await?;
                }
            }
            Shown::Record(record) => {
                self.book.note(record).await?;
                self.dns()?.present(record).await?;
            }
        }
        Ok(())
    }

    /// What fails here is told and forgotten: the order is over.
    async fn hide(&self, step: &Step) {
        let gone = match (&step.shown, self.shared) {
            (Shown::Here(proof), shared) => {
                self.proofs.hide(proof);
                match shared {
                    Some(shared) => shared.end_proof(&proof.to_string()).await.map_err(Into::into),
                    None => Ok(()),
                }
            }
            (Shown::Record(record), _) => self.take_away(record).await,
        };
        if let Err(error) = gone {
            tracing::warn!(name = step.name, %error, "a proof of a name could not be taken back");
        }
    }

    /// Takes a record away; it stays noted if that fails, and is tried again with the next start.
    async fn take_away(&self, record: &Record) -> Result<(), OrderError> {
        self.dns()?.clean_up(record).await?;
        Ok(self.book.strike(&pending_of(record)).await?)
    }

    /// Lets the authority look at all that is shown.
    async fn proved(&self, steps: &[Step]) -> Result<(), OrderError> {
        self.wait(steps).await?;
        for step in steps {
            self.client.try_challenge(&step.challenge.url).await?;
        }
        let end = Instant::now() + LOOK_LIMIT;
        for step in steps {
            loop {
                let (authorization, wait) = self.client.look::<Authorization>(&step.url).await?;
                match authorization.status {
                    Status::Valid => break,
                    Status::Pending | Status::Processing => {}
                    _ => return Err(not_proved(step.name.clone(), &authorization)),
                }
                if Instant::now() >= end {
                    let (what, limit) = ("looked at the proofs", LOOK_LIMIT);
                    return Err(OrderError::Late { what, limit });
                }
                sleep(wait.unwrap_or(PAUSE.0).clamp(PAUSE.0, PAUSE.1)).await;
            }
        }
        Ok(())
    }

    /// Waits until what is shown can be seen.
    async fn wait(&self, steps: &[Step]) -> Result<(), OrderError> {
        let options = self.options;
        let is = |kind: &str| steps.iter().any(|step| step.challenge.kind == kind);
        let http = options.http_challenge.as_ref().filter(|_| is(HTTP)).map(|way| way.delay);
        let tls = options.tls_challenge.as_ref().filter(|_| is(TLS)).map(|way| way.delay);
        if let Some(delay) = http.into_iter().chain(tls).max().and_then(GoDuration::limit) {
            sleep(delay).await;
        }
        let records = steps.iter().filter_map(|step| match &step.shown {
            Shown::Record(record) => Some(&**record),
            Shown::Here(_) => None,
        });
        let records: Vec<_> = records.collect();
        if !records.is_empty() {
            self.dns()?.propagated(&records).await?;
        }
        Ok(())
    }

    /// The chain of a certificate, of several the preferred one.
    async fn chain(&self, url: &str) -> Result<String, OrderError> {
        let (chain, others) = self.client.chain(url).await?;
        let wanted = &self.options.preferred_chain;
        if wanted.is_empty() || ends_at(&chain, wanted) {
            return Ok(chain);
        }
        for url in others {
            let (other, _) = self.client.chain(&url).await?;
            if ends_at(&other, wanted) {
                return Ok(other);
            }
        }
        tracing::warn!(preferred = wanted, "the authority has no chain with that issuer");
        Ok(chain)
    }
}

fn is_ready(status: Status) -> bool {
    matches!(status, Status::Ready | Status::Valid)
}

fn is_valid(status: Status) -> bool {
    status == Status::Valid
}

fn not_proved(name: String, authorization: &Authorization) -> OrderError {
    let mut problems = authorization.challenges.iter().filter_map(|one| one.error.clone());
    let problem = problems.next().unwrap_or_else(|| Problem {
        kind: format!("{:?}", authorization.status).to_ascii_lowercase(),
        detail: "the authority does not say why".to_owned(),
        ..Problem::default()
    });
    OrderError::NotProved { name, problem }
}

/// Whether the last certificate of a chain was issued by that name.
fn ends_at(chain: &str, issuer: &str) -> bool {
    let last = CertificateDer::pem_slice_iter(chain.as_bytes()).flatten().last();
    let names = last.as_ref().and_then(|der| Some(Facts::read(der)?.issuer));
    names.is_some_and(|names| names.iter().any(|n| n.id == COMMON_NAME && n.text == issuer))
}

/// The name in the handshake that proves a name, or an address (RFC 8738, section 6).
fn server_name(name: &str) -> String {
    match name.parse() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Ok(IpAddr::V6(address)) => {
            let digits = address.octets().into_iter().rev();
            let digits = digits.map(|byte| format!("{:x}.{:x}.", byte & 15, byte >> 4));
            format!("{}ip6.arpa", digits.collect::<String>())
        }
        Err(_) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_proved_by_their_names_in_reverse() {
        for (name, expect) in [
            ("a.test", "a.test"),
            ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
            (
                "2001:db8::1",
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            ),
        ] {
            assert_eq!(server_name(name), expect);
        }
    }
}
