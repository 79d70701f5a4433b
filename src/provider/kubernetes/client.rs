//! The connection to the cluster's API.
//!
//! In the cluster it is the account of the pod, else the file of `KUBECONFIG`, else what the
//! options say, in this order as in Traefik. Tokens in files are read again as they change.

use std::path::{Path, PathBuf};
use std::{env, fs};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::error::ConnectError;
use crate::config::Token;

/// What two providers must have in common to share what they know of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The URL of the API; empty means that of the surroundings.
    pub endpoint: String,
    /// A bearer token, or the path of a file that holds one.
    pub token: Token,
    /// The path of the authorities that the API's certificate must come from.
    pub authorities: String,
    /// The namespaces that are looked at; none means all.
    pub namespaces: Vec<String>,
    /// Whether objects without a namespace are looked at.
    pub is_cluster_wide: bool,
}

impl Connection {
    /// A client, which connects with its first request.
    ///
    /// # Errors
    /// When it is not said where the cluster is, or what is said cannot be used.
    pub async fn client(&self) -> Result<Client, ConnectError> {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let mut config = if is_set("KUBERNETES_SERVICE_HOST") && is_set("KUBERNETES_SERVICE_PORT") {
            let mut config = Config::incluster()?;
            if !self.endpoint.is_empty() {
                config.cluster_url = self.url()?;
            }
            config
        } else if is_set("KUBECONFIG") {
            let file = Kubeconfig::from_env()?.unwrap_or_default();
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
        } else {
            self.external()?
        };
        config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(AGENT)));
        Ok(Client::try_from(config)?)
    }

    /// As the options alone say.
    fn external(&self) -> Result<Config, ConnectError> {
        if self.endpoint.is_empty() {
            return Err(ConnectError::NoEndpoint);
        }
        let mut config = Config::new(self.url()?);
        let token = self.token.0.trim();
        if Path::new(token).is_file() {
            config.auth_info.token_file = Some(token.to_owned());
        } else if !token.is_empty() {
            config.auth_info.token = Some(token.to_owned().into());
        }
        if !self.authorities.is_empty() {
            let path = PathBuf::from(&self.authorities);
            // It is told at once that it cannot be read, not with the first request.
            if let Err(cause) = fs::metadata(&path) {
                return Err(ConnectError::File { option: "certAuthFilePath", path, cause });
            }
            config.root_cert_file = Some(path);
        }
        Ok(config)
    }

    fn url(&self) -> Result<http::Uri, ConnectError> {
        self.endpoint.parse().map_err(|_| ConnectError::Endpoint(self.endpoint.clone()))
    }
}

/// How the API knows who asks.
const AGENT: &str = concat!("moongate/", env!("CARGO_PKG_VERSION"));
