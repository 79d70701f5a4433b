//! Secrets of a Kubernetes cluster as the place that replicas share.
//!
//! Each certificate is a Secret of its own, of the type that other programs know as well; account
//! and pending records are one more, and so is each proof for as long as it is shown. A Lease says
//! who leads. Must not know what is watched by providers.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use hashbrown::HashMap;
use k8s_openapi::ByteString;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use ring::digest::{SHA256, digest};
use tokio::sync::Mutex;

use super::{Issued, Kept, Shared, Store, StoreError};
use crate::config::KubernetesStorage;
use crate::message::LocalFuture;
use crate::model::Certificate;
use crate::provider::{Candidate, ConnectError, Connection, identity};

/// Why Secrets do not keep or give something.
#[derive(Debug, thiserror::Error)]
pub(in crate::acme) enum KubernetesStoreError {
    /// The cluster is not known.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The API, or the way to it.
    #[error(transparent)]
    Api(#[from] kube::Error),
    /// What is there is not of this kind. It is not shown, since it may be keys.
    #[error("what is kept in the Secret {name} cannot be read; it is left as it is")]
    Corrupt {
        /// The Secret.
        name: String,
    },
    /// What is to be kept cannot be written down.
    #[error("what is to be kept cannot be written down")]
    Encode,
    /// Another replica leads.
    #[error("another replica leads, so that nothing is written")]
    NotLeading,
}

/// Secrets of one namespace.
pub(in crate::acme) struct KubernetesStore {
    secrets: Api<Secret>,
    leases: Api<Lease>,
    prefix: String,
    identity: String,
    /// Who takes part in the choice, by resolver, and whether it was chosen.
    candidates: Mutex<HashMap<String, (Candidate, bool)>>,
    /// The certificates that are written already, by the names of their Secrets.
    written: Mutex<HashMap<String, Arc<Certificate>>>,
}

impl std::fmt::Debug for KubernetesStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubernetesStore").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// The label that all Secrets of a resolver have.
const RESOLVER: &str = "moongate.io/acme-resolver";
/// The label of proofs.
const PROOF: &str = "moongate.io/acme-proof";
/// Where the names of a certificate are written.
const NAMES: &str = "moongate.io/acme-names";
/// The keys of Secrets of the type `kubernetes.io/tls`, and of ours.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const KEPT: &str = "kept";
const TEXT: &str = "text";
const UNTIL: &str = "until";

impl KubernetesStore {
    pub(in crate::acme) async fn open(
        options: &KubernetesStorage,
    ) -> Result<Self, KubernetesStoreError> {
        let connection = Connection {
            endpoint: options.endpoint.clone(),
            token: options.token.clone(),
            authorities: options.cert_auth_file_path.clone(),
            namespaces: Vec::new(),
            is_cluster_wide: false,
        };
        let client = connection.client().await?;
        let (secrets, leases) = match options.namespace.as_str() {
            "" => (Api::default_namespaced(client.clone()), Api::default_namespaced(client)),
            name => (Api::namespaced(client.clone(), name), Api::namespaced(client, name)),
        };
        Ok(Self {
            secrets,
            leases,
            prefix: options.prefix.clone(),
            identity: identity(),
            candidates: Mutex::default(),
            written: Mutex::default(),
        })
    }

    /// The name of an object: names of resolvers may hold what those of objects may not.
    fn name(&self, parts: &[&str]) -> String {
        format!("{}-{}", self.prefix, hash(&parts.join("\n")))
    }

