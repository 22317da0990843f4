//! How an end of a connection is shut down.

#[cfg(doc)]
use crate::error::cause::Cause;

/// How to shut a connection down, seen from the end that does it. All waiting tasks that are affected are woken.
///
/// An engine treats an unknown variant as [`Shutdown::Close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Shutdown {
    /// No more writing: the peer reads the remaining bytes, then the end of the stream. Reading continues.
    Write,
    /// No more reading: local reads return the end of the stream, and bytes that have arrived or arrive later are
    /// dropped. The peer's writes continue, and one that waits for this end to read completes.
    Read,
    /// No more reading or writing: local operations fail with [`Cause::SocketDown`]. The peer reads the remaining bytes
    /// and then the end of the stream, and its writes fail with [`Cause::BrokenPipe`].
    Close,
    /// Like [`Shutdown::Close`], but the peer's reads return the bytes that have reached it and then fail with
    /// [`Cause::ConnectionReset`], and its writes fail with [`Cause::ConnectionReset`].
    Reset,
    /// [`Shutdown::Reset`] if there are unread bytes at this end, as in TCP (RFC 9293, section 3.6.1; RFC 1122, section
    /// 4.2.2.13), else [`Shutdown::Close`]. The engine decides in one step, so bytes that arrive later change nothing.
    /// An engine that cannot tell closes, and so does one in rendezvous.
    CloseOrReset,
    /// Like [`Shutdown::Close`], but the peer's reads and writes fail with [`Cause::ConnectionReset`], and bytes in
    /// flight are dropped.
    Abort,
    /// The end's machine has no power: local operations fail with [`Cause::SocketDown`], and the peer is told nothing.
    /// What was written arrives. Asked of [engines with faults](crate::Layer) alone, and where those cannot do it, the
    /// engine within is asked for [`Shutdown::Abort`].
    Vanish,
}
