//! The bodies of requests and responses: reading, replacing, coding, and functions that work on
//! them as they stream.
//!
//! Bytes stay outside of Lua until a script asks for them. Must not know whose body it is beyond
//! what [`Holder`] tells.

use std::rc::Rc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body::Body as _;
use mlua::{BString, Function, Lua, LuaString, Table, Value};

use super::members::Members;
use super::{RequestObject, ResponseObject};
use crate::content::Coding;
use crate::lua::error::RequestBodyFailed;
use crate::lua::run::{Change, RequestSlot, ResponseSlot, Run};
use crate::lua::stream::Coded;
use crate::lua::tools::Tools;
use crate::message::{
    Body, BodyError, Failure, KeepError, Kept, ReadAhead, Room, peek, read_ahead,
};

/// Bytes of a body that are kept in memory at most unless the script says otherwise.
const MEMORY_BYTES: usize = 1 << 20;
/// Bytes that can be looked at ahead.
const PEEK_BYTES_MAX: usize = 64 * 1024;

/// An object that has a body.
pub(super) trait Holder: 'static {
    type Slot: Held;
    fn slot(&self) -> Rc<Self::Slot>;
}

/// A message while a script holds it.
pub(super) trait Held: 'static {
    /// Takes the body out, with all changes made.
    fn take(&self) -> Option<Body>;
    /// Puts a body in.
    fn put(&self, body: Body);
    /// Puts a body in the place of what came.
    fn exchange(&self, body: Body);
    /// Puts in a body that can be handed out more than once.
    fn keep(&self, kept: Kept);
    /// Looks at headers and body.
    fn look<R>(&self, look: impl FnOnce(&mut HeaderMap, &Body) -> R) -> mlua::Result<R>;
    /// Lets a change of the body be made when the hook has ended.
    fn change(&self, change: Change);
    /// What the script sees when the body ends early.
    fn failed(error: BodyError) -> mlua::Error;
    fn tools(&self) -> &Rc<Tools>;
}

/// The known length of the body.
pub(super) fn length<T: Holder>(members: &mut Members<T>) {
    members.getter("length", |_, this| this.slot().look(|_, body| body.size_hint().exact()));
}

/// Reads the body as a string.
pub(super) fn read<T: Holder>(members: &mut Members<T>) {
    members.async_method("body", |lua, this, options: Option<Table>| {
        let slot = this.slot();
        let begun = begin(&lua, &*slot).and_then(|run| Ok((run, limit(options.as_ref())?)));
        async move {
            let (run, limit_bytes) = begun?;
            let limit_bytes = Some(limit_bytes.unwrap_or(run.limits.body_bytes as u64));
            let room = Room { limit_bytes, memory_bytes: usize::MAX };
            let body = take(&*slot)?;
            match run.outside(read_ahead(body, room)).await {
                Ok(ReadAhead::All(kept)) => {
                    let bytes = match &kept {
                        Kept::Bytes(bytes) | Kept::Trailed(bytes, _) => bytes.clone(),
                        Kept::Spool(..) | Kept::Stream(_) => Bytes::new(),
                    };
                    slot.keep(kept);
                    Ok(BString::from(&bytes[..]))
                }
                Ok(ReadAhead::Over(body)) => {
                    slot.put(body);
                    Err(T::Slot::failed(BodyError::TooLarge))
                }
                Err(error) => Err(failed::<T>(&error)),
            }
        }
    });
}

/// Reads the body without handing it to the script.
pub(super) fn buffer<T: Holder>(members: &mut Members<T>) {
    members.async_method("buffer", |lua, this, options: Option<Table>| {
        let slot = this.slot();
        let begun = begin(&lua, &*slot).and_then(|run| Ok((run, room(options.as_ref())?)));
        async move {
            let (run, room) = begun?;
            let body = take(&*slot)?;
            match run.outside(read_ahead(body, room)).await {
                Ok(ReadAhead::All(kept)) => {
                    slot.keep(kept);
                    Ok(true)
                }
                Ok(ReadAhead::Over(body)) => {
                    slot.put(body);
                    Ok(false)
                }
                Err(error) => Err(failed::<T>(&error)),
            }
        }
    });
}

