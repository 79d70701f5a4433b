//! Kubernetes manifests by path: files, folders, and standard input.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::provider::Manifest;
use crate::value::{DocumentError, Format};

/// Why manifests cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file or a folder cannot be read.
    #[error("{}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// More than a cluster would take at once.
    #[error("{}: more than {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A document is no YAML or JSON.
    #[error("{}: document {number}: {cause}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Which of its documents, from 1.
        number: usize,
        /// The place and the reason.
        cause: DocumentError,
    },
}

/// Bytes of one file.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Stands for standard input.
const STDIN: &str = "-";

/// Reads the objects of a file, of all files of a folder, or of standard input.
///
/// # Errors
/// When a file cannot be read or holds something else.
pub fn read(path: &str) -> Result<Vec<Manifest>, ManifestError> {
    if path == STDIN {
        return objects(Path::new("standard input"), io::stdin());
    }
    let path = Path::new(path);
    let failed = |cause| ManifestError::Read { path: path.to_owned(), cause };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return objects(path, fs::File::open(path).map_err(failed)?);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let is_read = matches!(Format::of(&file), Some(Format::Yaml | Format::Json));
        if is_read && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let cause = |cause| ManifestError::Read { path: file.clone(), cause };
        all.extend(objects(&file, fs::File::open(&file).map_err(cause)?)?);
    }
    Ok(all)
}

fn objects(path: &Path, from: impl Read) -> Result<Vec<Manifest>, ManifestError> {
    let mut text = String::new();
    let read = from.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|cause| ManifestError::Read { path: path.to_owned(), cause })?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(ManifestError::TooLarge { path: path.to_owned() });
    }
    let mut all = Vec::new();
    for (i, document) in documents(&text).iter().enumerate() {
        let object = Format::Yaml.parse(document).map_err(|cause| ManifestError::Document {
            path: path.to_owned(),
            number: i + 1,
            cause,
        })?;
        let source = path.display().to_string();
        match object.get("items").and_then(serde_json::Value::as_array) {
            Some(items) if object["kind"] == "List" => {
                let manifest =
                    |object: &_| Manifest { source: source.clone(), object: Clone::clone(object) };
                all.extend(items.iter().map(manifest));
            }
            _ if object.is_null() => {}
            _ => all.push(Manifest { source, object }),
        }
    }
    Ok(all)
}

/// The documents of a text, which lines of `---` part.
fn documents(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" || line.starts_with("--- ") {
            all.push(String::new());
            continue;
        }
        if let Some(document) = all.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        let objects = objects(Path::new("a.yaml"), text.as_bytes()).unwrap();
        let names: Vec<_> = objects.iter().map(|found| found.object["kind"].as_str()).collect();
        let expect: Vec<_> = expect.iter().map(|kind| Some(*kind)).collect();
        assert_eq!(names, expect, "{text}");
    }

    #[test]
    fn files_hold_several_documents_and_lists() {
        check("kind: A\n---\nkind: B\n", &["A", "B"]);
        check("---\n# nothing\n---\nkind: B\n--- # more\nkind: C\n", &["B", "C"]);
        check("kind: List\nitems: [{kind: A}, {kind: B}]\n", &["A", "B"]);
        check("{\"kind\": \"A\"}", &["A"]);
        let error = objects(Path::new("a.yaml"), "kind: A\n---\nkind: [\n".as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("a.yaml: document 2: line "), "{error}");
    }
}
