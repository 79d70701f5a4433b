//! HTTP/1 with clients: heads read, bodies streamed, answers written, in the connection's own
//! task (RFC 9112).
//!
//! One request is answered at a time; those that a client sends ahead wait in the buffer. While
//! one is answered the socket is watched, so that a client that leaves is noticed.

mod answer;
mod body;
mod head;
mod reading;
mod wire;

pub use reading::{BodyReading, HeadReading, read_head};

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use self::answer::{After, Sender};
use self::body::ClientBody;
use self::head::{Framing, Heading, Refusal};
use self::wire::{Shared, Unread, Wire};
use super::admit::Rest;
use super::finish::Finish;
use super::handle::{Connection, handle, refuse};
use crate::message::{Body, Failure, Interim, Io, Response, Upgrade};

/// Bytes of a request's body that are read and dropped, so that the connection can be kept.
const DRAIN_BYTES_MAX: u64 = 256 * 1024;
/// How long a client may take to read the last answer before the connection is reset.
const LINGER: Duration = Duration::from_secs(1);

/// Whether a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It may bring any number of requests.
    Never,
    /// After the next answer, whenever that is.
    AfterNext,
    /// After what it is doing, at once when it is idle.
    Now,
}

/// Serves a connection until either side ends it; `stop` asks to end it after the next answer.
///
/// # Errors
/// When the connection breaks.
pub(super) async fn serve<S>(
    stream: S,
    ahead: BytesMut,
    connection: Rc<Connection>,
    stop: Rc<Cell<Stop>>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let wire = Wire::shared(stream, ahead, Rc::clone(&connection.worker.pools));
    // What requests need is boxed, and dropped while the connection rests.
    while Box::pin(requests(&wire, &connection, &stop)).await? == Then::Rest {
        let read = poll_fn(|cx| poll_idle(&mut wire.borrow_mut(), cx, &stop)).await?;
        if read == 0 {
            return Ok(());
        }
        connection.activity.received();
    }
    Ok(())
}

/// What follows requests.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    /// The connection is idle, and has been for some time.
    Rest,
    End,
}

/// Serves requests as long as they come.
async fn requests<S>(
    wire: &Shared<S>,
    connection: &Rc<Connection>,
    stop: &Cell<Stop>,
) -> io::Result<Then>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    loop {
        let heading = match next(wire, connection, stop).await? {
            Found::End => return Ok(Then::End),
            Found::Rest => return Ok(Then::Rest),
            Found::Failed(Refusal { failure, line }) => {
                let (response, finish) = refuse(connection, failure, &line).await;
                let is_head = line.starts_with(b"HEAD ");
                let sender = Sender::new(wire, &connection.worker, After::Close);
                let sender = sender.to(::http::Version::HTTP_11, is_head);
                sender.send(response, Some(finish)).await?;
                linger(wire).await?;
                return Ok(Then::End);
            }
            Found::Head(heading) => heading,
        };
        let exchange = exchange(wire, connection, stop, heading);
        let next = match connection.entrypoint.limits.write {
            None => exchange.await?,
            // As in Go, who is too late gets nothing more.
            Some(limit) => tokio::time::timeout(limit, Box::pin(exchange)).await??,
        };
        match next {
            Next::Request => drain(wire).await?,
            Next::End => {
                linger(wire).await?;
                return Ok(Then::End);
            }
            Next::Gone => return Ok(Then::End),
        }
    }
}

/// Waits for bytes of the next request; none when the connection is to end.
fn poll_idle<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    cx: &mut Context<'_>,
    stop: &Cell<Stop>,
) -> Poll<io::Result<usize>> {
    if stop.get() == Stop::Now && wire.buffer.is_empty() {
        return Poll::Ready(Ok(0));
    }
    wire.poll_fill(cx)
}

/// What comes after an answer.
enum Next {
    Request,
    /// The connection is closed, once the client has had the answer.
    End,
    /// There is nothing left to close.
    Gone,
}

/// What the next bytes are.
enum Found {
    Head(Heading),
    Failed(Refusal),
    /// Nothing for some time.
    Rest,
    End,
}

/// Reads the next head.
async fn next<S>(wire: &Shared<S>, connection: &Connection, stop: &Cell<Stop>) -> io::Result<Found>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let head_bytes_max = connection.entrypoint.limits.head_bytes_max;
    let mut scanned = 0;
    loop {
        {
            let mut wire = wire.borrow_mut();
            if wire.may_hold_head(scanned) {
                match head::read(&mut wire.buffer) {
                    Ok(None) => scanned = wire.buffer.len(),
                    Ok(Some(heading)) => return Ok(Found::Head(heading)),
                    Err(refusal) => return Ok(Found::Failed(refusal)),
                }
            }
            if wire.buffer.len() > head_bytes_max {
                let has_line = wire.buffer.contains(&b'\n');
                let failure = if has_line { Failure::HeadTooLarge } else { Failure::TargetTooLong };
                return Ok(Found::Failed(Refusal::of(failure, &wire.buffer)));
            }
        }
        let read = poll_fn(|cx| {
            let mut wire = wire.borrow_mut();
            let polled = poll_idle(&mut wire, cx, stop)?;
            match polled {
                Poll::Pending if connection.activity.is_resting() && wire.buffer.is_empty() => {
                    Poll::Ready(Ok::<_, io::Error>(None))
                }
                polled => polled.map(|read| Ok(Some(read))),
            }
        });
        match read.await? {
            None => return Ok(Found::Rest),
            Some(0) => return Ok(Found::End),
            Some(_) => connection.activity.received(),
        }
    }
}

