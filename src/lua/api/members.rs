//! The members of an object in one table: fields and methods that the typed binding calls, and
//! those that scripts use most, which are called without it.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

use hashbrown::HashMap;
use mlua::{FromLua, FromLuaMulti, Function, IntoLua, IntoLuaMulti, Lua, LuaString, MetaMethod};
use mlua::{UserDataMethods, UserDataRef, UserDataRegistry, Value};

use crate::lua::handle::{Handle, Kind};
use crate::lua::raw::{self, Arg, Args, Called, Dispatch, Entry, Name, Out};
use crate::lua::tools::Tools;
use crate::lua::waiting;

type Names<V> = HashMap<&'static [u8], V, foldhash::fast::FixedState>;
type Getter<T> = Box<dyn Fn(&Lua, &T) -> mlua::Result<Value>>;
type Setter<T> = Box<dyn Fn(&Lua, &T, Value) -> mlua::Result<()>>;
type Maker = Box<dyn Fn(&Lua) -> mlua::Result<Function>>;
type Find<T> = fn(&Tools, Handle) -> mlua::Result<T>;
type Read<T> = fn(&T, &mut Out<'_>) -> mlua::Result<()>;
type Write<T> = fn(&T, Arg<'_>) -> mlua::Result<()>;
type Call<T> = fn(&T, Args<'_>, &mut Out<'_>) -> mlua::Result<()>;

/// Fields and methods of an object as they are collected.
pub(super) struct Members<T> {
    getters: Names<Getter<T>>,
    setters: Names<Setter<T>>,
    methods: Names<Maker>,
    reads: Names<Read<T>>,
    writes: Names<Write<T>>,
    calls: Names<Call<T>>,
    find: Option<Find<T>>,
}

/// What a name means that is no member: an error, or a header, for example.
pub(super) struct Others<T> {
    pub(super) get: fn(&Lua, &T, &LuaString) -> mlua::Result<Value>,
    pub(super) set: fn(&Lua, &T, &LuaString, &Value) -> mlua::Result<()>,
}

/// The same for an object that scripts hold by a handle.
pub(super) struct QuickOthers<T> {
    pub(super) get: fn(&T, Name<'_>, &mut Out<'_>) -> mlua::Result<()>,
    pub(super) set: fn(&T, Name<'_>, Arg<'_>) -> mlua::Result<()>,
}

/// An object that scripts hold by a handle.
pub(super) trait Handled: Sized + 'static {
    /// The object that a handle of its kind stands for.
    ///
    /// # Errors
    /// When it is over.
    fn find(tools: &Tools, handle: Handle) -> mlua::Result<Self>;
}

/// The object whose method is called.
pub(super) enum This<T: 'static> {
    /// Of a handle.
    Found(T),
    /// An object of the VM.
    Owned(UserDataRef<T>),
}

impl<T> Deref for This<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Found(object) => object,
            Self::Owned(object) => object,
        }
    }
}

impl<T: 'static> This<T> {
    fn of(lua: &Lua, find: Option<Find<T>>, object: Value) -> mlua::Result<Self> {
        match (Handle::of(&object), find) {
            (Some(handle), Some(find)) => find(&*raw::tools(lua)?, handle).map(Self::Found),
            _ => UserDataRef::from_lua(object, lua).map(Self::Owned),
        }
    }
}

