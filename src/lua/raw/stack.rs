//! Values on their way between scripts and raw functions.

use std::borrow::Cow;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::slice;

use http::{HeaderName, HeaderValue};
use mlua::ffi;

use super::super::atoms::NO_ATOM;
use super::super::handle::Handle;
use super::super::tools::Tools;
use super::{BUFFER_BYTES_MAX, State};

/// The name of a field.
#[derive(Debug, Clone, Copy)]
pub(in crate::lua) struct Name<'a> {
    pub(super) text: &'a [u8],
    pub(super) atom: i16,
}

/// An argument of a call, or a value that is assigned.
#[derive(Debug, Clone, Copy)]
pub(in crate::lua) enum Arg<'a> {
    Nil,
    Boolean(bool),
    Number(f64),
    Text(Name<'a>),
    Handle(Handle),
    /// Something else, by the name of its type.
    Foreign(&'static str),
}

/// The arguments of a call.
#[derive(Clone, Copy)]
pub(in crate::lua) struct Args<'a> {
    l: *mut ffi::lua_State,
    /// The place on the stack of what comes before the first.
    base: c_int,
    on_stack: PhantomData<&'a ()>,
}

/// A value without anything that must be dropped.
#[derive(Clone, Copy)]
pub(super) enum Value {
    Nothing,
    Nil,
    Boolean(bool),
    Number(f64),
    /// What the buffer holds.
    Text,
    Handle(Handle),
}

/// Where a raw function puts its answer.
pub(in crate::lua) struct Out<'a> {
    buffer: &'a mut Vec<u8>,
    value: Value,
}

impl<'a> Name<'a> {
    pub(in crate::lua) fn bytes(self) -> &'a [u8] {
        self.text
    }

    /// The name with its number also where the VM has none: it has asked for those of names that it
    /// met before it could.
    #[inline]
    pub(super) fn known(self, tools: &Tools) -> Self {
        match self.atom {
            NO_ATOM => Self { atom: tools.atoms.number(self.text), ..self },
            _ => self,
        }
    }

    /// The header of this name.
    ///
    /// # Errors
    /// When it cannot be a header's name.
    pub(in crate::lua) fn header(self, tools: &Tools) -> mlua::Result<HeaderName> {
        match tools.atoms.header(self.atom) {
            Some(name) => Ok(name),
            None => tools.header_name(self.text),
        }
    }
}

impl<'a> Arg<'a> {
    /// The text, or a number as text.
    ///
    /// # Errors
    /// When it is neither.
    pub(in crate::lua) fn text(self) -> mlua::Result<Cow<'a, [u8]>> {
        match self {
            Arg::Text(name) => Ok(Cow::Borrowed(name.text)),
            Arg::Number(number) => Ok(Cow::Owned(number.to_string().into_bytes())),
            other => Err(other.is_no("string")),
        }
    }

    /// The text, or a number as text; none for nil.
    ///
    /// # Errors
    /// When it is something else.
    pub(in crate::lua) fn optional(self) -> mlua::Result<Option<Cow<'a, [u8]>>> {
        match self {
            Arg::Nil => Ok(None),
            other => other.text().map(Some),
        }
    }

    /// The name of a header.
    ///
    /// # Errors
    /// When it cannot be one.
    pub(in crate::lua) fn header(self, tools: &Tools) -> mlua::Result<HeaderName> {
        match self {
            Arg::Text(name) => name.header(tools),
            other => tools.header_name(&other.text()?),
        }
    }

    /// A header's value: text, a number or a boolean.
    ///
    /// # Errors
    /// When it is something else or holds a line break.
    pub(in crate::lua) fn header_value(self) -> mlua::Result<HeaderValue> {
        let value = match self {
            Arg::Text(name) => HeaderValue::from_bytes(name.text),
            Arg::Boolean(is_true) => {
                Ok(HeaderValue::from_static(if is_true { "true" } else { "false" }))
            }
            Arg::Number(number) => HeaderValue::from_str(&number.to_string()),
            other => {
                let got = other.kind();
                let text = format!("a header's value must be text, got {got}");
                return Err(mlua::Error::runtime(text));
            }
        };
        value.map_err(|_| mlua::Error::runtime("a header's value cannot hold control characters"))
    }

    /// A whole number.
    ///
    /// # Errors
    /// When it is none.
    pub(in crate::lua) fn integer(self) -> mlua::Result<i64> {
        #[expect(clippy::cast_possible_truncation, reason = "it is compared with what it was")]
        let whole = |number: f64| number as i64;
        match self {
            #[expect(
                clippy::cast_precision_loss,
                clippy::float_cmp,
                reason = "it is a whole number"
            )]
            Arg::Number(number) if whole(number) as f64 == number => Ok(whole(number)),
            other => Err(other.is_no("whole number")),
        }
    }

    pub(in crate::lua) fn is_nil(self) -> bool {
        matches!(self, Arg::Nil)
    }

    fn is_no(self, wanted: &str) -> mlua::Error {
        mlua::Error::runtime(format!("expected a {wanted}, got {}", self.kind()))
    }

    fn kind(self) -> &'static str {
        match self {
            Arg::Nil => "nil",
            Arg::Boolean(_) => "boolean",
            Arg::Number(_) => "number",
            Arg::Text(_) => "string",
            Arg::Handle(_) => "userdata",
            Arg::Foreign(name) => name,
        }
    }
}

