//! `admission@internal`: tells a Kubernetes API whether objects may be as they are.
//!
//! An API posts an `AdmissionReview` (`admission.k8s.io/v1`) and gets one back. Objects are checked
//! as `check` does. Must not know how they are checked, nor who listens.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::objects::{Checked, Objects};
use crate::message::{LocalFuture, Request, Response, plain};
use crate::model::{Diagnostic, Severity};
use crate::provider::Manifest;
use crate::service::Internal;

/// Bytes of a review: two objects, each of the size that a cluster's store takes.
const REVIEW_BYTES_MAX: usize = 8 << 20;
/// Warnings of an answer, and characters of one, which APIs limit.
const WARNINGS_MAX: usize = 20;
const WARNING_CHARACTERS_MAX: usize = 200;

/// The name of the service.
pub(super) const NAME: &str = "admission@internal";

/// The service.
#[derive(Debug)]
pub struct Admission {
    objects: Arc<Objects>,
    control: Handle,
}

/// Why a review is not answered with one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum ReviewError {
    #[error("a review is no JSON: {0}")]
    Json(String),
    #[error("expected an AdmissionReview of admission.k8s.io/v1 with a request and its uid")]
    Shape,
}

impl Admission {
    /// Answers by what `objects` finds, on the threads of `control`.
    #[must_use]
    pub fn new(objects: Objects, control: Handle) -> Arc<Self> {
        Arc::new(Self { objects: Arc::new(objects), control })
    }
}

impl Internal for Admission {
    fn serve(self: Arc<Self>, mut request: Request) -> LocalFuture<'static, Response> {
        Box::pin(async move {
            if request.method != Method::POST {
                return plain(StatusCode::METHOD_NOT_ALLOWED, "a review is posted");
            }
            let body = std::mem::take(&mut request.body).collect(REVIEW_BYTES_MAX).await;
            let Ok(body) = body else {
                return plain(StatusCode::PAYLOAD_TOO_LARGE, "the review is too large");
            };
            let objects = Arc::clone(&self.objects);
            // Reading scripts takes time that clients should not wait for.
            let work = self
                .control
                .spawn_blocking(move || review(&body, |manifests| objects.check(manifests)));
            match work.await {
                Ok(Ok(answer)) => respond(&answer),
                Ok(Err(error)) => plain(StatusCode::BAD_REQUEST, error.to_string()),
                Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "the webhook is stopping"),
            }
        })
    }
}

fn respond(answer: &Value) -> Response {
    let mut response = plain(StatusCode::OK, answer.to_string());
    let json = http::HeaderValue::from_static("application/json");
    response.headers.insert(http::header::CONTENT_TYPE, json);
    response
}

/// The answer to a review.
fn review(body: &Bytes, check: impl FnOnce(&[Manifest]) -> Checked) -> Result<Value, ReviewError> {
    let review: Value =
        serde_json::from_slice(body).map_err(|error| ReviewError::Json(error.to_string()))?;
    let is_review = review["apiVersion"] == API_VERSION && review["kind"] == KIND;
    let uid = review["request"]["uid"].as_str().filter(|uid| is_review && !uid.is_empty());
    let uid = uid.ok_or(ReviewError::Shape)?;
    let checked = match object(&review["request"]) {
        Some(object) => check(&[Manifest { source: String::new(), object }]),
        // What is deleted has no object.
        None => Checked::default(),
    };
    let errors: Vec<String> = checked.errors().map(Diagnostic::to_string).collect();
    let mut response = json!({"uid": uid, "allowed": errors.is_empty()});
    if !errors.is_empty() {
        let code = StatusCode::UNPROCESSABLE_ENTITY.as_u16();
        response["status"] =
            json!({"code": code, "reason": "Invalid", "message": errors.join("; ")});
    }
    let warnings = checked.findings.iter().filter(|found| found.severity == Severity::Warning);
    let warnings: Vec<String> = warnings
        .take(WARNINGS_MAX)
        .map(|warning| warning.to_string().chars().take(WARNING_CHARACTERS_MAX).collect())
        .collect();
    if !warnings.is_empty() {
        response["warnings"] = json!(warnings);
    }
    Ok(json!({"apiVersion": API_VERSION, "kind": KIND, "response": response}))
}

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// The object of a request, with the name and the namespace that it will have.
fn object(request: &Value) -> Option<Value> {
    let mut object = request.get("object").filter(|object| object.is_object())?.clone();
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut)?;
    for (field, instead) in [("name", "generateName"), ("namespace", "namespace")] {
        let is_given = metadata.get(field).is_some_and(|value| *value != "");
        let found = request.get(field).filter(|value| **value != "");
        let found = found.or_else(|| metadata.get(instead)).cloned();
        if let (false, Some(found)) = (is_given, found) {
            metadata.insert(field.to_owned(), found);
        }
    }
    Some(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &Value, findings: &[Diagnostic]) -> Result<Value, ReviewError> {
        let findings = findings.to_vec();
        review(&Bytes::from(body.to_string()), |manifests| {
            assert_eq!(manifests[0].object["metadata"]["name"], "shop");
            assert_eq!(manifests[0].object["metadata"]["namespace"], "team");
            Checked { findings, count: 1 }
        })
    }

    fn posted(object: &Value) -> Value {
        json!({"apiVersion": API_VERSION, "kind": KIND,
            "request": {"uid": "7", "name": "shop", "namespace": "team", "object": object}})
    }

    #[test]
    fn refuses_for_errors_and_tells_warnings() {
        let object = json!({"metadata": {}});
        let answered = answer(&posted(&object), &[]).unwrap();
        assert_eq!(answered["response"], json!({"uid": "7", "allowed": true}));
        let findings = [Diagnostic::error("spec.a", "bad"), Diagnostic::warning("spec.b", "odd")];
        let answered = answer(&posted(&object), &findings).unwrap();
        let expect = json!({"uid": "7", "allowed": false,
            "status": {"code": 422, "reason": "Invalid", "message": "spec.a: bad"},
            "warnings": ["spec.b: odd"]});
        assert_eq!(answered["response"], expect);
        let answered = answer(&posted(&json!(null)), &findings).unwrap();
        assert_eq!(answered["response"], json!({"uid": "7", "allowed": true}));
    }

    #[test]
    fn what_is_no_review_is_not_answered_with_one() {
        for (body, is_shape) in
            [("{", false), ("{}", true), (r#"{"kind": "AdmissionReview"}"#, true)]
        {
            let error = review(&Bytes::from(body), |_| Checked::default()).unwrap_err();
            assert_eq!(error == ReviewError::Shape, is_shape, "{body}");
        }
    }
}
