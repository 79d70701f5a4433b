//! Memory: which bytes of a VM belong to which script, and when a script holds too many.
//!
//! Luau notes for each object the category of the coroutine that made it, and keeps the sum of each
//! category. Garbage counts until it is collected, so it is collected before a script is said to
//! be over its share. Must not know hooks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::Lua;

use super::raw;

/// Bytes a VM may use in all; reaching them fails the allocation that asks for more.
pub(super) const VM_BYTES_MAX: usize = 256 << 20;

/// Beyond this many bytes the VM is weighed whatever the shares are.
pub(super) const VM_BYTES_SOFT: usize = VM_BYTES_MAX / 2;

/// What a run may allocate at least, so that a small share does not fail at its first string.
const GROWTH_BYTES_MIN: usize = 1 << 20;

/// Luau counts at most this many categories; more scripts than that share the last one.
const CATEGORIES_MAX: usize = 240;

/// The category of what belongs to no script; the VM's first.
const OWN: &str = "main";

/// The categories of a VM that are in use.
#[derive(Debug, Default)]
pub(super) struct Categories {
    free: RefCell<Vec<usize>>,
    next: Cell<usize>,
}

/// The category of a loaded script's objects; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Category {
    number: usize,
    name: String,
    owner: Rc<Categories>,
}

impl Categories {
    /// The lowest free category.
    ///
    /// # Errors
    /// When the VM has no more categories, which [`CATEGORIES_MAX`] prevents.
    pub(super) fn take(self: &Rc<Self>, lua: &Lua) -> mlua::Result<Rc<Category>> {
        let number = match self.free.borrow_mut().pop() {
            Some(number) => number,
            None => {
                let next = self.next.get();
                // The VM numbers them in the order in which it hears of them, after its own.
                lua.set_memory_category(&name(next))?;
                lua.set_memory_category(OWN)?;
                self.next.set((next + 1).min(CATEGORIES_MAX));
                next
            }
        };
        Ok(Rc::new(Category { number, name: name(number), owner: Rc::clone(self) }))
    }
}

impl Category {
    /// Gives what a call allocates that runs on the coroutine of its caller to this category.
    ///
    /// # Errors
    /// Never, since the VM knows the category.
    pub(super) fn within<T>(&self, lua: &Lua, body: impl FnOnce() -> T) -> mlua::Result<T> {
        lua.set_memory_category(&self.name)?;
        let result = body();
        lua.set_memory_category(OWN)?;
        Ok(result)
    }

    /// Its number in the VM.
    pub(super) fn in_vm(&self) -> i32 {
        i32::try_from(self.number + 1).unwrap_or_default()
    }

    /// The bytes that objects of this category hold, garbage among them.
    pub(super) fn bytes(&self, lua: &Lua) -> usize {
        raw::bytes_of_category(lua, self.in_vm())
    }

    fn is_shared(&self) -> bool {
        self.number >= CATEGORIES_MAX
    }
}

fn name(number: usize) -> String {
    format!("s{number}")
}

impl Drop for Category {
    fn drop(&mut self) {
        if !self.is_shared() {
            self.owner.free.borrow_mut().push(self.number);
        }
    }
}

/// What a script has taken since it was weighed last.
#[derive(Debug, Default)]
pub(super) struct Growth {
    bytes: Cell<isize>,
}

impl Growth {
    /// Lets one run allocate its share and no more.
    ///
    /// # Errors
    /// Never, since the VM is ours.
    pub(super) fn allow(lua: &Lua, share_bytes: usize) -> mlua::Result<usize> {
        let used = lua.used_memory();
        let limit = used.saturating_add(share_bytes.max(GROWTH_BYTES_MIN));
        lua.set_memory_limit(limit.min(VM_BYTES_MAX.max(used + GROWTH_BYTES_MIN)))?;
        Ok(used)
    }

    /// Notes what a run has left behind, and says whether the script must be weighed.
    pub(super) fn note(&self, lua: &Lua, before: usize, share_bytes: usize) -> bool {
        let used = lua.used_memory();
        let grown = self.bytes.get().saturating_add_unsigned(used).saturating_sub_unsigned(before);
        self.bytes.set(grown.max(0));
        let limit = share_bytes.min(VM_BYTES_SOFT);
        used > limit && self.bytes.get().unsigned_abs() > limit / 4
    }

    /// The bytes that the script holds, when they are more than its share. Garbage is collected
    /// first; without a share passed, counting is put off until as much again has been taken.
    pub(super) fn excess(
        &self,
        lua: &Lua,
        category: &Category,
        share_bytes: usize,
    ) -> mlua::Result<Option<usize>> {
        self.bytes.set(0);
        lua.gc_collect()?;
        let limit = share_bytes.min(VM_BYTES_SOFT);
        if lua.used_memory() <= limit {
            return Ok(None);
        }
        let held = category.bytes(lua);
        Ok((held > limit).then_some(held))
    }
}
