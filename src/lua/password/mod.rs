//! Passwords against hashes as htpasswd writes them, computed beside the worker.
//!
//! Must not know who asks.

mod hash;
mod recent;

use std::cell::RefCell;
use std::sync::Arc;

use hashbrown::HashMap;
use ring::hmac;
use tokio::sync::{Semaphore, watch};

use hash::{Cost, matches, scheme};
use recent::Recent;

/// Hashes that one VM computes at a time, each on a thread of its own.
const AT_ONCE_MAX: usize = 2;
/// A longer password is nobody's; hashing it would cost more than it should.
const PASSWORD_BYTES_MAX: usize = 4096;

/// A password and a hash as one, of which nothing can be read back.
type Tag = [u8; 32];

/// What one VM knows of passwords.
#[derive(Debug)]
pub(super) struct Passwords {
    key: hmac::Key,
    recent: RefCell<Recent>,
    running: RefCell<HashMap<Tag, watch::Receiver<Option<bool>>>>,
    permits: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        let mut seed = [0; 32];
        // Without randomness the tags could be guessed, but they never leave the process.
        let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut seed);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &seed),
            recent: RefCell::default(),
            running: RefCell::default(),
            permits: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        }
    }
}

impl Passwords {
    /// Whether a password has that hash. What is dear to compute runs on another thread, once for
    /// all that ask for the same, and a match is remembered.
    pub(super) async fn verify(&self, password: Vec<u8>, hash: Vec<u8>) -> bool {
        let Some(scheme) = scheme(&hash) else { return false };
        if password.len() > PASSWORD_BYTES_MAX {
            return false;
        }
        if scheme.cost == Cost::Cheap {
            return matches(scheme, &password, &hash);
        }
        let tag = self.tag(&password, &hash);
        loop {
            if self.recent.borrow_mut().knows(&tag) {
                return true;
            }
            let running = self.running.borrow().get(&tag).cloned();
            let Some(mut running) = running else { break };
            let answer = running.wait_for(Option::is_some).await.map(|answer| *answer);
            if let Ok(Some(answer)) = answer {
                return answer;
            }
            // The one that computed it was cancelled, so this one may have to.
        }
        let (answer, receiver) = watch::channel(None);
        self.running.borrow_mut().insert(tag, receiver);
        let lead = Lead { passwords: self, tag };
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let computed = tokio::task::spawn_blocking(move || {
            // Held until the end, also when nobody waits for it any more.
            let _permit = permit;
            matches(scheme, &password, &hash)
        });
        let matched = computed.await.unwrap_or(false);
        if matched {
            self.recent.borrow_mut().note(tag);
        }
        drop(lead);
        answer.send_replace(Some(matched));
        matched
    }

    fn tag(&self, password: &[u8], hash: &[u8]) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&hash.len().to_be_bytes());
        context.update(hash);
        context.update(password);
        context.sign().as_ref().try_into().unwrap_or_default()
    }
}

/// Lets others compute a hash once its computation has ended or was cancelled.
struct Lead<'a> {
    passwords: &'a Passwords,
    tag: Tag,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.passwords.running.borrow_mut().remove(&self.tag);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    #[test]
    fn matches_are_remembered_and_the_same_is_computed_once() {
        block_on(async {
            let passwords = Passwords::default();
            let verify =
                |password: &str| passwords.verify(password.into(), BCRYPT.as_bytes().to_vec());
            let (a, b, c) = tokio::join!(verify("secret"), verify("secret"), verify("wrong"));
            assert_eq!((a, b, c), (true, true, false));
            assert!(passwords.running.borrow().is_empty());
            let known = |password: &str| {
                let tag = passwords.tag(password.as_bytes(), BCRYPT.as_bytes());
                passwords.recent.borrow_mut().knows(&tag)
            };
            assert_eq!((known("secret"), known("wrong")), (true, false));
            // No thread is needed for what is known.
            passwords.permits.close();
            assert!(verify("secret").await);
        });
    }

    #[test]
    fn a_cancelled_computation_is_taken_over() {
        block_on(async {
            let passwords = Passwords::default();
            let all = Arc::clone(&passwords.permits);
            let all = all.acquire_many_owned(u32::try_from(AT_ONCE_MAX).unwrap()).await.unwrap();
            let verify = || passwords.verify(b"secret".to_vec(), BCRYPT.as_bytes().to_vec());
            let mut first = Box::pin(verify());
            let short = Duration::from_millis(1);
            assert!(tokio::time::timeout(short, &mut first).await.is_err());
            let mut second = Box::pin(verify());
            assert!(tokio::time::timeout(short, &mut second).await.is_err());
            drop(first);
            drop(all);
            assert!(second.await);
        });
    }

    #[test]
    fn long_passwords_are_nobodys() {
        let hash = b"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=".to_vec();
        let passwords = Passwords::default();
        assert!(block_on(passwords.verify(b"password".to_vec(), hash.clone())));
        assert!(!block_on(passwords.verify(vec![b'p'; PASSWORD_BYTES_MAX + 1], hash)));
    }
}