impl<T: 'static> Members<T> {
    /// Members of an object of the VM.
    pub(super) fn new() -> Self {
        Self {
            getters: Names::default(),
            setters: Names::default(),
            methods: Names::default(),
            reads: Names::default(),
            writes: Names::default(),
            calls: Names::default(),
            find: None,
        }
    }

    /// A field that can be read.
    pub(super) fn getter<R: IntoLua>(
        &mut self,
        name: &'static str,
        get: impl Fn(&Lua, &T) -> mlua::Result<R> + 'static,
    ) {
        let get = move |lua: &Lua, this: &T| get(lua, this)?.into_lua(lua);
        self.getters.insert(name.as_bytes(), Box::new(get));
    }

    /// A field that can be assigned.
    pub(super) fn setter<A: FromLua>(
        &mut self,
        name: &'static str,
        set: impl Fn(&Lua, &T, A) -> mlua::Result<()> + 'static,
    ) {
        let set = move |lua: &Lua, this: &T, value| set(lua, this, A::from_lua(value, lua)?);
        self.setters.insert(name.as_bytes(), Box::new(set));
    }

    /// A method.
    pub(super) fn method<A: FromLuaMulti, R: IntoLuaMulti>(
        &mut self,
        name: &'static str,
        call: impl Fn(&Lua, &T, A) -> mlua::Result<R> + 'static,
    ) {
        let (call, find) = (Rc::new(call), self.find);
        let make = move |lua: &Lua| {
            let call = Rc::clone(&call);
            lua.create_function(move |lua, (this, args): (Value, A)| {
                call(lua, &*This::of(lua, find, this)?, args)
            })
        };
        self.methods.insert(name.as_bytes(), Box::new(make));
    }

    /// A method that is written in Lua, on top of functions of ours.
    pub(super) fn lua_method(
        &mut self,
        name: &'static str,
        make: impl Fn(&Lua) -> mlua::Result<Function> + 'static,
    ) {
        self.methods.insert(name.as_bytes(), Box::new(make));
    }

    /// A method that may wait.
    pub(super) fn async_method<A, F, R>(
        &mut self,
        name: &'static str,
        call: impl Fn(Lua, This<T>, A) -> F + 'static,
    ) where
        A: FromLuaMulti + 'static,
        F: Future<Output = mlua::Result<R>> + 'static,
        R: IntoLuaMulti + 'static,
    {
        let (call, find) = (Rc::new(call), self.find);
        let make = move |lua: &Lua| {
            let call = Rc::clone(&call);
            waiting::function(lua, move |lua, (this, args): (Value, A)| {
                let this = This::of(&lua, find, this);
                let begun = this.map(|this| call(lua, this, args));
                async move { begun?.await }
            })
        };
        self.methods.insert(name.as_bytes(), Box::new(make));
    }

    /// A field that is read without the typed binding; only for objects behind handles.
    pub(super) fn read(&mut self, name: &'static str, read: Read<T>) {
        self.reads.insert(name.as_bytes(), read);
    }

    /// A field that is assigned without the typed binding; only for objects behind handles.
    pub(super) fn write(&mut self, name: &'static str, write: Write<T>) {
        self.writes.insert(name.as_bytes(), write);
    }

    /// A method that is called without the typed binding; only for objects behind handles.
    pub(super) fn call(&mut self, name: &'static str, call: Call<T>) {
        self.calls.insert(name.as_bytes(), call);
    }

    /// A method that the typed binding calls for objects of the VM only.
    pub(super) fn either<A: FromLuaMulti, R: IntoLuaMulti>(
        &mut self,
        name: &'static str,
        typed: impl Fn(&Lua, &T, A) -> mlua::Result<R> + 'static,
        quick: Call<T>,
    ) {
        self.method(name, typed);
        self.call(name, quick);
    }

    /// Puts the two functions into the type's registry.
    pub(super) fn install(self, registry: &mut UserDataRegistry<T>, others: &Others<T>) {
        let Self { getters, setters, methods, .. } = self;
        let (get_other, set_other) = (others.get, others.set);
        let made = RefCell::new(Names::<Function>::default());
        registry.add_meta_method(MetaMethod::Index, move |lua, this, name: LuaString| {
            let bytes = name.as_bytes();
            if let Some(get) = getters.get(&*bytes) {
                return get(lua, this);
            }
            let Some((&key, make)) = methods.get_key_value(&*bytes) else {
                return get_other(lua, this, &name);
            };
            let mut made = made.borrow_mut();
            if let Some(method) = made.get(key) {
                return Ok(Value::Function(method.clone()));
            }
            let method = make(lua)?;
            made.insert(key, method.clone());
            Ok(Value::Function(method))
        });
        registry.add_meta_method(
            MetaMethod::NewIndex,
            move |lua, this, (name, value): (LuaString, Value)| match setters.get(&*name.as_bytes())
            {
                Some(set) => set(lua, this, value),
                None => set_other(lua, this, &name, &value),
            },
        );
    }
}