    async fn kept(&self, resolver: &str) -> Result<Kept, KubernetesStoreError> {
        let name = self.name(&[resolver]);
        let corrupt = |name: &str| KubernetesStoreError::Corrupt { name: name.to_owned() };
        let mut kept = match self.secrets.get_opt(&name).await? {
            None => Kept::default(),
            Some(secret) => {
                let text = value(&secret, KEPT).ok_or_else(|| corrupt(&name))?;
                serde_json::from_str(&text).map_err(|_| corrupt(&name))?
            }
        };
        let mut written = self.written.lock().await;
        for secret in self.secrets.list(&of_resolver(resolver)).await? {
            let name = secret.metadata.name.clone().unwrap_or_default();
            let annotations = secret.metadata.annotations.as_ref();
            let Some(names) = annotations.and_then(|all| all.get(NAMES)) else { continue };
            let names: Vec<String> = names.split(',').map(str::to_owned).collect();
            let pair = value(&secret, CERTIFICATE).zip(value(&secret, KEY));
            let (cert_file, key_file) = pair.ok_or_else(|| corrupt(&name))?;
            let pair = Certificate { cert_file, key_file, stores: Vec::new() };
            // What is as it was stays the same allocation.
            let known = written.get(&name).filter(|known| ***known == pair).cloned();
            let pair = known.unwrap_or_else(|| Arc::new(pair));
            written.insert(name, Arc::clone(&pair));
            let (domain, store) = (super::Domain::of(&names), "default".to_owned());
            kept.certificates.push(Issued { domain, pair, store });
        }
        Ok(kept)
    }

    async fn keep(&self, resolver: &str, mut kept: Kept) -> Result<(), KubernetesStoreError> {
        let leads = self.candidates.lock().await.get(resolver).is_some_and(|(_, leads)| *leads);
        if !leads {
            return Err(KubernetesStoreError::NotLeading);
        }
        let mut written = self.written.lock().await;
        for issued in std::mem::take(&mut kept.certificates) {
            let names: Vec<&str> = issued.domain.names().map(String::as_str).collect();
            let name = self.name(&[&[resolver], &names[..]].concat());
            if written.get(&name).is_some_and(|known| Arc::ptr_eq(known, &issued.pair)) {
                continue;
            }
            let mut object = secret(&name, resolver);
            object.type_ = Some("kubernetes.io/tls".to_owned());
            let names = BTreeMap::from([(NAMES.to_owned(), names.join(","))]);
            object.metadata.annotations = Some(names);
            object.data = Some(BTreeMap::from([
                (CERTIFICATE.to_owned(), bytes(&issued.pair.cert_file)),
                (KEY.to_owned(), bytes(&issued.pair.key_file)),
            ]));
            self.apply(&name, &object).await?;
            written.insert(name, issued.pair);
        }
        let name = self.name(&[resolver]);
        let text = serde_json::to_string(&kept).map_err(|_| KubernetesStoreError::Encode)?;
        let mut object = secret(&name, resolver);
        object.data = Some(BTreeMap::from([(KEPT.to_owned(), bytes(&text))]));
        self.apply(&name, &object).await
    }

    async fn apply(&self, name: &str, secret: &Secret) -> Result<(), KubernetesStoreError> {
        let params = PatchParams::apply("moongate").force();
        self.secrets.patch(name, &params, &Patch::Apply(secret)).await?;
        Ok(())
    }

    /// Changes when a Secret of a resolver does.
    async fn state(&self, resolver: &str) -> Result<u64, KubernetesStoreError> {
        let all = self.secrets.list_metadata(&of_resolver(resolver)).await?;
        let state = foldhash::fast::FixedState::default();
        let of_one = |metadata: &ObjectMeta| {
            let mut hasher = state.build_hasher();
            hasher.write(metadata.name.as_deref().unwrap_or_default().as_bytes());
            hasher.write(metadata.resource_version.as_deref().unwrap_or_default().as_bytes());
            hasher.finish()
        };
        // In whatever order they come.
        Ok(all.items.iter().fold(1, |sum, one| sum.wrapping_add(of_one(&one.metadata))))
    }

