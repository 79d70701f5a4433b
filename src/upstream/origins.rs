//! Servers that no service lists: those that somebody asks by URL, remembered so that their
//! connections are used again.
//!
//! Must not know who asks.

use std::cell::RefCell;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashMap;

use super::{Endpoint, EndpointError, Transport, TransportError};

/// Servers remembered; the connections of one that is forgotten close when they idle for long.
const ORIGINS_MAX: usize = 256;
/// Ways to connect that are remembered.
const TRANSPORTS_MAX: usize = 64;

/// Tells ways to connect apart.
pub type TransportId = [u8; 32];

/// One worker's servers by URL.
#[derive(Debug)]
pub struct Origins {
    transports: RefCell<Recent<TransportId, Arc<Transport>>>,
    endpoints: RefCell<Recent<(TransportId, Box<str>), Arc<Endpoint>>>,
}

/// Why a server cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// Its URL.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The way to connect to it.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl Default for Origins {
    fn default() -> Self {
        Self {
            transports: RefCell::new(Recent::new(TRANSPORTS_MAX)),
            endpoints: RefCell::new(Recent::new(ORIGINS_MAX)),
        }
    }
}

impl Origins {
    /// The server at the beginning of a URL, such as `https://a.example:8443`. `build` is called
    /// for a way to connect that is not known yet.
    ///
    /// # Errors
    /// When the URL is wrong, or there is no such way.
    pub fn endpoint(
        &self,
        id: TransportId,
        origin: &str,
        build: impl FnOnce() -> Result<Transport, TransportError>,
    ) -> Result<Arc<Endpoint>, OriginError> {
        let key = (id, Box::from(origin));
        if let Some(known) = self.endpoints.borrow_mut().get(&key) {
            return Ok(known);
        }
        let known = self.transports.borrow_mut().get(&id);
        let transport = match known {
            Some(known) => known,
            None => {
                let built = Arc::new(build()?);
                self.transports.borrow_mut().insert(id, Arc::clone(&built));
                built
            }
        };
        let endpoint = Arc::new(Endpoint::parse(origin, transport)?);
        self.endpoints.borrow_mut().insert(key, Arc::clone(&endpoint));
        Ok(endpoint)
    }
}

/// A map that forgets what was asked for the longest time ago.
#[derive(Debug)]
struct Recent<K, V> {
    max: usize,
    clock: u64,
    entries: HashMap<K, (u64, V)>,
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    fn new(max: usize) -> Self {
        Self { max, clock: 0, entries: HashMap::new() }
    }

    fn get(&mut self, key: &K) -> Option<V> {
        self.clock += 1;
        let (used, value) = self.entries.get_mut(key)?;
        *used = self.clock;
        Some(value.clone())
    }

    fn insert(&mut self, key: K, value: V) {
        if self.entries.len() >= self.max {
            let oldest = self.entries.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.entries.remove(&oldest);
            }
        }
        self.clock += 1;
        self.entries.insert(key, (self.clock, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_server_is_the_same_endpoint_until_it_is_forgotten() {
        let origins = Origins::default();
        let endpoint = |id: u8, origin: &str| {
            origins.endpoint([id; 32], origin, || Ok(Transport::default())).unwrap()
        };
        let first = endpoint(0, "http://a.test");
        assert!(Arc::ptr_eq(&first, &endpoint(0, "http://a.test")));
        assert!(!Arc::ptr_eq(&first, &endpoint(1, "http://a.test")));
        assert!(!Arc::ptr_eq(&first, &endpoint(0, "https://a.test")));
        assert!(Arc::ptr_eq(first.transport(), endpoint(0, "http://b.test").transport()));
        for port in 0..ORIGINS_MAX {
            endpoint(0, &format!("http://c.test:{port}"));
            assert!(origins.endpoints.borrow().entries.len() <= ORIGINS_MAX);
        }
        assert!(!Arc::ptr_eq(&first, &endpoint(0, "http://a.test")));
        let wrong = origins.endpoint([0; 32], "ftp://a", || Ok(Transport::default()));
        assert!(matches!(wrong, Err(OriginError::Endpoint(_))));
    }
}
