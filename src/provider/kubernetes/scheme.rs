//! The scheme that servers are spoken to with.

use super::error::ObjectError;

/// The one given, else what the Service's port tells.
///
/// # Errors
/// When the one given is none that servers are spoken to with.
pub(super) fn scheme<'a>(given: &'a str, name: &str, port: u16) -> Result<&'a str, ObjectError> {
    match given {
        "http" | "https" | "h2c" => Ok(given),
        "" if port == 443 || name.starts_with("https") => Ok("https"),
        "" => Ok("http"),
        other => Err(ObjectError::Scheme(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_tell_the_scheme() {
        for (given, name, port, expect) in [
            ("", "web", 80, Some("http")),
            ("", "web", 443, Some("https")),
            ("", "https-main", 8443, Some("https")),
            ("", "xhttps", 8443, Some("http")),
            ("http", "https", 443, Some("http")),
            ("h2c", "web", 80, Some("h2c")),
            ("ftp", "web", 80, None),
        ] {
            assert_eq!(scheme(given, name, port).ok(), expect, "{given} {name} {port}");
        }
    }
}
