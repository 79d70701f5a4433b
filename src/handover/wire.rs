//! What goes over the socket between two processes: one message with all descriptors and a line
//! for each, then single words.
//!
//! Both may be of different versions, so the first line says how the rest is written.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::{Held, Kind};

/// How this version writes.
const GREETING: &str = "moongate sockets 1\n";
/// What the new process says when it accepts connections.
pub(super) const READY: u8 = b'r';
/// What the old process says when nobody but the new one reads datagrams of QUIC any more.
pub(super) const RELEASED: u8 = b'q';
/// Sockets of one process; Linux carries 253 descriptors at once.
const SOCKETS_MAX: usize = 128;
const MESSAGE_BYTES_MAX: usize = 32 * 1024;

/// Sends all sockets.
pub(super) fn send(to: impl AsFd, sockets: &[Held]) -> io::Result<()> {
    let mut text = String::from(GREETING);
    for held in sockets {
        text.push_str(&format!("{} {}\n", held.kind.name(), held.name));
    }
    if sockets.len() > SOCKETS_MAX || text.len() > MESSAGE_BYTES_MAX {
        return Err(io::Error::other("there are too many listening sockets to hand over"));
    }
    let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(|held| held.socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("the descriptors do not fit in a message"));
    }
    let sent = sendmsg(to, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    if sent < text.len() {
        return Err(io::Error::other("the message was cut short"));
    }
    Ok(())
}

/// Receives all sockets; those of unknown kinds are closed.
pub(super) fn receive(from: impl AsFd) -> io::Result<Vec<Held>> {
    let mut bytes = vec![0; MESSAGE_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let read = recvmsg(from, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    let text = std::str::from_utf8(bytes.get(..read.bytes).unwrap_or_default());
    let unread =
        || io::Error::new(io::ErrorKind::InvalidData, "the other process says nothing I know");
    let lines = text.ok().and_then(|text| text.strip_prefix(GREETING)).ok_or_else(unread)?;
    let named = lines.lines().zip(descriptors).filter_map(|(line, socket)| {
        let (kind, name) = line.split_once(' ')?;
        Some(Held { name: name.to_owned(), kind: Kind::named(kind)?, socket })
    });
    Ok(named.collect())
}
