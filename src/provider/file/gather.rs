//! Files become one configuration: a name belongs to the first file that defines it, as in Traefik.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Parsed;
use crate::model::{Diagnostic, Dynamic};

/// One configuration of all files in their order, with a warning for each element that is passed
/// over.
pub(super) fn gather(files: &[(PathBuf, Parsed)]) -> (Dynamic, Vec<Diagnostic>) {
    if let [(_, only)] = files {
        return (Dynamic::clone(&only.dynamic), Vec::new());
    }
    let mut all = Dynamic::default();
    let mut warnings = Vec::new();
    for (path, file) in files {
        let from = &*file.dynamic;
        let mut gathering = Gathering { files, path, from, warnings: &mut warnings };
        gathering.add("http.routers", &mut all.http.routers, |d| Some(&d.http.routers));
        gathering.add("http.services", &mut all.http.services, |d| Some(&d.http.services));
        gathering.add("http.middlewares", &mut all.http.middlewares, |d| Some(&d.http.middlewares));
        let transports = &mut all.http.servers_transports;
        gathering.add("http.serversTransports", transports, |d| Some(&d.http.servers_transports));
        gathering.streams(&mut all);
        gathering.add("tls.options", &mut all.tls.options, |d| Some(&d.tls.options));
        gathering.add("tls.stores", &mut all.tls.stores, |d| Some(&d.tls.stores));
        for certificate in &from.tls.certificates {
            if !all.tls.certificates.contains(certificate) {
                all.tls.certificates.push(certificate.clone());
            }
        }
    }
    (all, warnings)
}

/// One file on its way into the whole.
struct Gathering<'a> {
    files: &'a [(PathBuf, Parsed)],
    path: &'a Path,
    from: &'a Dynamic,
    warnings: &'a mut Vec<Diagnostic>,
}

impl Gathering<'_> {
    fn add<T: Clone>(
        &mut self,
        section: &str,
        to: &mut BTreeMap<String, T>,
        select: impl Fn(&Dynamic) -> Option<&BTreeMap<String, T>>,
    ) {
        for (name, element) in select(self.from).into_iter().flatten() {
            if !to.contains_key(name) {
                to.insert(name.clone(), element.clone());
                continue;
            }
            let defines = |file: &&(PathBuf, Parsed)| {
                select(&file.1.dynamic).is_some_and(|elements| elements.contains_key(name))
            };
            let owner = self.files.iter().find(defines).map_or(self.path, |(path, _)| path);
            let reason = format!("passed over: {} defines it already", owner.display());
            let source = Some(self.path.display().to_string());
            let warning = Diagnostic::warning(format!("{section}.{name}"), reason);
            self.warnings.push(Diagnostic { source, ..warning });
        }
    }

    fn streams(&mut self, all: &mut Dynamic) {
        self.add("tcp.routers", &mut all.tcp.routers, |d| Some(&d.tcp.routers));
        self.add("tcp.services", &mut all.tcp.services, |d| Some(&d.tcp.services));
        self.add("tcp.middlewares", &mut all.tcp.middlewares, |d| Some(&d.tcp.middlewares));
        let transports = &mut all.tcp.servers_transports;
        self.add("tcp.serversTransports", transports, |d| Some(&d.tcp.servers_transports));
        self.add("udp.routers", &mut all.udp.routers, |d| Some(&d.udp.routers));
        self.add("udp.services", &mut all.udp.services, |d| Some(&d.udp.services));
    }
}
