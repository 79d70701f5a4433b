//! Whether a TCP server is well: it takes a connection, and answers as it should.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Member;
use crate::upstream::{ConnectError, TcpEndpoint};

/// The check of one service's servers; carried out as long as it is the same allocation.
#[derive(Debug)]
pub struct TcpCheck {
    /// The service, `name@provider`.
    pub service: Arc<str>,
    /// How each server is asked.
    pub plan: TcpPlan,
    /// The servers.
    pub targets: Vec<TcpTarget>,
}

/// How servers are asked.
#[derive(Debug, Clone, Default)]
pub struct TcpPlan {
    /// What is sent.
    pub send: Vec<u8>,
    /// What must come back.
    pub expect: Vec<u8>,
    /// From the answer of a server that is up to its next question.
    pub interval: Duration,
    /// The same for a server that is down.
    pub unhealthy_interval: Duration,
    /// For an answer.
    pub timeout: Duration,
}

/// A server that is asked.
#[derive(Debug)]
pub struct TcpTarget {
    /// The server's address as configured, for the log.
    pub address: Arc<str>,
    /// Where it is asked, which may be another port than connections go to.
    pub endpoint: Arc<TcpEndpoint>,
    /// Where the finding is noted.
    pub member: Arc<Member>,
}

/// Why a server is not well.
#[derive(Debug, thiserror::Error)]
pub enum TcpProbeError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It ended the connection.
    #[error("the connection ended: {0}")]
    Ended(#[from] std::io::Error),
    /// Another answer than wanted.
    #[error("it answered {0:?}")]
    Answer(String),
}

impl TcpPlan {
    /// Asks a server; no error means that it is well.
    ///
    /// # Errors
    /// When there is no connection or another answer than wanted.
    pub(in crate::service) async fn ask(&self, target: &TcpTarget) -> Result<(), TcpProbeError> {
        let mut stream = target.endpoint.connect(None).await?;
        if !self.send.is_empty() {
            stream.write_all(&self.send).await?;
            stream.flush().await?;
        }
        let mut answer = vec![0; self.expect.len()];
        stream.read_exact(&mut answer).await?;
        if answer == self.expect {
            return Ok(());
        }
        Err(TcpProbeError::Answer(answer.escape_ascii().to_string()))
    }
}
