//! Pages of an entrypoint in the place of Moongate's own plain answers.
//!
//! Must not know how pages are configured.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use crate::lua::InstanceId;
use crate::message::Failure;

/// The pages of one entrypoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// Where no router matches.
    pub no_router: Option<Page>,
    /// Where a service has no server to send the request to.
    pub no_server: Option<Page>,
    /// Where anything else fails.
    pub error: Option<Page>,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The status; none means the failure's own.
    pub status: Option<StatusCode>,
    /// What is sent.
    pub content: Content,
}

/// What a page sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// This text.
    Text {
        /// The body.
        body: Bytes,
        /// Its type.
        kind: HeaderValue,
    },
    /// What a script makes of the plain answer.
    Script(InstanceId),
}

impl Answers {
    /// The page for a failure, if there is one.
    #[must_use]
    pub fn page(&self, failure: &Failure) -> Option<&Page> {
        match failure {
            Failure::NoRouter => self.no_router.as_ref(),
            Failure::NoServer => self.no_server.as_ref(),
            // Nobody is left to read it.
            Failure::ClientGone => None,
            _ => self.error.as_ref(),
        }
    }

    /// Whether a script makes any of the pages, so that it must see the request.
    #[must_use]
    pub fn runs_scripts(&self) -> bool {
        let pages = [&self.no_router, &self.no_server, &self.error];
        pages.into_iter().flatten().any(|page| matches!(page.content, Content::Script(_)))
    }
}
