//! `sticky`: the cookie that names a member.

use std::sync::Arc;

use super::Work;
use crate::model;
use crate::service::Sticky;

impl Work<'_> {
    /// The cookie of a service for its members by name and weight, if it has one.
    pub(super) fn sticky(
        &mut self,
        name: &str,
        options: Option<&model::Sticky>,
        members: &[(&str, u32)],
    ) -> Result<Option<Arc<Sticky>>, String> {
        let Some(cookie) = options.and_then(|options| options.cookie.as_ref()) else {
            return Ok(None);
        };
        let known = ["", "none", "lax", "strict"];
        if !known.iter().any(|known| known.eq_ignore_ascii_case(&cookie.same_site)) {
            let text = "is none of none, lax, strict; the browser decides";
            self.warnings.push(format!("sticky.cookie.sameSite: {:?} {text}", cookie.same_site));
        }
        let sticky = Sticky::new(name, cookie, members).map_err(|error| error.to_string())?;
        Ok(Some(Arc::new(sticky)))
    }
}
