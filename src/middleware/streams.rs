//! Scripts in front of a TCP service: each looks at the connection once, in their order.

use std::rc::Rc;

use super::Instances;
use crate::lua::{Admittance, Context, InstanceId};
use crate::message::Exchange;

/// Asks all scripts whether a connection may go on; those after one that closes it are not asked.
/// What they hold for it is in the exchange.
pub async fn admit(
    instances: &Instances,
    steps: &[InstanceId],
    exchange: &Rc<Exchange>,
) -> Admittance {
    let mut shared = None;
    for id in steps {
        let Some(instance) = instances.get(id) else {
            tracing::error!("a script of this route is not loaded");
            return Admittance::Closed;
        };
        // There is no chain around a connection, so that they work in what is around their worker.
        let context = shared
            .get_or_insert_with(|| Rc::new(Context::new(Rc::clone(exchange), instance.outside())));
        if instance.stream(context).await == Admittance::Closed {
            return Admittance::Closed;
        }
    }
    Admittance::Granted
}
