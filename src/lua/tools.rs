//! What the functions of the scripting API need of their VM.
//!
//! Must not know instances or hooks.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashMap;
use http::HeaderName;
use mlua::Table;

use super::InstanceId;
use super::atoms::Atoms;
use super::gate::Gate;
use super::handle::Places;
use super::host::{Host, Nowhere};
use super::meter::Meters;
use super::password::Passwords;
use super::raw::Coroutines;
use super::run::{RequestSlot, ResponseSlot, Run};
use super::shared::{Scope, Shared};
use super::testing::Probe;

/// Header names kept ready; a script that makes up names does not grow the table beyond this.
const HEADER_NAMES_MAX: usize = 512;

/// Compiled regular expressions kept ready per VM.
const EXPRESSIONS_MAX: usize = 256;

/// How host functions act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// On a worker.
    Live,
    /// While a script's declarations are read: nothing leaves the VM.
    Inert,
}

/// Shared by the functions of one VM.
pub(super) struct Tools {
    pub(super) mode: Mode,
    pub(super) gate: Rc<Gate>,
    /// The run whose hook is being polled.
    pub(super) current: RefCell<Option<Rc<Run>>>,
    pub(super) atoms: Atoms,
    /// The messages that scripts hold.
    pub(super) requests: Places<RequestSlot>,
    pub(super) responses: Places<ResponseSlot>,
    pub(super) coroutines: Coroutines,
    runs: Cell<u64>,
    header_names: RefCell<HashMap<Box<[u8]>, HeaderName, foldhash::fast::FixedState>>,
    pub(super) expressions: RefCell<HashMap<Box<[u8]>, Rc<regex::bytes::Regex>>>,
    /// The state that is shared with other VMs.
    shared: Arc<Shared>,
    /// The scope of the script whose top level runs.
    loading: RefCell<Option<Arc<Scope>>>,
    /// What `ctx` of all scripts have in common, once one is loaded.
    pub(super) ctx: OnceCell<Table>,
    /// Created at its first use: most VMs check no password.
    passwords: OnceCell<Rc<Passwords>>,
    /// Functions that run beside requests.
    pub(super) beside: Rc<Cell<u32>>,
    ids: Cell<u64>,
    /// Watches the scripts, in tests of scripts.
    pub(super) probe: OnceCell<Rc<Probe>>,
    /// What scripts work in when no request runs.
    pub(super) outside: OnceCell<Rc<dyn Host>>,
}

impl Tools {
    pub(super) fn new(mode: Mode, shared: Arc<Shared>) -> Rc<Self> {
        let mut seed = [0; 8];
        // Without randomness the ids of failures are still unlikely to meet those of others.
        let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut seed);
        Rc::new(Self {
            mode,
            gate: Rc::new(Gate::new(shared.watch())),
            current: RefCell::default(),
            atoms: Atoms::default(),
            requests: Places::default(),
            responses: Places::default(),
            coroutines: Coroutines::default(),
            runs: Cell::new(0),
            shared,
            loading: RefCell::default(),
            header_names: RefCell::default(),
            expressions: RefCell::default(),
            ctx: OnceCell::new(),
            passwords: OnceCell::new(),
            beside: Rc::default(),
            ids: Cell::new(u64::from_ne_bytes(seed)),
            probe: OnceCell::new(),
            outside: OnceCell::new(),
        })
    }

    /// The header name a script wrote.
    ///
    /// # Errors
    /// When it cannot be a header's name.
    pub(super) fn header_name(&self, name: &[u8]) -> mlua::Result<HeaderName> {
        if let Some(known) = self.header_names.borrow().get(name) {
            return Ok(known.clone());
        }
        let parsed = HeaderName::from_bytes(name).map_err(|_| {
            let name = String::from_utf8_lossy(name);
            mlua::Error::runtime(format!("{name:?} cannot be the name of a header"))
        })?;
        let mut names = self.header_names.borrow_mut();
        if names.len() < HEADER_NAMES_MAX {
            names.insert(name.into(), parsed.clone());
        }
        Ok(parsed)
    }

    /// A compiled regular expression.
    ///
    /// # Errors
    /// When the expression is wrong or too large.
    pub(super) fn expression(&self, text: &str) -> mlua::Result<Rc<regex::bytes::Regex>> {
        if let Some(known) = self.expressions.borrow().get(text.as_bytes()) {
            return Ok(Rc::clone(known));
        }
        let built = regex::bytes::RegexBuilder::new(&go_spelling(text))
            .size_limit(1 << 20)
            .build()
            .map_err(|error| mlua::Error::runtime(format!("regular expression: {error}")))?;
        let built = Rc::new(built);
        let mut expressions = self.expressions.borrow_mut();
        if expressions.len() >= EXPRESSIONS_MAX {
            // Scripts hold those they use; the rest is compiled anew when it is asked for.
            expressions.clear();
        }
        expressions.insert(text.as_bytes().into(), Rc::clone(&built));
        Ok(built)
    }

    /// What scripts work in when no request runs; nowhere unless somebody has said where.
    pub(super) fn outside(&self) -> Rc<dyn Host> {
        self.outside.get().map_or_else(|| Rc::new(Nowhere) as Rc<dyn Host>, Rc::clone)
    }

    /// The scope of an instance's state.
    pub(super) fn scope_of(&self, id: InstanceId) -> Arc<Scope> {
        self.shared.scope(id)
    }

    /// Runs a script's top level, which may open what its instance shares.
    pub(super) fn within<T>(&self, scope: &Arc<Scope>, body: impl FnOnce() -> T) -> T {
        let outer = self.loading.replace(Some(Arc::clone(scope)));
        let result = body();
        self.loading.replace(outer);
        result
    }

    /// The scope of the script that runs.
    ///
    /// # Errors
    /// When none does, in a coroutine that outlived its hook for example.
    pub(super) fn scope(&self) -> mlua::Result<Arc<Scope>> {
        if let Some(run) = &*self.current.borrow() {
            return Ok(Arc::clone(&run.loaded.scope));
        }
        let loading = self.loading.borrow().clone();
        loading.ok_or_else(|| mlua::Error::runtime("no script runs"))
    }

    /// A number for a run that no other has.
    pub(super) fn run_number(&self) -> u64 {
        self.runs.set(self.runs.get() + 1);
        self.runs.get()
    }

    /// The metrics of all scripts.
    pub(super) fn meters(&self) -> &Meters {
        self.shared.meters()
    }

    /// What this VM knows of passwords.
    pub(super) fn passwords(&self) -> Rc<Passwords> {
        Rc::clone(self.passwords.get_or_init(Rc::default))
    }

    /// An id for a failure, which the client sees and the log holds.
    pub(super) fn failure_id(&self) -> String {
        let next = self.ids.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.ids.set(next);
        let mixed = (next ^ (next >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        format!("{:012x}", mixed >> 16)
    }
}

/// Go's `\Q...\E` quotes; the `regex` crate has no such thing and writes the rest as Go does.
fn go_spelling(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains("\\Q") {
        return Cow::Borrowed(pattern);
    }
    let mut rewritten = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, quoted)) = rest.split_once("\\Q") {
        let (inside, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
        rewritten.push_str(before);
        rewritten.push_str(&regex::escape(inside));
        rest = after;
    }
    rewritten.push_str(rest);
    Cow::Owned(rewritten)
}
