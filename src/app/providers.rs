//! The providers that the static configuration switches on.

use std::sync::Arc;

use crate::compile::{Kinds, Scripts};
use crate::config::Static;
use crate::model::Dynamic;
use crate::provider::{FileProvider, Kubernetes, Schemas};

/// The providers that are on, as the API names them.
pub(super) fn providers(plan: &Static) -> Vec<&'static str> {
    let providers = &plan.root.providers;
    let file = plan.file.as_ref().map(|_| "File");
    let crd = providers.kubernetes_crd.as_ref().map(|_| "KubernetesCRD");
    let script = providers.script.as_ref().map(|_| "Script");
    let ingress = providers.kubernetes_ingress.as_ref().map(|_| "KubernetesIngress");
    crd.into_iter().chain(file).chain(ingress).chain(script).collect()
}

/// Those of Kubernetes.
pub(super) fn kubernetes(plan: &Static, scripts: &Kinds) -> Kubernetes {
    let kinds = |scripts: &Scripts| {
        let kinds = scripts.kinds.iter();
        let read = kinds.filter_map(|(kind, script)| Some((kind, script.info.as_ref().ok()?)));
        read.map(|(kind, info)| (kind.clone(), Arc::clone(&info.schema))).collect()
    };
    let known = scripts.known();
    Kubernetes {
        crd: plan.root.providers.kubernetes_crd.clone(),
        ingress: plan.root.providers.kubernetes_ingress.clone(),
        old_syntax: plan.root.core.default_rule_syntax.is_empty(),
        schemas: Arc::new(Schemas::new(kinds(&known.http), kinds(&known.tcp))),
    }
}

/// Those of files and scripts; what they say is checked against the scripts there are at the time.
pub(super) fn file_providers(plan: &Static, kinds: &Arc<Kinds>) -> Vec<FileProvider> {
    let check = || {
        let kinds = Arc::clone(kinds);
        Arc::new(move |dynamic: &Dynamic| crate::compile::structure(dynamic, &kinds.known()))
    };
    let file = plan.file.as_ref().map(|options| FileProvider::new(options, check()));
    let script = plan.root.providers.script.as_ref();
    let script = script.map(|options| FileProvider::script(options, check()));
    file.into_iter().chain(script).collect()
}