/// Looks at the first bytes.
pub(super) fn look_ahead<T: Holder>(members: &mut Members<T>) {
    members.async_method("peek", |lua, this, bytes: usize| {
        let slot = this.slot();
        let begun = begin(&lua, &*slot);
        async move {
            let run = begun?;
            let body = take(&*slot)?;
            match run.outside(peek(body, bytes.clamp(1, PEEK_BYTES_MAX))).await {
                Ok((seen, all, body)) => {
                    slot.put(body);
                    Ok((BString::from(&seen[..]), all))
                }
                Err(error) => Err(T::Slot::failed(error)),
            }
        }
    });
}

/// Walks over the chunks of the body.
pub(super) fn chunks<T: Holder>(members: &mut Members<T>) {
    members.method("chunks", |lua, this, ()| {
        let slot = Rc::downgrade(&this.slot());
        lua.create_async_function(move |lua, _: Value| {
            let begun = slot.upgrade().map(|slot| (begin(&lua, &*slot), slot));
            async move {
                let Some((run, slot)) = begun else { return Ok(None) };
                let run = run?;
                loop {
                    let mut body = take(&*slot)?;
                    let next = run.outside(async move { (body.frame().await, body) });
                    let (frame, body) = next.await;
                    slot.put(body);
                    let Some(frame) = frame else { return Ok(None) };
                    let frame = frame.map_err(T::Slot::failed)?;
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Ok(Some(BString::from(&data[..])));
                    }
                }
            }
        })
    });
}

/// Puts another body in the place of the one that came.
pub(super) fn replace<T: Holder>(members: &mut Members<T>) {
    members.method("replace", |_, this, body: LuaString| {
        let slot = this.slot();
        slot.look(|headers, _| forget_length(headers))?;
        slot.exchange(Bytes::copy_from_slice(&body.as_bytes()).into());
        Ok(())
    });
}

/// Lets a function work on the body as it streams.
pub(super) fn filter<T: Holder>(members: &mut Members<T>) {
    members.method("filter", |lua, this, function: Function| {
        let slot = this.slot();
        let run = begin(lua, &*slot)?;
        let Some(cx) = run.cx.borrow().clone() else { return Ok(()) };
        slot.look(|headers, _| forget_length(headers))?;
        let filter = run.instance.filter(&run.loaded, &cx, function, "a filter");
        slot.change(Box::new(|body| filter.apply(body)));
        Ok(())
    });
}

/// Compresses the body.
pub(super) fn encode<T: Holder>(members: &mut Members<T>) {
    members.method("encode", |_, this, (name, options): (LuaString, Option<Table>)| {
        let name = name.to_str()?;
        let unknown =
            || mlua::Error::runtime(format!("unknown coding {:?}: gzip, br, zstd", &*name));
        let coding = Coding::named(&name).ok_or_else(unknown)?;
        let level = match &options {
            Some(options) => options.get::<Option<u32>>("level")?,
            None => None,
        };
        // A wrong level is told here and not when the body comes.
        crate::content::Codec::encoder(coding, level).map_err(mlua::Error::external)?;
        let slot = this.slot();
        slot.look(|headers, _| {
            forget_length(headers);
            headers.append(CONTENT_ENCODING, http::HeaderValue::from_static(coding.name()));
        })?;
        slot.change(Box::new(move |body| coded(Coded::encode(body, coding, level))));
        Ok(())
    });
}

/// Decompresses the body.
pub(super) fn decode<T: Holder>(members: &mut Members<T>) {
    members.method("decode", |_, this, ()| {
        let slot = this.slot();
        let coding = slot.look(|headers, _| {
            let coding = Coding::named(headers.get(CONTENT_ENCODING)?.to_str().ok()?.trim())?;
            headers.remove(CONTENT_ENCODING);
            forget_length(headers);
            Some(coding)
        })?;
        let Some(coding) = coding else { return Ok(false) };
        slot.change(Box::new(move |body| coded(Coded::decode(body, coding))));
        Ok(true)
    });
}

fn coded(made: Result<Body, crate::content::CodecError>) -> Body {
    made.unwrap_or_else(|error| {
        tracing::error!(%error, "a body could not be coded");
        Body::Empty
    })
}

