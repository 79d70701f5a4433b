//! Files become one configuration: a name belongs to the first file that defines it, as in Traefik.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::Parsed;
use crate::model::{Diagnostic, Dynamic};

/// One configuration of all files in their order, with a warning for each element that is passed
/// over.
pub(super) fn gather(files: &[(PathBuf, Parsed)]) -> (Dynamic, Vec<Diagnostic>) {
    if let [(_, only)] = files {
        return (Dynamic::clone(&only.dynamic), Vec::new());
    }
    let mut all = Gathering::default();
    let mut to = Dynamic::default();
    for (path, file) in files {
        let from = &*file.dynamic;
        all.path = Some(path);
        all.add("http.routers", &mut to.http.routers, &from.http.routers);
        all.add("http.services", &mut to.http.services, &from.http.services);
        all.add("http.middlewares", &mut to.http.middlewares, &from.http.middlewares);
        let transports = (&mut to.http.servers_transports, &from.http.servers_transports);
        all.add("http.serversTransports", transports.0, transports.1);
        for (kind, to, from) in [("tcp", &mut to.tcp, &from.tcp), ("udp", &mut to.udp, &from.udp)] {
            for (section, elements) in from {
                let to = to.entry(section.clone()).or_default();
                all.add(&format!("{kind}.{section}"), to, elements);
            }
        }
        for certificate in &from.tls.certificates {
            if !to.tls.certificates.contains(certificate) {
                to.tls.certificates.push(certificate.clone());
            }
        }
        all.add("tls.options", &mut to.tls.options, &from.tls.options);
        all.add("tls.stores", &mut to.tls.stores, &from.tls.stores);
    }
    (to, all.warnings)
}

#[derive(Default)]
struct Gathering<'a> {
    /// The file that is being added.
    path: Option<&'a Path>,
    /// Who defined an element first, by its path.
    owners: HashMap<String, &'a Path>,
    warnings: Vec<Diagnostic>,
}

impl Gathering<'_> {
    fn add<T: Clone>(
        &mut self,
        section: &str,
        to: &mut BTreeMap<String, T>,
        from: &BTreeMap<String, T>,
    ) {
        for (name, element) in from {
            let element_path = format!("{section}.{name}");
            if let Some(owner) = self.owners.get(&element_path) {
                let reason = format!("passed over: {} defines it already", owner.display());
                let source = self.path.map(|path| path.display().to_string());
                let warning = Diagnostic::warning(element_path, reason);
                self.warnings.push(Diagnostic { source, ..warning });
                continue;
            }
            self.owners.extend(self.path.map(|path| (element_path, path)));
            to.insert(name.clone(), element.clone());
        }
    }
}
