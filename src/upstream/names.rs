//! A server's name and where it leads to, as the system says it at the moment.
//!
//! The system's own resolver is asked (getaddrinfo), not one of ours: it alone honours `/etc/hosts`
//! as it is now, `nsswitch.conf`, search domains, and what a container's runtime answers, and it
//! costs no byte of the binary. It does not tell how long an answer may be kept, so ours are kept
//! for a period that is as short as the times to live that change in practice.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long an answer is used.
const PERIOD: Duration = Duration::from_secs(5);

/// A host and a port, with the addresses that the host had last.
#[derive(Debug)]
pub(super) struct Name {
    authority: Arc<str>,
    /// The address, when the host is one.
    fixed: Option<SocketAddr>,
    answer: Mutex<Answer>,
    /// Whether somebody is asking.
    asking: AtomicBool,
}

#[derive(Debug, Default)]
struct Answer {
    addresses: Arc<[SocketAddr]>,
    /// When it came; none before the first one.
    at: Option<Instant>,
}

impl Answer {
    fn is_due(&self) -> bool {
        self.at.is_none_or(|at| at.elapsed() > PERIOD)
    }
}

/// Addresses to connect to.
#[derive(Debug, Clone)]
pub(super) enum Addresses {
    /// They were just asked for.
    Fresh(Arc<[SocketAddr]>),
    /// They are those of some seconds ago.
    Kept(Arc<[SocketAddr]>),
}

impl Name {
    pub(super) fn new(authority: &Arc<str>) -> Self {
        Self {
            authority: Arc::clone(authority),
            fixed: authority.parse().ok(),
            answer: Mutex::default(),
            asking: AtomicBool::new(false),
        }
    }

    /// Whether it may lead elsewhere another time.
    pub(super) fn may_move(&self) -> bool {
        self.fixed.is_none()
    }

    /// Whether it leads to an address, as far as is known.
    pub(super) fn leads_to(&self, address: Option<IpAddr>) -> bool {
        let (true, Some(address)) = (self.may_move(), address) else { return true };
        let answer = self.answer.lock();
        let mut all = answer.addresses.iter().map(|known| known.ip().to_canonical());
        answer.addresses.is_empty() || all.any(|known| known == address.to_canonical())
    }

    /// Where to connect to.
    ///
    /// # Errors
    /// When the system knows no such name.
    pub(super) async fn addresses(&self) -> io::Result<Addresses> {
        if let Some(fixed) = self.fixed {
            return Ok(Addresses::Fresh(Arc::from([fixed])));
        }
        let kept = {
            let answer = self.answer.lock();
            let is_usable = !answer.is_due() || self.asking.load(Ordering::Relaxed);
            (is_usable && !answer.addresses.is_empty()).then(|| Arc::clone(&answer.addresses))
        };
        match kept {
            Some(kept) => Ok(Addresses::Kept(kept)),
            None => self.ask().await.map(Addresses::Fresh),
        }
    }

    /// Asks the system.
    ///
    /// # Errors
    /// When it knows no such name; what it said before stays.
    pub(super) async fn ask(&self) -> io::Result<Arc<[SocketAddr]>> {
        let found = tokio::net::lookup_host(&*self.authority).await;
        let addresses: Arc<[SocketAddr]> = found?.collect();
        self.note(&addresses);
        Ok(addresses)
    }

    /// Asks the system in the background, when the last answer is too old and nobody does yet.
    pub(super) fn refresh(self: &Arc<Self>) {
        if !self.may_move() || !self.answer.lock().is_due() {
            return;
        }
        if self.asking.swap(true, Ordering::Relaxed) {
            return;
        }
        let name = Arc::clone(self);
        // Requests ask on a worker, health checks on the control plane.
        tokio::runtime::Handle::current().spawn(async move {
            let asking = Asking(&name);
            if let Err(error) = name.ask().await {
                tracing::debug!(%error, name = &*name.authority, "a name could not be resolved");
                // What was known stays for a period more.
                name.answer.lock().at = Some(Instant::now());
            }
            drop(asking);
        });
    }

    /// Takes an answer over.
    pub(super) fn note(&self, addresses: &Arc<[SocketAddr]>) {
        let (addresses, at) = (Arc::clone(addresses), Some(Instant::now()));
        *self.answer.lock() = Answer { addresses, at };
    }
}

/// Somebody asks; also ended when the runtime ends.
struct Asking<'a>(&'a Name);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asking.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_never_moves_and_a_name_leads_where_it_was_said() {
        let address = |text: &str| text.parse::<IpAddr>().ok();
        let fixed = Name::new(&"127.0.0.1:80".into());
        assert!(!fixed.may_move() && fixed.leads_to(address("10.0.0.1")));
        let name = Name::new(&"a.test:80".into());
        assert!(name.may_move() && name.leads_to(address("10.0.0.1")));
        name.note(&Arc::from([SocketAddr::from(([10, 0, 0, 1], 80))]));
        for (text, expect) in
            [("10.0.0.1", true), ("::ffff:10.0.0.1", true), ("10.0.0.2", false), ("::1", false)]
        {
            assert_eq!(name.leads_to(address(text)), expect, "{text}");
        }
        assert!(name.leads_to(None));
    }

    #[test]
    fn an_answer_is_kept_for_a_while() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let name = Arc::new(Name::new(&"localhost:80".into()));
            assert!(matches!(name.addresses().await, Ok(Addresses::Fresh(_))));
            assert!(matches!(name.addresses().await, Ok(Addresses::Kept(_))));
            name.answer.lock().at = Instant::now().checked_sub(PERIOD * 2);
            assert!(matches!(name.addresses().await, Ok(Addresses::Fresh(_))));
            let nowhere = Name::new(&"nowhere.invalid:80".into());
            assert!(nowhere.addresses().await.is_err());
        });
    }
}
