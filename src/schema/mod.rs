//! Option schemas of scripts as data: types, defaults, checks; decoding and printing.
//!
//! Pure. One description serves decoding, checking, reference pages, CRD schemas and editor
//! types. Must not know scripts, files or the model.
//!
//! A schema is a table of options by name. A value that is a table declares an option: its
//! `type` (see [`print::types`]), the attributes of the type, and
//!
//! | attribute | meaning |
//! | --- | --- |
//! | `doc` | what it is for |
//! | `required` | it must be given |
//! | `default` | what it is otherwise, written as a user would |
//! | `aliases` | names it had before; using one is a warning |
//! | `deprecated` | what to do instead of using it; using it is a warning |
//! | `crd` | `false`: not in Kubernetes objects; a table: its `name`, `type` and `doc` in them |
//!
//! A provider of Kubernetes objects decodes them as [`Source::Crd`], puts in what they refer to
//! with [`Schema::visit`], and passes the result on as any other provider's options, which are
//! decoded as [`Source::File`].
//!
//! `standalone = false` beside the options refuses a section without any, and `doc` as text says
//! what the whole is for. An option that is not given and has no default is absent.

mod conceal;
mod declaration;
mod fields;
mod kind;
mod place;
pub mod print;

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use declaration::Declaration;
use fields::Fields;
use kind::{Kind, Object};
use place::Place;

pub use conceal::{STARS, by_name as conceal_by_name, everything as conceal_everything};

/// Where options come from: some are written differently in files and in Kubernetes objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Files, labels and other plain sources.
    File,
    /// Kubernetes custom resources.
    Crd,
}

/// What an option refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceKind {
    /// A service.
    Service,
    /// A middleware.
    Middleware,
    /// A serversTransport.
    ServersTransport,
}

/// A reference found in decoded options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What it refers to.
    pub kind: ReferenceKind,
    /// The name as written.
    pub name: String,
}

/// A decoded value that somebody outside must handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A secret, or what is kept in a file: text, `{env}`, `{file}`, or from Kubernetes objects
    /// `{secret, keys}`.
    Secret,
    /// A path that the host may open for the script.
    Path,
    /// A reference: a name, or from Kubernetes objects a section with a `name`.
    Reference(ReferenceKind),
    /// A duration: its seconds.
    Duration,
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// An option that does not exist, or a value of a wrong type.
    Structure,
    /// A value of the right type that is wrong in itself.
    Value,
}

/// A finding about one option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing is wrong.
    pub kind: ProblemKind,
    /// The option's path, such as `tls.ca`; empty for the whole.
    pub path: String,
    /// One sentence.
    pub reason: String,
}

/// Options that fit their schema: typed, with defaults filled in.
#[derive(Clone, PartialEq)]
pub struct Decoded {
    /// The options under the names of the schema.
    pub options: Value,
    /// Deprecated names and the like.
    pub warnings: Vec<Problem>,
}

/// Why a schema itself is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct SchemaError {
    /// Where in the schema.
    pub path: String,
    /// One sentence.
    pub reason: String,
}

/// The options of one script. The default is that of a script without a schema: every section
/// is taken as it is.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    root: Option<Arc<Object>>,
}

impl Schema {
    /// Reads a schema as a script declares it; nothing at all is no schema.
    ///
    /// # Errors
    /// When the declaration is wrong.
    pub fn parse(declared: &Value) -> Result<Self, SchemaError> {
        if declared.is_null() {
            return Ok(Self::default());
        }
        let fields = Fields::parse(declared, &Declaration::root())?;
        Ok(Self { root: Some(Arc::new(Object { fields })) })
    }

    /// Checks options and fills in defaults. What it returns for a file is the same again when it
    /// is decoded as a file's.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn decode(&self, options: &Value, source: Source) -> Result<Decoded, Vec<Problem>> {
        let mut place = Place::root(source);
        let decoded = match &self.root {
            Some(root) => root.decode(options, &mut place),
            None => free(options),
        };
        if decoded.is_none() && place.problem_count() == 0 {
            place.refuse::<()>("expected a section of options");
        }
        let warnings = place.finish()?;
        Ok(Decoded { options: decoded.unwrap_or_default(), warnings })
    }

    /// The references in decoded options.
    #[must_use]
    pub fn references(&self, options: &Value) -> Vec<Reference> {
        let mut found: Vec<Reference> = Vec::new();
        let mut options = options.clone();
        for source in [Source::File, Source::Crd] {
            self.visit(&mut options, source, &mut |held, value| {
                let name = value.get("name").unwrap_or(value).as_str();
                if let (Held::Reference(kind), Some(name)) = (held, name) {
                    let reference = Reference { kind, name: name.to_owned() };
                    if !found.contains(&reference) {
                        found.push(reference);
                    }
                }
            });
        }
        found
    }

    /// Whether options may hold references of that kind.
    #[must_use]
    pub fn has_references(&self, kind: ReferenceKind) -> bool {
        let root = self.root.as_ref();
        root.is_some_and(|root| kind::holds(&**root, Held::Reference(kind)))
    }

    /// Shows every secret and reference in options that were decoded from that source, and lets
    /// them be replaced: a provider puts in what Kubernetes objects refer to, an API stars.
    pub fn visit(
        &self,
        options: &mut Value,
        source: Source,
        visit: &mut dyn FnMut(Held, &mut Value),
    ) {
        if let Some(root) = &self.root {
            root.walk(options, source, visit);
        }
    }

    /// The names of every option in files, the current one first.
    pub fn names(&self) -> impl Iterator<Item = Vec<&str>> {
        let fields = self.fields().map_or(&[][..], |fields| &fields.list);
        fields.iter().map(|field| field.names(Source::File).collect())
    }

    /// Puts stars in the place of every secret in options as they are written, which need not fit
    /// the schema. What the schema does not know may be a secret under a misspelled name, so it is
    /// concealed as well; without a schema, names tell.
    pub fn conceal(&self, written: &mut Value) {
        match &self.root {
            Some(root) => conceal::by_kind(&**root, written),
            None => conceal::by_name(written),
        }
    }

    /// The options, for printing.
    fn fields(&self) -> Option<&Fields> {
        self.root.as_ref().map(|root| &root.fields)
    }
}

/// Options of a script without a schema.
fn free(options: &Value) -> Option<Value> {
    match (options, options.as_str()) {
        (Value::Object(_), _) => Some(options.clone()),
        (Value::Null | Value::Bool(true), _) | (_, Some("" | "true")) => Some(Map::new().into()),
        _ => None,
    }
}

impl fmt::Debug for Decoded {
    /// Without the options' values, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> =
            self.options.as_object().into_iter().flat_map(Map::keys).collect();
        f.debug_struct("Decoded")
            .field("options", &names)
            .field("warnings", &self.warnings)
            .finish()
    }
}
