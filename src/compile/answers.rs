//! Pages of entrypoints: files read, scripts resolved.
//!
//! At the start a page that cannot be had is an error; later its last good version stays.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use super::Catalog;
use super::held::Files;
use super::scripts::{named, single};
use crate::config::AnswerPage;
use crate::lua::{InstanceSpec, OnError};
use crate::model::Diagnostic;
use crate::snapshot::{Answers, Content, Page};

/// A page's file is at most this long.
const PAGE_BYTES_MAX: u64 = 1024 * 1024;

/// Pages kept from the last generation.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// By entrypoint.
    good: Vec<Pages>,
    files: Files,
}

impl Memory {
    /// Whether a page's file is no longer what it was.
    pub(super) fn files_changed(&self) -> bool {
        !self.files.are_current()
    }
}

/// The pages of one entrypoint with the scripts that make them.
#[derive(Debug, Clone, Default)]
pub(super) struct Pages {
    pub(super) answers: Arc<Answers>,
    pub(super) instances: Vec<Arc<InstanceSpec>>,
}

/// Reads all pages of all entrypoints.
pub(super) fn compile(catalog: &Catalog, memory: &mut Memory) -> (Vec<Pages>, Vec<Diagnostic>) {
    let mut files = Files::default();
    let mut findings = Vec::new();
    let before = std::mem::take(&mut memory.good);
    let all = catalog.entrypoints.iter().enumerate().map(|(place, facts)| {
        let before = before.get(place).cloned().unwrap_or_default();
        let mut pages = Pages::default();
        let mut answers = Answers::default();
        for (name, options) in facts.answers.pages() {
            let (slot, old) = match name {
                "noRouter" => (&mut answers.no_router, &before.answers.no_router),
                "noServer" => (&mut answers.no_server, &before.answers.no_server),
                _ => (&mut answers.error, &before.answers.error),
            };
            let option = format!("entryPoints.{}.http.answers.{name}", facts.name);
            match page(&option, options, catalog, &mut files) {
                Ok((page, spec)) => {
                    *slot = Some(page);
                    pages.instances.extend(spec);
                }
                Err(reason) => {
                    findings.push(Diagnostic::error(&option, reason));
                    slot.clone_from(old);
                    keep(old.as_ref(), &before, &mut pages);
                }
            }
        }
        pages.answers = Arc::new(answers);
        pages
    });
    memory.good = all.collect();
    memory.files = files;
    (memory.good.clone(), findings)
}

/// Keeps the script of a page that stays as it was.
fn keep(page: Option<&Page>, before: &Pages, pages: &mut Pages) {
    if let Some(Page { content: Content::Script(id), .. }) = page {
        let same = before.instances.iter().filter(|spec| spec.id == *id);
        pages.instances.extend(same.cloned());
    }
}

type Made = (Page, Option<Arc<InstanceSpec>>);

fn page(
    option: &str,
    options: &AnswerPage,
    catalog: &Catalog,
    files: &mut Files,
) -> Result<Made, String> {
    let status = match options.status {
        0 => None,
        status => Some(StatusCode::from_u16(status).map_err(|error| error.to_string())?),
    };
    if !options.lua.is_empty() {
        let (script, info) = named(&options.lua, &catalog.scripts)?;
        let hooks = ["request", "response"];
        if !info.hooks.iter().any(|hook| hooks.contains(&hook.as_str())) {
            return Err(format!("{}: it has neither `request` nor `response`", options.lua));
        }
        // What a broken page leaves is the plain answer.
        let spec = Arc::new(single(option, script, OnError::Skip));
        return Ok((Page { status, content: Content::Script(spec.id) }, Some(spec)));
    }
    let body = files.bytes(Path::new(&options.file), PAGE_BYTES_MAX)?;
    let kind = match options.content_type.as_str() {
        "" => kind_of(&options.file).to_owned(),
        given => given.to_owned(),
    };
    let kind = HeaderValue::from_str(&kind).map_err(|_| format!("contentType: {kind:?}"))?;
    Ok((Page { status, content: Content::Text { body: Bytes::from(body), kind } }, None))
}

/// The type of a file by the end of its name.
fn kind_of(file: &str) -> &'static str {
    const KINDS: &[(&str, &str)] = &[
        ("html", "text/html; charset=utf-8"),
        ("htm", "text/html; charset=utf-8"),
        ("json", "application/json"),
        ("xml", "application/xml"),
        ("svg", "image/svg+xml"),
    ];
    let end = Path::new(file).extension().and_then(|end| end.to_str()).unwrap_or_default();
    let known = KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(end));
    known.map_or("text/plain; charset=utf-8", |(_, kind)| kind)
}

/// What is wrong with the pages of entrypoints.
#[must_use]
pub fn check_answers(catalog: &Catalog) -> Vec<Diagnostic> {
    compile(catalog, &mut Memory::default()).1
}
