//! Joining a network.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use core::future::{Future, IntoFuture};
use core::pin::Pin;
use core::time::Duration;
use std::io;
use std::path::PathBuf;

use crate::addr::name::NetworkName;
use crate::contract::layer::{Bare, Layer};
use crate::error::kind::ErrorKind;
use crate::lonet::directory::Directory;
use crate::lonet::error::{Failure, JoinError};
use crate::lonet::folder::Base;
use crate::lonet::{NetHandle, Network, PREFIX, SubNetwork};
use crate::net::subnet::Options;
use crate::table::Heap;
use crate::wait::{Expiring, OnTimeout, Op};
use crate::wire::reactor::Reactor;
use crate::wire::sockets::{SocketOptions, Sockets};

/// Joins the network `name`, or makes it if there is none. An empty name makes a network with a new name of its own.
///
/// `.await` it, or [`wait`](Join::wait) for it. The name has at most 26 bytes, without slashes, brackets and control
/// characters, and is neither `.` nor `..`.
///
/// # Examples
///
/// See the [module](crate::lonet).
pub fn join(name: &str) -> Join {
    Join { name: name.into(), layer: Bare, dir: None, options: Options::DEFAULT, sockets: SOCKETS }
}

/// A network that is to be joined, with its options.
#[derive(Clone, Debug)]
#[must_use = "nothing is joined unless it is awaited or waited for"]
pub struct Join<L = Bare> {
    name: String,
    layer: L,
    dir: Option<PathBuf>,
    options: Options,
    sockets: SocketOptions,
}

impl<L: Layer> Join<L> {
    /// The folder in which networks have theirs. By default the folder `lonet` in the system's folder for temporary files,
    /// which is that of other implementations.
    pub fn dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.dir = Some(path.into());
        self
    }

    /// The size of each of the system's buffers, of which a direction of a connection has two. By default, the system
    /// decides, and changes them as it needs. It may round the size, and double it.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.sockets.buffer = Some(bytes);
        self
    }

    /// Whether an end that is closed while bytes wait unread at it resets the connection, as TCP does; see
    /// [`Conn`](crate::Conn). By default it does.
    pub fn reset_unread(mut self, on: bool) -> Self {
        self.sockets.reset_unread = on;
        self
    }

    /// Whether accepted connections keep the listener's port, as those of TCP do. By default, each takes the lowest
    /// free port of the host. A connection from another subnetwork with the same two ends as one that is there is
    /// refused with `address already in use`.
    pub fn share_port(mut self, on: bool) -> Self {
        self.options.share_port = on;
        self
    }

    /// How many dials may wait at one listener before it refuses; 4096 by default.
    pub fn backlog(mut self, most: u32) -> Self {
        self.options.backlog = most;
        self
    }

    /// How long the peer of a closed connection may take to read what was written, and to close its own end; 2 seconds
    /// by default. Meanwhile the peer's writes succeed.
    pub fn linger(mut self, time: Duration) -> Self {
        self.sockets.linger = time;
        self
    }

    /// Puts a layer around the engine, outside of earlier ones.
    pub fn layer<A: Layer>(self, layer: A) -> Join<(A, L)> {
        let Self { name, layer: inner, dir, options, sockets } = self;
        Join { name, layer: (layer, inner), dir, options, sockets }
    }

    /// Joins, and blocks the thread until it is done. That takes as long as other processes keep the network's file
    /// locked, up to 10 seconds.
    ///
    /// # Errors
    ///
    /// An invalid name, a folder or file that cannot be used, or no more file descriptors or threads.
    pub fn wait(self) -> Result<Network<L>, JoinError> {
        self.op().wait()
    }

    /// As [`wait`](Self::wait), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Self::wait), and `timed out`.
    pub fn wait_timeout(self, timeout: Duration) -> Result<Network<L>, JoinError> {
        self.op().wait_timeout(timeout)
    }

    /// The operation that joins.
    fn op(self) -> Op<impl OnTimeout<Output = Result<Network<L>, JoinError>> + Send> {
        let name = self.name.clone();
        Op::new(Expiring {
            future: self.make(),
            expired: move || Err(Failure::plain(ErrorKind::TimedOut, "timed out").of(&name)),
        })
    }

    async fn make(self) -> Result<Network<L>, JoinError> {
        let name = self.name.clone();
        self.try_make().await.map_err(|failure| failure.of(&name))
    }

    async fn try_make(self) -> Result<Network<L>, Failure> {
        let base = Base::new(self.dir);
        let (name, folder) = if self.name.is_empty() {
            base.fresh()?
        } else {
            check_name(&self.name)?;
            let folder = base.network(&self.name)?;
            (self.name, folder)
        };
        let failed = |error: io::Error| Failure::plain(ErrorKind::Backend, &error.to_string());
        // It runs while the file is locked.
        let reactor = Reactor::get().map_err(failed)?;
        let directory = Directory::open(&folder, valid("", &name)?, reactor.shared().clone()).await?;
        let engine = Sockets::open(valid(PREFIX, &name)?, self.sockets).map_err(failed)?;
        let net =
            SubNetwork::<L>::with_options(PREFIX, &name, self.layer.wrap(engine), directory, Heap::new(), self.options);
        Ok(Network::over(NetHandle::new(net)))
    }
}

impl<L: Layer> IntoFuture for Join<L> {
    type Output = Result<Network<L>, JoinError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

/// Fails if `name` cannot be that of a network here, or of its folder.
fn check_name(name: &str) -> Result<(), Failure> {
    valid(PREFIX, name)?;
    if matches!(name, "." | "..") || name.contains('/') { Err(invalid()) } else { Ok(()) }
}

fn valid(prefix: &str, name: &str) -> Result<NetworkName, Failure> {
    NetworkName::valid(prefix, name).ok_or_else(invalid)
}

fn invalid() -> Failure {
    Failure::plain(ErrorKind::InvalidInput, "invalid network name")
}

/// The default options of sockets.
const SOCKETS: SocketOptions = SocketOptions { buffer: None, linger: Duration::from_secs(2), reset_unread: true };
