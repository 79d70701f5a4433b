//! The module `geo`.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use mlua::{LuaString, UserData, UserDataRegistry, Value};

use super::files::permitted;
use super::members::Others;
use super::store::refused;
use super::{Doc, Function, Member, Module, Object, json};
use crate::lua::geo::Geo;
use crate::lua::shared::Opened;

pub(super) const MODULE: Module = Module {
    name: "geo",
    text: "Databases of what is known about addresses, in MaxMind's format (mmdb).",
    functions: &[Function {
        doc: Doc {
            name: "open",
            signature: "geo.open(path: string) -> geo",
            text: "Reads a database, in `setup`, once for all workers, and again when its file \
                   has changed. The path must be the value of an option of the type `path`.",
            example: "local places = geo.open(options.database)",
        },
        make: |lua, tools| {
            let tools = std::rc::Rc::clone(tools);
            lua.create_function(move |_, path: LuaString| {
                let path = permitted(&tools, &path.to_str()?)?;
                let length = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
                let bytes = usize::try_from(length).unwrap_or(usize::MAX);
                let name = path.to_string_lossy();
                let geo = tools.scope()?.open(&name, bytes, Geo::default).map_err(refused)?;
                geo.load(&path).map_err(mlua::Error::external)?;
                // It has just been read.
                geo.is_due(geo.now());
                Ok(GeoObject { geo, path: path.into() })
            })
            .map(Value::Function)
        },
    }],
};

/// What `geo.open` opens.
pub(super) struct GeoObject {
    geo: Arc<Opened<Geo>>,
    path: Arc<Path>,
}

pub(super) const GEO: Object<GeoObject> = Object {
    name: "geo",
    text: "A database that `geo.open` has opened.",
    members: &[Member {
        doc: Doc {
            name: "lookup",
            signature: "geo:lookup(address: string) -> any",
            text: "What the database says of an address, as tables; nil when it says nothing, or \
                   when the text is no address.",
            example: "local place = places:lookup(req.remote_ip)",
        },
        add: |members| {
            members.method("lookup", |lua, this, address: LuaString| {
                if this.geo.is_due(this.geo.now()) {
                    let (geo, path) = (Arc::clone(&this.geo), Arc::clone(&this.path));
                    tokio::task::spawn_blocking(move || {
                        if let Err(error) = geo.load(&path) {
                            tracing::error!(%error, "the database stays as it was");
                        }
                    });
                }
                let address: Option<IpAddr> = address.to_string_lossy().parse().ok();
                match address.and_then(|address| this.geo.look_up(address.to_canonical())) {
                    Some(facts) => json::to_lua(lua, &facts),
                    None => Ok(Value::Nil),
                }
            });
        },
    }],
};

impl UserData for GeoObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        GEO.register(registry, &Others::NONE);
    }
}
