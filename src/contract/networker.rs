//! The contract of a named access point, so that one program can run over any network.

use crate::addr::Addr;
use crate::addr::name::HostName;
use crate::addr::to_addr::ToAddr;
use crate::error::Error;
use crate::error::close::CloseError;
use crate::wait::{OnTimeout, Op};

/// A named access point of a network that can dial, listen and close. It is implemented by a [`Host`](crate::Host) of a
/// virtual network, and for the operating system's TCP by [`Tcp`](crate::Tcp) (threads) and `TokioTcp` (tokio). It is
/// for generic functions; there is no `dyn Networker`.
///
/// # Examples
///
/// One function, over a virtual network and over real TCP:
///
/// ```
/// use std::io::{Read, Write};
/// use std::thread;
/// use virtnet::{NetListener as _, Networker, NetStream, Tcp, pipenet};
///
/// fn greet<S, C>(server: &S, client: &C) -> std::io::Result<String>
/// where
///     S: Networker<Conn: Write>,
///     C: Networker<Conn: Read>,
/// {
///     let listener = server.listen("")?;
///     let addr = listener.local_addr();
///     thread::scope(|scope| {
///         let serving = scope.spawn(|| listener.accept().wait()?.write_all(b"hi"));
///         let mut conn = client.dial(addr).wait()?;
///         let mut text = String::new();
///         conn.read_to_string(&mut text)?;
///         serving.join().unwrap()?;
///         Ok(text)
///     })
/// }
///
/// let net = pipenet::Network::new("t");
/// assert_eq!(greet(&net.host("a")?, &net.host("b")?)?, "hi");
/// let tcp = Tcp::new("127.0.0.1")?;
/// assert_eq!(greet(&tcp, &tcp)?, "hi");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The same in async code:
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
/// use virtnet::{NetListener as _, Networker, TokioTcp, pipenet};
///
/// async fn greet<S, C>(server: &S, client: &C) -> std::io::Result<String>
/// where
///     S: Networker<Listener: 'static, Conn: AsyncWrite + Unpin + 'static>,
///     C: Networker<Conn: AsyncRead + Unpin>,
/// {
///     let listener = server.listen("")?;
///     let addr = listener.local_addr();
///     let serving = tokio::spawn(async move { listener.accept().await?.write_all(b"hi").await });
///     let mut text = String::new();
///     client.dial(addr).await?.read_to_string(&mut text).await?;
///     serving.await??;
///     Ok(text)
/// }
///
/// let net = pipenet::Network::new("t");
/// assert_eq!(greet(&net.host("a")?, &net.host("b")?).await?, "hi");
/// let tcp = TokioTcp::new("127.0.0.1")?;
/// assert_eq!(greet(&tcp, &tcp).await?, "hi");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tokio"))]
/// # fn main() {}
/// ```
pub trait Networker: Send + Sync {
    /// The type of a connection, as returned by dial and accept.
    type Conn: NetStream;

    /// The type of a listener.
    type Listener: NetListener<Conn = Self::Conn>;

    /// The full name of the network.
    fn network_name(&self) -> &str;

    /// The name of the access point, which is the host in its addresses.
    fn name(&self) -> HostName;

    /// Connects to a listener; see [`Host::dial`](crate::Host::dial).
    ///
    /// # Errors
    ///
    /// Those of [`Host::dial`](crate::Host::dial).
    fn dial(&self, addr: impl ToAddr + Send) -> Op<impl OnTimeout<Output = Result<Self::Conn, Error>> + Send>;

    /// Listens at a port; see [`Host::listen`](crate::Host::listen).
    ///
    /// # Errors
    ///
    /// Those of [`Host::listen`](crate::Host::listen).
    fn listen(&self, addr: impl ToAddr) -> Result<Self::Listener, Error>;

    /// Closes the access point with all its sockets; see [`Host::close`](crate::Host::close).
    ///
    /// # Errors
    ///
    /// Those of [`Host::close`](crate::Host::close).
    fn close(&self) -> Op<impl OnTimeout<Output = Result<(), CloseError>> + Send>;
}

/// A listener of a [`Networker`].
pub trait NetListener: Send + Sync {
    /// The type of an accepted connection.
    type Conn;

    /// Waits for the next connection; see [`Listener::accept`](crate::Listener::accept).
    ///
    /// # Errors
    ///
    /// Those of [`Listener::accept`](crate::Listener::accept).
    fn accept(&self) -> Op<impl OnTimeout<Output = Result<Self::Conn, Error>> + Send>;

    /// The listener's address.
    fn local_addr(&self) -> Addr;

    /// Closes the listener and wakes all tasks that wait to accept.
    fn close(&self);
}

/// A connection of a [`Networker`]. A generic function states in its bounds how it reads and writes, for example with
/// the traits of `std::io`: `N: Networker<Conn: Read + Write>`.
pub trait NetStream: Send + Sync + Sized {
    /// The address of this end.
    fn local_addr(&self) -> Addr;

    /// The address of the other end.
    fn peer_addr(&self) -> Addr;

    /// Ends the stream to the peer; see [`Conn::close_write`](crate::Conn::close_write).
    ///
    /// # Errors
    ///
    /// Those of [`Conn::close_write`](crate::Conn::close_write).
    fn close_write(&self) -> Result<(), Error>;

    /// Stops reading; see [`Conn::close_read`](crate::Conn::close_read).
    ///
    /// # Errors
    ///
    /// Those of [`Conn::close_read`](crate::Conn::close_read).
    fn close_read(&self) -> Result<(), Error>;

    /// Resets the connection where its network can, so that the peer does not take what it has read for all of it; see
    /// [`Conn::abort`](crate::Conn::abort). The reset may be sent only when the connection is dropped, so drop it then.
    ///
    /// | connection | the peer |
    /// |---|---|
    /// | [`Conn`](crate::Conn) | `connection reset`, at once |
    /// | `TokioTcpStream` | `connection reset`, once this end is dropped |
    /// | [`TcpConn`](crate::TcpConn), and by default | the end of the stream, as std cannot reset a connection; with bytes unread at this end, the operating system resets it |
    fn abort(&self) {
        // Either fails only if the connection is already down.
        let _ = self.close_read();
        let _ = self.close_write();
    }
}