    async fn try_lead(&self, resolver: &str) -> Result<bool, KubernetesStoreError> {
        let mut candidates = self.candidates.lock().await;
        let (candidate, leads) = candidates.entry_ref(resolver).or_insert_with(|| {
            let name = self.name(&[resolver]);
            (Candidate::of(self.leases.clone(), &name, self.identity.clone()), false)
        });
        *leads = false;
        *leads = match candidate.renew().await {
            Ok(leads) => leads,
            // Somebody else was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => false,
            Err(error) => return Err(error.into()),
        };
        Ok(*leads)
    }

    async fn share(
        &self,
        name: &str,
        text: &str,
        lifetime: Duration,
    ) -> Result<(), KubernetesStoreError> {
        self.forget_old_proofs().await?;
        let object = self.name(&["proof", name]);
        let labels = BTreeMap::from([(PROOF.to_owned(), "true".to_owned())]);
        let metadata =
            ObjectMeta { name: Some(object.clone()), labels: Some(labels), ..Default::default() };
        let until = (now() + lifetime.as_secs()).to_string();
        let data =
            BTreeMap::from([(TEXT.to_owned(), bytes(text)), (UNTIL.to_owned(), bytes(&until))]);
        self.apply(&object, &Secret { metadata, data: Some(data), ..Secret::default() }).await
    }

    /// Takes away proofs that a replica which has ended has left behind.
    async fn forget_old_proofs(&self) -> Result<(), KubernetesStoreError> {
        for secret in self.secrets.list(&ListParams::default().labels(PROOF)).await? {
            let until = value(&secret, UNTIL).and_then(|until| until.parse::<u64>().ok());
            if let (Some(name), true) = (&secret.metadata.name, until.is_none_or(|u| u < now())) {
                self.delete(name).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<(), KubernetesStoreError> {
        match self.secrets.delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Store for KubernetesStore {
    fn load<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, Result<Kept, StoreError>> {
        Box::pin(async move { Ok(self.kept(resolver).await?) })
    }

    fn save<'a>(
        &'a self,
        resolver: &'a str,
        kept: Kept,
    ) -> LocalFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { Ok(self.keep(resolver, kept).await?) })
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }
}

impl Shared for KubernetesStore {
    fn lead<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.try_lead(resolver).await?) })
    }

    fn resign<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, ()> {
        Box::pin(async move {
            if let Some((candidate, _)) = self.candidates.lock().await.remove(resolver) {
                // Others wait for the Lease to end, if this fails.
                let _ = candidate.release().await;
            }
        })
    }

    fn version<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move { Ok(self.state(resolver).await?) })
    }

    fn share_proof<'a>(
        &'a self,
        name: &'a str,
        text: &'a str,
        lifetime: Duration,
    ) -> LocalFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { Ok(self.share(name, text, lifetime).await?) })
    }

    fn proof<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<Option<String>, StoreError>> {
        Box::pin(async move {
            let found = self.secrets.get_opt(&self.name(&["proof", name])).await;
            let found = found.map_err(KubernetesStoreError::from)?;
            Ok(found.and_then(|secret| value(&secret, TEXT)))
        })
    }

    fn end_proof<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { Ok(self.delete(&self.name(&["proof", name])).await?) })
    }
}

/// A Secret of a resolver, with nothing in it.
fn secret(name: &str, resolver: &str) -> Secret {
    let labels = BTreeMap::from([(RESOLVER.to_owned(), hash(resolver))]);
    let metadata =
        ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..Default::default() };
    Secret { metadata, ..Secret::default() }
}

fn of_resolver(resolver: &str) -> ListParams {
    ListParams::default().labels(&format!("{RESOLVER}={}", hash(resolver)))
}

fn bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}

fn value(secret: &Secret, key: &str) -> Option<String> {
    let value = secret.data.as_ref()?.get(key)?;
    String::from_utf8(value.0.clone()).ok()
}

/// Text as a part of an object's name.
fn hash(text: &str) -> String {
    let mut digits = HEXLOWER.encode(digest(&SHA256, text.as_bytes()).as_ref());
    digits.truncate(16);
    digits
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