impl<T: Handled> Members<T> {
    /// Members of an object that scripts hold by a handle.
    pub(super) fn handled() -> Self {
        Self { find: Some(T::find), ..Self::new() }
    }

    /// Lets handles of a kind have these members.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn install_handled(
        self,
        lua: &Lua,
        kind: Kind,
        others: &QuickOthers<T>,
    ) -> mlua::Result<()> {
        let (get, set) = (others.get, others.set);
        let mut dispatch = Dispatch::new(
            Box::new(move |tools, handle, name, out| get(&T::find(tools, handle)?, name, out)),
            Box::new(move |tools, handle, name, value| set(&T::find(tools, handle)?, name, value)),
        );
        let mut entries = Names::<Entry>::default();
        for (name, read) in self.reads {
            let read =
                move |tools: &Tools, handle, out: &mut Out<'_>| read(&T::find(tools, handle)?, out);
            entries.entry(name).or_default().read = Some(Box::new(read));
        }
        for (name, write) in self.writes {
            let write =
                move |tools: &Tools, handle, value: Arg<'_>| write(&T::find(tools, handle)?, value);
            entries.entry(name).or_default().write = Some(Box::new(write));
        }
        for (name, get) in self.getters {
            let get = move |lua: &Lua, this: Value| get(lua, &*This::of(lua, Some(T::find), this)?);
            entries.entry(name).or_default().getter(lua, lua.create_function(get)?)?;
        }
        for (name, set) in self.setters {
            let set = move |lua: &Lua, (this, _, value): (Value, Value, Value)| {
                set(lua, &*This::of(lua, Some(T::find), this)?, value)
            };
            entries.entry(name).or_default().setter(lua, lua.create_function(set)?)?;
        }
        for (name, make) in self.methods {
            if self.calls.contains_key(name) {
                continue;
            }
            entries.entry(name).or_default().method(lua, make(lua)?)?;
        }
        for (name, call) in self.calls {
            entries.entry(name).or_default().method(lua, quick_method(lua, call)?)?;
        }
        let tools = raw::tools(lua)?;
        for (name, entry) in entries {
            dispatch.add(&tools, std::str::from_utf8(name).unwrap_or_default(), entry)?;
        }
        dispatch.install(lua, kind)
    }
}

/// A method as a function whose first argument is the object.
fn quick_method<T: Handled>(lua: &Lua, call: Call<T>) -> mlua::Result<Function> {
    let method = move |tools: &Tools, args: Args<'_>, out: &mut Out<'_>| match args.at(0) {
        Arg::Handle(handle) => {
            call(&T::find(tools, handle)?, args.after_first(), out)?;
            Ok(Called::Answered)
        }
        _ => Err(mlua::Error::runtime("methods are called with a colon, as in object:method()")),
    };
    raw::function(lua, method, None)
}

/// What a script is told that asks for a field that is not there.
fn no_field(name: &[u8]) -> mlua::Error {
    let name = String::from_utf8_lossy(name);
    mlua::Error::runtime(format!("there is no field {name:?}"))
}

/// What a script is told that assigns a field that is not there.
fn no_assignment(name: &[u8]) -> mlua::Error {
    let name = String::from_utf8_lossy(name);
    mlua::Error::runtime(format!("there is no field {name:?} that can be assigned"))
}

impl<T> Others<T> {
    /// Names that are no member are errors.
    pub(super) const NONE: Self = Self {
        get: |_, _, name| Err(no_field(&name.as_bytes())),
        set: |_, _, name, _| Err(no_assignment(&name.as_bytes())),
    };
}

impl<T> QuickOthers<T> {
    /// Names that are no member are errors.
    pub(super) const NONE: Self = Self {
        get: |_, name, _| Err(no_field(name.bytes())),
        set: |_, name, _| Err(no_assignment(name.bytes())),
    };
}
