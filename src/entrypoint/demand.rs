//! Handshakes that wait for a certificate which is being got.
//!
//! Only a name without a certificate comes as far as asking; all others cost one look-up, and that
//! only where certificates are had on demand.

use std::time::Duration;

use super::worker::Shared;
use crate::tls::Demands;

/// How often it is looked whether a certificate that has come is served.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits until there is a certificate for a name, it is known that there will be none, or the time
/// for it is over.
pub(super) async fn certificate(worker: &Shared, place: usize, demands: &dyn Demands, name: &str) {
    // Options that cannot be used fail the handshake, whatever certificate there is.
    let is_there =
        || worker.tls_options(place, Some(name)).is_none_or(|options| options.holds(name));
    if is_there() {
        return;
    }
    let Some(demand) = demands.ask(name) else { return };
    let served = async {
        if demand.come.await {
            while !is_there() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    };
    // Past its time the handshake has the default certificate, as without all of this.
    let _ = tokio::time::timeout(demand.wait, served).await;
}
