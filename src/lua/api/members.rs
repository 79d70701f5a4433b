//! The members of an object in one table, behind one function for reading and one for writing:
//! a quarter of the cost of a getter per field.

use std::cell::RefCell;
use std::rc::Rc;

use hashbrown::HashMap;
use mlua::{FromLua, FromLuaMulti, Function, IntoLua, IntoLuaMulti, Lua, LuaString, MetaMethod};
use mlua::{UserDataMethods, UserDataRef, UserDataRegistry, Value};

type Names<V> = HashMap<&'static [u8], V, foldhash::fast::FixedState>;
type Getter<T> = Box<dyn Fn(&Lua, &T) -> mlua::Result<Value>>;
type Setter<T> = Box<dyn Fn(&Lua, &T, Value) -> mlua::Result<()>>;
type Maker = Box<dyn Fn(&Lua) -> mlua::Result<Function>>;

/// Fields and methods of an object as they are collected.
pub(super) struct Members<T> {
    getters: Names<Getter<T>>,
    setters: Names<Setter<T>>,
    methods: Names<Maker>,
}

/// What a name means that is no member: an error, or a header, for example.
pub(super) struct Others<T> {
    pub(super) get: fn(&Lua, &T, &LuaString) -> mlua::Result<Value>,
    pub(super) set: fn(&Lua, &T, &LuaString, &Value) -> mlua::Result<()>,
}

impl<T: 'static> Members<T> {
    pub(super) fn new() -> Self {
        let (getters, setters) = (Names::default(), Names::default());
        Self { getters, setters, methods: Names::default() }
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
        let call = Rc::new(call);
        let make = move |lua: &Lua| {
            let call = Rc::clone(&call);
            lua.create_function(move |lua, (this, args): (UserDataRef<T>, A)| {
                call(lua, &this, args)
            })
        };
        self.methods.insert(name.as_bytes(), Box::new(make));
    }

    /// A method that may wait.
    pub(super) fn async_method<A, F, R>(
        &mut self,
        name: &'static str,
        call: impl Fn(Lua, UserDataRef<T>, A) -> F + 'static,
    ) where
        A: FromLuaMulti + 'static,
        F: Future<Output = mlua::Result<R>> + 'static,
        R: IntoLuaMulti + 'static,
    {
        let call = Rc::new(call);
        let make = move |lua: &Lua| {
            let call = Rc::clone(&call);
            lua.create_async_function(move |lua, (this, args): (UserDataRef<T>, A)| {
                call(lua, this, args)
            })
        };
        self.methods.insert(name.as_bytes(), Box::new(make));
    }

    /// Puts the two functions into the type's registry.
    pub(super) fn install(self, registry: &mut UserDataRegistry<T>, others: &Others<T>) {
        let Self { getters, setters, methods } = self;
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

impl<T> Others<T> {
    /// Names that are no member are errors.
    pub(super) const NONE: Self = Self {
        get: |_, _, name| {
            let name = name.to_string_lossy();
            Err(mlua::Error::runtime(format!("there is no field {name:?}")))
        },
        set: |_, _, name, _| {
            let name = name.to_string_lossy();
            Err(mlua::Error::runtime(format!("there is no field {name:?} that can be assigned")))
        },
    };
}
