//! The fields and methods of what scripts hold by a handle.

use std::ffi::c_int;
use std::rc::Rc;

use mlua::{IntoLua, LightUserData, Lua, Table, Value, ffi};

use super::super::handle::{Handle, Kind};
use super::super::tools::Tools;
use super::stack::{arg, name};
use super::{Arg, Kept, Name, Out, State, Step, finish, keep, state};

/// A field that is read without the typed binding.
pub(in crate::lua) type Read = Box<dyn Fn(&Tools, Handle, &mut Out<'_>) -> mlua::Result<()>>;
/// A field that is assigned without the typed binding.
pub(in crate::lua) type Write = Box<dyn Fn(&Tools, Handle, Arg<'_>) -> mlua::Result<()>>;
/// What a name means that is no field, when it is read.
pub(in crate::lua) type ReadOther =
    Box<dyn Fn(&Tools, Handle, Name<'_>, &mut Out<'_>) -> mlua::Result<()>>;
/// What a name means that is no field, when it is assigned.
pub(in crate::lua) type WriteOther =
    Box<dyn Fn(&Tools, Handle, Name<'_>, Arg<'_>) -> mlua::Result<()>>;

/// What one name means.
#[derive(Default)]
pub(in crate::lua) struct Entry {
    pub(in crate::lua) read: Option<Read>,
    pub(in crate::lua) write: Option<Write>,
    /// A function that reads the field.
    getter: Option<Kept>,
    /// A function that assigns it.
    setter: Option<Kept>,
    method: Option<Kept>,
}

/// What all names of one kind of object mean.
pub(in crate::lua) struct Dispatch {
    /// By the number of the name.
    entries: Vec<Option<Entry>>,
    read_other: ReadOther,
    write_other: WriteOther,
}

impl Entry {
    /// Lets a typed function read the field: it gets the object.
    pub(in crate::lua) fn getter(&mut self, lua: &Lua, get: mlua::Function) -> mlua::Result<()> {
        self.getter = Some(keep(lua, get)?);
        Ok(())
    }

    /// Lets a typed function assign the field: it gets the object, the name and the value.
    pub(in crate::lua) fn setter(&mut self, lua: &Lua, set: mlua::Function) -> mlua::Result<()> {
        self.setter = Some(keep(lua, set)?);
        Ok(())
    }

    /// A method.
    pub(in crate::lua) fn method(&mut self, lua: &Lua, call: mlua::Function) -> mlua::Result<()> {
        self.method = Some(keep(lua, call)?);
        Ok(())
    }
}

impl Dispatch {
    pub(in crate::lua) fn new(read_other: ReadOther, write_other: WriteOther) -> Self {
        Self { entries: Vec::new(), read_other, write_other }
    }

    /// Says what a name means.
    ///
    /// # Errors
    /// When the VM knows too many names.
    pub(in crate::lua) fn add(
        &mut self,
        tools: &Tools,
        name: &str,
        entry: Entry,
    ) -> mlua::Result<()> {
        let atom = usize::try_from(tools.atoms.number(name.as_bytes()));
        let atom = atom.map_err(|_| mlua::Error::runtime("too many names"))?;
        if self.entries.len() <= atom {
            self.entries.resize_with(atom + 1, || None);
        }
        if let Some(place) = self.entries.get_mut(atom) {
            *place = Some(entry);
        }
        Ok(())
    }

    /// Lets objects of a kind have these fields.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(in crate::lua) fn install(self, lua: &Lua, kind: Kind) -> mlua::Result<()> {
        let state = state(lua)?;
        if let Some(place) = state.dispatch.get(kind as usize) {
            place.replace(Some(Rc::new(self)));
        }
        if !state.is_installed.replace(true) {
            lua.set_type_metatable::<LightUserData>(Some(metatable(lua)?));
        }
        Ok(())
    }

    #[inline]
    fn entry(&self, name: Name<'_>) -> Option<&Entry> {
        self.entries.get(usize::try_from(name.atom).ok()?)?.as_ref()
    }
}

/// All handles share one metatable: the VM has one for all numbers of this type.
fn metatable(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    // SAFETY: these functions are made for it and own nothing where errors are raised.
    let (index, new_index) =
        unsafe { (lua.create_c_function(index)?, lua.create_c_function(new_index)?) };
    table.raw_set("__index", index)?;
    table.raw_set("__newindex", new_index)?;
    table.raw_set("__metatable", false.into_lua(lua)?)?;
    table.raw_set("__type", Value::Nil)?;
    table.set_readonly(true);
    Ok(table)
}

/// Reads a field.
unsafe extern "C-unwind" fn index(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: the VM calls it with the object and the name; nothing is owned where errors are
    // raised.
    unsafe {
        let state = State::of(l);
        let step = state.inside(|state| read(l, state));
        match step {
            // A typed getter is a function of the object alone.
            Step::Call(kept) => {
                ffi::lua_settop(l, 1);
                finish(l, state, Step::Call(kept))
            }
            step => finish(l, state, step),
        }
    }
}

/// Assigns a field.
unsafe extern "C-unwind" fn new_index(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: the VM calls it with the object, the name and the value; nothing is owned where
    // errors are raised.
    unsafe {
        let state = State::of(l);
        let step = state.inside(|state| write(l, state));
        finish(l, state, step)
    }
}

/// # Safety
/// The object and the name must be the first two values on the stack.
#[inline]
unsafe fn read(l: *mut ffi::lua_State, state: &State) -> mlua::Result<Step> {
    // SAFETY: they stay on the stack until the C function returns.
    let (object, name) = unsafe { (arg(l, 1), name(l, 2)) };
    let (handle, name) = (handle(object)?, name.known(&state.tools));
    let dispatch = state.dispatch(handle)?;
    match dispatch.entry(name) {
        Some(Entry { read: Some(read), .. }) => state.answer(|out| read(&state.tools, handle, out)),
        Some(Entry { method: Some(method), .. }) => Ok(Step::Kept(*method)),
        Some(Entry { getter: Some(getter), .. }) => Ok(Step::Call(*getter)),
        _ => state.answer(|out| (dispatch.read_other)(&state.tools, handle, name, out)),
    }
}

/// # Safety
/// The object, the name and the value must be the first three values on the stack.
#[inline]
unsafe fn write(l: *mut ffi::lua_State, state: &State) -> mlua::Result<Step> {
    // SAFETY: they stay on the stack until the C function returns.
    let (object, name, value) = unsafe { (arg(l, 1), name(l, 2), arg(l, 3)) };
    let (handle, name) = (handle(object)?, name.known(&state.tools));
    let dispatch = state.dispatch(handle)?;
    match dispatch.entry(name) {
        Some(Entry { write: Some(write), .. }) => write(&state.tools, handle, value)?,
        Some(Entry { setter: Some(setter), .. }) => return Ok(Step::Call(*setter)),
        _ => (dispatch.write_other)(&state.tools, handle, name, value)?,
    }
    Ok(Step::Push(super::stack::Value::Nothing))
}

fn handle(object: Arg<'_>) -> mlua::Result<Handle> {
    match object {
        Arg::Handle(handle) => Ok(handle),
        _ => Err(mlua::Error::runtime("this object has no fields")),
    }
}
