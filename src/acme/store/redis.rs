//! Redis as the place that replicas share.
//!
//! One replica leads while its mark is there; what is kept is written only together with a look at
//! the mark, so that one that has lost the lead cannot overwrite what its successor has kept. Must
//! not know Redis's protocol.

use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{Kept, Shared, Store, StoreError};
use crate::config::RedisStorage;
use crate::lua::{
    Connected, Destination, Dial, Redis, RedisError, RedisSettings, RedisTimeouts, Reply,
};
use crate::message::LocalFuture;
use crate::model::TcpTransportTls;
use crate::outbound;

/// Why Redis does not keep or give something.
#[derive(Debug, thiserror::Error)]
pub(in crate::acme) enum RedisStoreError {
    /// Redis, or the way to it.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// What is there is not of this kind. It is not shown, since it may be keys.
    #[error("what is kept in {key} cannot be read; it is left as it is")]
    Corrupt {
        /// The key.
        key: String,
    },
    /// Another replica leads.
    #[error("another replica leads, so that nothing is written")]
    NotLeading,
    /// What is to be kept cannot be written down.
    #[error("what is to be kept cannot be written down")]
    Encode,
}

/// Keys of one Redis.
#[derive(Debug)]
pub(in crate::acme) struct RedisStore {
    redis: Redis,
    prefix: String,
    /// What tells this replica from all others.
    mark: String,
}

/// How long a replica leads that gives no sign of life any more.
const LEAD: Duration = Duration::from_secs(10);
const TIMEOUTS: RedisTimeouts = RedisTimeouts {
    dial: Duration::from_secs(5),
    read: Duration::from_secs(3),
    write: Duration::from_secs(3),
};

/// Takes the mark or keeps it: the key; the mark, milliseconds.
const TAKE: &str = "local held = redis.call('GET', KEYS[1]) \
    if held and held ~= ARGV[1] then return 0 end \
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1";
/// Gives the mark up: the key; the mark.
const GIVE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
    redis.call('DEL', KEYS[1]) end return 1";
/// Keeps something if the mark is ours: the keys of mark, text and version; the mark, the text.
const KEEP: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
    redis.call('SET', KEYS[2], ARGV[2]) redis.call('INCR', KEYS[3]) return 1";

impl RedisStore {
    pub(in crate::acme) fn new(options: &RedisStorage) -> Self {
        let tls = options.tls.as_ref().map(|tls| TcpTransportTls {
            insecure_skip_verify: tls.insecure_skip_verify,
            root_cas: Some(tls.ca.clone()).filter(|ca| !ca.is_empty()).into_iter().collect(),
            ..TcpTransportTls::default()
        });
        let settings = RedisSettings {
            destinations: vec![Destination { address: options.endpoint.clone(), tls }],
            username: options.username.clone(),
            password: options.password.clone(),
            database: options.db,
            timeouts: TIMEOUTS,
            idle_min: 1,
        };
        let mut bytes = [0; 16];
        // The process tells replicas of one machine apart where there is no randomness.
        let _ = SystemRandom::new().fill(&mut bytes);
        let mark = HEXLOWER.encode(&bytes);
        let mark = format!("{mark}-{}", std::process::id());
        Self { redis: Redis::alone(settings), prefix: options.prefix.clone(), mark }
    }

    /// A key of a resolver; in a cluster all of them are in one place.
    fn key(&self, resolver: &str, what: &str) -> String {
        format!("{{{}/{resolver}}}/{what}", self.prefix)
    }

    fn proof_key(&self, name: &str) -> String {
        format!("{}/proofs/{name}", self.prefix)
    }

    async fn ask(&self, key: &str, words: &[&str]) -> Result<Reply, RedisStoreError> {
        let command: Vec<Bytes> =
            words.iter().map(|word| Bytes::copy_from_slice(word.as_bytes())).collect();
        Ok(self.redis.ask(&Way, Some(key.as_bytes()), &command).await?)
    }

    async fn text(&self, key: &str) -> Result<Option<Bytes>, RedisStoreError> {
        match self.ask(key, &["GET", key]).await? {
            Reply::Text(text) => Ok(Some(text)),
            Reply::Nil => Ok(None),
            _ => Err(RedisStoreError::Corrupt { key: key.to_owned() }),
        }
    }

    async fn kept(&self, resolver: &str) -> Result<Kept, RedisStoreError> {
        let key = self.key(resolver, "kept");
        let Some(text) = self.text(&key).await? else { return Ok(Kept::default()) };
        serde_json::from_slice(&text).map_err(|_| RedisStoreError::Corrupt { key })
    }

    async fn keep(&self, resolver: &str, kept: &Kept) -> Result<(), RedisStoreError> {
        let text = serde_json::to_string(kept).map_err(|_| RedisStoreError::Encode)?;
        let [mark, kept, version] =
            ["leader", "kept", "version"].map(|what| self.key(resolver, what));
        let words = ["EVAL", KEEP, "3", &mark, &kept, &version, &self.mark, &text];
        match self.ask(&mark, &words).await? {
            Reply::Number(1) => Ok(()),
            _ => Err(RedisStoreError::NotLeading),
        }
    }
}

impl Store for RedisStore {
    fn load<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, Result<Kept, StoreError>> {
        Box::pin(async move { Ok(self.kept(resolver).await?) })
    }

    fn save<'a>(
        &'a self,
        resolver: &'a str,
        kept: Kept,
    ) -> LocalFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { Ok(self.keep(resolver, &kept).await?) })
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }
}

impl Shared for RedisStore {
    fn lead<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let (key, lifetime) = (self.key(resolver, "leader"), LEAD.as_millis().to_string());
            let words = ["EVAL", TAKE, "1", &key, &self.mark, &lifetime];
            Ok(self.ask(&key, &words).await? == Reply::Number(1))
        })
    }

    fn resign<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, ()> {
        Box::pin(async move {
            let key = self.key(resolver, "leader");
            // Others wait for the mark to end, if this fails.
            let _ = self.ask(&key, &["EVAL", GIVE, "1", &key, &self.mark]).await;
        })
    }

    fn version<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let text = self.text(&self.key(resolver, "version")).await?;
            let number = text.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
            Ok(number.unwrap_or_default())
        })
    }

    fn share_proof<'a>(
        &'a self,
        name: &'a str,
        text: &'a str,
        lifetime: Duration,
    ) -> LocalFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let (key, lifetime) = (self.proof_key(name), lifetime.as_millis().to_string());
            self.ask(&key, &["SET", &key, text, "PX", &lifetime]).await?;
            Ok(())
        })
    }

    fn proof<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<Option<String>, StoreError>> {
        Box::pin(async move {
            let text = self.text(&self.proof_key(name)).await?;
            Ok(text.and_then(|text| String::from_utf8(text.to_vec()).ok()))
        })
    }

    fn end_proof<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let key = self.proof_key(name);
            self.ask(&key, &["DEL", &key]).await?;
            Ok(())
        })
    }
}

/// Opens connections.
struct Way;

impl Dial for Way {
    fn dial(&self, to: &Destination) -> LocalFuture<'static, Connected> {
        outbound::connect(to)
    }
}