impl<'a> Args<'a> {
    /// The arguments of the C function that runs, without the first `skipped`.
    ///
    /// # Safety
    /// They must not be used beyond the call, nor while anything changes its stack.
    pub(super) unsafe fn new(l: *mut ffi::lua_State, skipped: c_int) -> Self {
        Self { l, base: skipped, on_stack: PhantomData }
    }

    /// Without the first argument.
    pub(in crate::lua) fn after_first(self) -> Self {
        Self { base: self.base + 1, ..self }
    }

    /// The argument at a place, counted from 0; nil beyond the last.
    pub(in crate::lua) fn at(self, place: u8) -> Arg<'a> {
        let index = self.base + 1 + c_int::from(place);
        // SAFETY: `new` says that the stack is as it was; places beyond it have the type none.
        unsafe { arg(self.l, index) }
    }
}

/// The value at a place of the stack.
///
/// # Safety
/// It must stay there as long as what is returned is used.
pub(super) unsafe fn arg<'a>(l: *mut ffi::lua_State, index: c_int) -> Arg<'a> {
    // SAFETY: none of these raises an error: text is only asked for where there is text.
    unsafe {
        match ffi::lua_type(l, index) {
            ffi::LUA_TNONE | ffi::LUA_TNIL => Arg::Nil,
            ffi::LUA_TBOOLEAN => Arg::Boolean(ffi::lua_toboolean(l, index) != 0),
            ffi::LUA_TNUMBER => Arg::Number(ffi::lua_tonumber(l, index)),
            ffi::LUA_TSTRING => Arg::Text(name(l, index)),
            ffi::LUA_TLIGHTUSERDATA => match Handle::decode(ffi::lua_tolightuserdata(l, index)) {
                Some(handle) => Arg::Handle(handle),
                None => Arg::Foreign("userdata"),
            },
            ffi::LUA_TTABLE => Arg::Foreign("table"),
            ffi::LUA_TFUNCTION => Arg::Foreign("function"),
            ffi::LUA_TTHREAD => Arg::Foreign("thread"),
            ffi::LUA_TBUFFER => Arg::Foreign("buffer"),
            _ => Arg::Foreign("userdata"),
        }
    }
}

/// The text at a place of the stack; empty where there is something else.
///
/// # Safety
/// It must stay there as long as what is returned is used.
pub(super) unsafe fn name<'a>(l: *mut ffi::lua_State, index: c_int) -> Name<'a> {
    let (mut length, mut atom) = (0, c_int::from(NO_ATOM));
    // SAFETY: the VM keeps the text where it is while it is on the stack.
    unsafe {
        let text = ffi::lua_tolstringatom(l, index, &raw mut length, &raw mut atom);
        if text.is_null() {
            return Name { text: &[], atom: NO_ATOM };
        }
        let text = slice::from_raw_parts(text.cast::<u8>(), length);
        Name { text, atom: i16::try_from(atom).unwrap_or(NO_ATOM) }
    }
}

/// Pushes a value; returns how many are pushed.
///
/// # Safety
/// The caller must own nothing that must be dropped: this raises errors. The stack must have room.
pub(super) unsafe fn push(l: *mut ffi::lua_State, state: &State, value: Value) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        match value {
            Value::Nothing => return 0,
            Value::Nil => ffi::lua_pushnil(l),
            Value::Boolean(boolean) => ffi::lua_pushboolean(l, c_int::from(boolean)),
            Value::Number(number) => ffi::lua_pushnumber(l, number),
            Value::Text => push_buffer(l, state),
            Value::Handle(handle) => ffi::lua_pushlightuserdata(l, handle.address()),
        }
    }
    1
}

/// Pushes what the buffer holds.
///
/// # Safety
/// As for [`push`].
pub(super) unsafe fn push_buffer(l: *mut ffi::lua_State, state: &State) {
    let buffer = state.buffer.as_ptr();
    // SAFETY: nothing borrows the buffer now, and nothing that the VM runs here changes it: only
    // the functions of this module do, which no destructor calls.
    unsafe {
        ffi::lua_pushlstring(l, (*buffer).as_ptr().cast(), (*buffer).len());
        if (*buffer).capacity() > BUFFER_BYTES_MAX {
            *buffer = Vec::new();
        }
    }
}

impl<'a> Out<'a> {
    pub(super) fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self { buffer, value: Value::Nothing }
    }

    pub(super) fn value(&self) -> Value {
        self.value
    }

    pub(in crate::lua) fn nil(&mut self) {
        self.value = Value::Nil;
    }

    pub(in crate::lua) fn boolean(&mut self, boolean: bool) {
        self.value = Value::Boolean(boolean);
    }

    pub(in crate::lua) fn number(&mut self, number: f64) {
        self.value = Value::Number(number);
    }

    pub(in crate::lua) fn text(&mut self, text: &[u8]) {
        self.build(|buffer| buffer.extend_from_slice(text));
    }

    /// The text that `write` appends to an empty buffer.
    pub(in crate::lua) fn build(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.buffer.clear();
        write(self.buffer);
        self.value = Value::Text;
    }

    /// The text, or nil.
    pub(in crate::lua) fn maybe(&mut self, text: Option<&[u8]>) {
        match text {
            Some(text) => self.text(text),
            None => self.nil(),
        }
    }

    pub(in crate::lua) fn handle(&mut self, handle: Handle) {
        self.value = Value::Handle(handle);
    }
}
