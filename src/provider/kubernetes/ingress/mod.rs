//! Ingress objects become a configuration.

use std::collections::BTreeMap;

use kube::api::DynamicObject;

use super::objects::{Watched, annotations};

/// An Ingress.
#[derive(Debug, PartialEq)]
pub(super) struct Ingress {
    annotations: BTreeMap<String, String>,
}

impl Watched for Ingress {
    fn read(object: DynamicObject) -> Result<Self, String> {
        Ok(Self { annotations: annotations(&object) })
    }
}
