//! Scripts in front of a TCP service: each looks at the connection once, in their order.

use std::rc::Rc;

use super::Instances;
use crate::lua::{
    Admittance, Connected, Context, Destination, FetchError, Host, HttpClient, InstanceId,
};
use crate::message::{Exchange, Failure, LocalFuture, Request, Response, rescue};

/// Asks all scripts whether a connection may go on; those after one that closes it are not asked.
/// What they hold for it is in the exchange.
pub async fn admit(
    instances: &Instances,
    steps: &[InstanceId],
    exchange: &Rc<Exchange>,
) -> Admittance {
    let context = Rc::new(Context::new(Rc::clone(exchange), Rc::new(Nobody)));
    for id in steps {
        let Some(instance) = instances.get(id) else {
            tracing::error!("a script of this route is not loaded");
            return Admittance::Closed;
        };
        if instance.stream(&context).await == Admittance::Closed {
            return Admittance::Closed;
        }
    }
    Admittance::Granted
}

/// There are no requests on the way of a connection.
struct Nobody;

impl Host for Nobody {
    fn next(&self, _position: usize, _request: Request) -> LocalFuture<'static, Response> {
        Box::pin(async { rescue(Failure::ClientGone) })
    }

    fn service(&self, _name: &str, _request: Request) -> Option<LocalFuture<'static, Response>> {
        None
    }

    fn fetch(
        &self,
        _client: &HttpClient,
        _origin: &str,
        _request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        let reason = "stream hooks cannot send requests yet".to_owned();
        Err(FetchError::Client { reason })
    }

    fn connect(&self, _to: &Destination) -> LocalFuture<'static, Connected> {
        let reason = "stream hooks cannot open connections yet".to_owned();
        Box::pin(async { Err(FetchError::Client { reason }) })
    }
}
