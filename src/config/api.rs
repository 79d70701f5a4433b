//! Options of the API and the dashboard.

use serde::{Deserialize, Serialize};

/// The API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Api {
    /// Served on the entrypoint `traefik` without a router of the user's.
    pub insecure: bool,
    /// Whether there is a dashboard.
    pub dashboard: bool,
    /// What the dashboard is called, for those who look at several.
    pub dashboard_name: String,
    /// Accepted, and told on: there is no advert.
    pub disable_dashboard_ad: bool,
    /// What stands in front of `/api` and `/dashboard` in paths.
    pub base_path: String,
    /// Whether figures of the process are at `/debug/vars`.
    pub debug: bool,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            insecure: false,
            dashboard: true,
            dashboard_name: String::new(),
            disable_dashboard_ad: false,
            base_path: "/".to_owned(),
            debug: false,
        }
    }
}

impl Api {
    /// What stands in front of `/api` and `/dashboard`, without a slash at its end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.base_path.trim_end_matches('/')
    }

    /// What is wrong with the base path, if anything.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let path = self.base_path.as_str();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        if !path.starts_with('/') {
            return Some("it must begin with a slash");
        }
        if path.contains("//") || path.split('/').any(|part| matches!(part, "." | "..")) {
            return Some("it must not hold empty segments, \".\" or \"..\"");
        }
        (!path.chars().all(is_plain)).then_some("only letters, digits, -, ., _ and ~ may be in it")
    }
}