/// What a body that is changed is framed by is told anew.
pub(super) fn forget_length(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
}

/// The run that asks, which may wait.
fn begin<H: Held>(lua: &Lua, slot: &H) -> mlua::Result<Rc<Run>> {
    let tools = slot.tools();
    tools.gate.may_wait(lua)?;
    let run = tools.current.borrow().clone();
    run.ok_or_else(|| mlua::Error::runtime("no request runs"))
}

fn take<H: Held>(slot: &H) -> mlua::Result<Body> {
    slot.look(|_, _| ())?;
    slot.take().ok_or_else(|| mlua::Error::runtime("the body has been sent already"))
}

fn failed<T: Holder>(error: &KeepError) -> mlua::Error {
    match error {
        KeepError::Body(error) => T::Slot::failed(*error),
        KeepError::File(_) => mlua::Error::runtime(error.to_string()),
    }
}

fn limit(options: Option<&Table>) -> mlua::Result<Option<u64>> {
    match options {
        Some(options) => options.get("limit"),
        None => Ok(None),
    }
}

fn room(options: Option<&Table>) -> mlua::Result<Room> {
    let memory = match options {
        Some(options) => options.get::<Option<usize>>("memory")?,
        None => None,
    };
    Ok(Room { limit_bytes: limit(options)?, memory_bytes: memory.unwrap_or(MEMORY_BYTES) })
}

impl Holder for RequestObject {
    type Slot = RequestSlot;

    fn slot(&self) -> Rc<RequestSlot> {
        Rc::clone(&self.0)
    }
}

impl Holder for ResponseObject {
    type Slot = ResponseSlot;

    fn slot(&self) -> Rc<ResponseSlot> {
        Rc::clone(&self.0)
    }
}

impl Held for RequestSlot {
    fn take(&self) -> Option<Body> {
        self.take_body()
    }

    fn put(&self, body: Body) {
        self.kept.take();
        if let Some(request) = &mut *self.request.borrow_mut() {
            request.body = body;
        }
    }

    fn exchange(&self, body: Body) {
        self.changes.take();
        self.put(body);
    }

    fn keep(&self, kept: Kept) {
        // The exact length must be seen in the request as well.
        self.put(kept.body().unwrap_or_default());
        self.kept.replace(Some(kept));
    }

    fn look<R>(&self, look: impl FnOnce(&mut HeaderMap, &Body) -> R) -> mlua::Result<R> {
        self.with_mut(|request| {
            let parts = &mut **request;
            Ok(look(&mut parts.headers, &parts.body))
        })
    }

    fn change(&self, change: Change) {
        self.changes.borrow_mut().push(change);
    }

    fn failed(error: BodyError) -> mlua::Error {
        mlua::Error::external(RequestBodyFailed(Failure::of_request_body(error)))
    }

    fn tools(&self) -> &Rc<Tools> {
        &self.tools
    }
}

impl Held for ResponseSlot {
    fn take(&self) -> Option<Body> {
        self.take_body()
    }

    fn put(&self, body: Body) {
        if let Some(response) = &mut *self.response.borrow_mut() {
            response.body = body;
        }
    }

    fn exchange(&self, body: Body) {
        self.changes.take();
        if let Some(response) = &mut *self.response.borrow_mut() {
            let old = std::mem::replace(&mut response.body, body);
            // The body that came is what `onError: skip` puts back.
            self.replaced.borrow_mut().get_or_insert(old);
        }
    }

    fn keep(&self, kept: Kept) {
        self.put(kept.body().unwrap_or_default());
    }

    fn look<R>(&self, look: impl FnOnce(&mut HeaderMap, &Body) -> R) -> mlua::Result<R> {
        self.with_mut(|response| Ok(look(&mut response.headers, &response.body)))
    }

    fn change(&self, change: Change) {
        self.changes.borrow_mut().push(change);
    }

    fn failed(error: BodyError) -> mlua::Error {
        mlua::Error::runtime(format!("reading the body of the response: {error}"))
    }

    fn tools(&self) -> &Rc<Tools> {
        &self.tools
    }
}