/// Answers one request.
async fn exchange<S>(
    wire: &Shared<S>,
    connection: &Rc<Connection>,
    stop: &Cell<Stop>,
    heading: Heading,
) -> io::Result<Next>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let Heading { head, framing, keeps, expects, upgrades } = heading;
    let is_head = head.method == ::http::Method::HEAD;
    let version = head.version;
    let reading = connection.activity.reading(framing != Framing::None);
    let body = match framing {
        Framing::None => Body::Empty,
        Framing::Length(_) | Framing::Chunked => {
            wire.borrow_mut().expect(framing, expects);
            Body::stream(ClientBody::new(Rc::clone(wire), reading))
        }
    };
    let (switch, upgrade) = if upgrades { switch() } else { (None, None) };
    // HTTP/1.0 knows one answer only.
    let interim = (version == ::http::Version::HTTP_11).then(Rc::<Interim>::default);
    let rest = Rest { body, upgrade, interim: interim.clone() };
    let answer = pin!(handle(connection, head, rest));
    let Some((response, finish)) = respond(wire, answer, interim.as_deref()).await? else {
        return Ok(Next::Gone);
    };
    // Whoever sends what can be read in two ways may have meant another end of it than we do.
    let is_doubtful = matches!(response.failure, Some(Failure::BadRequest(_)));
    let after = match keeps {
        true if stop.get() == Stop::Never
            && !is_doubtful
            && !connection.keepalive.is_spent()
            && wire.borrow().can_drain(DRAIN_BYTES_MAX) =>
        {
            After::Keep
        }
        _ => After::Close,
    };
    let switches = response.status == ::http::StatusCode::SWITCHING_PROTOCOLS;
    let sender = Sender::new(wire, &connection.worker, after).to(version, is_head);
    let after = sender.send(response, Some(finish)).await?;
    if switches && let Some(switch) = switch {
        let io = wire.borrow_mut().take();
        if let Some(io) = io {
            // Nobody waits for it when the server's side has gone already.
            let _ = switch.send(Box::new(io));
        }
        return Ok(Next::Gone);
    }
    Ok(if after == After::Keep { Next::Request } else { Next::End })
}

type Switch = oneshot::Sender<Box<dyn Io>>;

/// The two ends of an upgrade.
fn switch() -> (Option<Switch>, Option<Upgrade>) {
    let (switch, switched) = oneshot::channel();
    let upgrade = async { switched.await.map_err(|_| io::ErrorKind::ConnectionAborted.into()) };
    (Some(switch), Some(Box::pin(upgrade)))
}

/// Waits for the answer, and says what comes before it; `None` when the client leaves meanwhile.
async fn respond<S>(
    wire: &Shared<S>,
    mut answer: std::pin::Pin<&mut impl Future<Output = (Response, Finish)>>,
    interim: Option<&Interim>,
) -> io::Result<Option<(Response, Finish)>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut answered = None;
    poll_fn(|cx| {
        if answered.is_none()
            && let Poll::Ready(answer) = answer.as_mut().poll(cx)
        {
            answered = Some(answer);
        }
        let mut wire = wire.borrow_mut();
        for (status, headers) in interim.map(Interim::take).unwrap_or_default() {
            wire.say(&answer::interim(status, &headers));
        }
        // What was said meanwhile, such as 100 Continue, goes out before the answer.
        match wire.poll_flush_out(cx) {
            Poll::Ready(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            Poll::Ready(Ok(())) if answered.is_some() => return Poll::Ready(Ok(answered.take())),
            _ => {}
        }
        if answered.is_none() && wire.is_gone(cx) { Poll::Ready(Ok(None)) } else { Poll::Pending }
    })
    .await
}

/// Reads and drops what is left of a request's body.
async fn drain<S>(wire: &Shared<S>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|cx| {
        loop {
            let mut wire = wire.borrow_mut();
            match wire.unread {
                Unread::Nothing => return Poll::Ready(Ok(())),
                _ => match std::task::ready!(wire.poll_body(cx)) {
                    None => return Poll::Ready(Ok(())),
                    Some(Ok(_)) => {}
                    Some(Err(_)) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                },
            }
        }
    })
    .await
}

/// Closes our side and waits a little for the client's: an early reset would take the answer away
/// from a client that is still sending (RFC 9112, section 9.6).
async fn linger<S>(wire: &Shared<S>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut left = DRAIN_BYTES_MAX;
    let goodbye = poll_fn(|cx| {
        let mut wire = wire.borrow_mut();
        std::task::ready!(wire.poll_shutdown(cx))?;
        loop {
            let read = std::task::ready!(wire.poll_discard(cx))?;
            left = left.saturating_sub(read as u64);
            if read == 0 || left == 0 {
                return Poll::Ready(Ok::<_, io::Error>(()));
            }
        }
    });
    // Past the limit the client has had its time.
    tokio::time::timeout(LINGER, goodbye).await.unwrap_or(Ok(()))
}
