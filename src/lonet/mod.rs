//! Networks of several processes of one machine: each has some of the hosts, and they dial each other by name.
//!
//! # Examples
//!
//! Each process [joins](join) the network by its name. Its hosts, listeners and connections are those of this crate, for
//! threads and for async code:
//!
//! ```
//! use std::io::{Read, Write};
//! use std::thread;
//! use virtnet::lonet;
//!
//! let net = lonet::join("").wait()?; // a new network with a name of its own
//! let a = net.host("a").wait()?;
//! let listener = a.listen(":10")?;
//! let server = thread::spawn(move || listener.accept().wait()?.write_all(b"hi"));
//!
//! // Another process would join it by this name.
//! let other = lonet::join(net.short_name()).wait()?;
//! other.wait_for("a").wait()?;
//! let mut conn = other.host("b").wait()?.dial("a:10").wait()?;
//! let mut text = String::new();
//! conn.read_to_string(&mut text)?;
//! assert_eq!((conn.peer_addr().to_string(), text), ("a:1".into(), "hi".into()));
//! # server.join().unwrap()?;
//! # std::fs::remove_dir_all(net.registry_path().parent().unwrap())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A test starts itself again as further processes by [`Child`]. The example `lonet` has a server and two clients in
//! three processes, one of which is killed.
//!
//! # How it works
//!
//! A network has a folder with an SQLite file, in which each host's name stands beside the address of its subnetwork: one
//! port of 127.0.0.1 for all hosts that were made by one [`join`]. A dial looks for the name, connects to that port, and
//! says in one line which host and port it wants; the answer comes when a listener accepts. From then on, the connection
//! is one of the operating system's TCP. One thread of the process waits for all sockets, for any executor and for blocking
//! threads alike. It ends with the last network. The first 16 threads that block on connections wait for their sockets
//! themselves, which is faster: each has two file descriptors for it, until it or the last network ends. One that blocks in
//! an accept also does the handshakes of its subnetwork meanwhile, for all listeners.
//!
//! With the feature `tokio`, tasks of a current-thread runtime wait by way of its I/O driver, as they do for tokio's own
//! sockets, with no other thread in between. All other tasks, those of multi-thread runtimes included, wait by way of the
//! thread of the process, and so do other executors within a task. A connection may move between all of them at any time.
//! A runtime tells only by a panic that its I/O is not enabled. It is caught, but the panic hook shows it, once for each
//! such runtime. A program that is compiled with `panic = "abort"` uses the thread of the process alone.
//!
//! File and lines are those of programs in Go and Python that join the same networks. Folder and file are never deleted,
//! and a name that a host has had stays taken, also when its process has ended: to run a program again, join a network
//! without a name, or remove the folder of [`registry_path`](Network::registry_path) when no process uses it.
//!
//! # What differs from networks within a process
//!
//! | | here |
//! |---|---|
//! | writes after the peer was closed | succeed until the peer has read all and its end is gone, for at most the time of [`linger`](Join::linger); then `broken pipe` |
//! | the size of buffers | the system decides; [`buffer`](Join::buffer) asks for one. A full connection has room again when about a third of it is free |
//! | a [snapshot](crate::snapshot) | does not know what the peer has not read, and counts at most 4096 bytes that can be read |
//! | [`abort`](crate::Conn::abort), and closing with bytes unread | the peer first reads what had arrived. After the end of the stream, it is told of a closed peer instead |
//! | a dial that is refused | takes the time of a round trip, so a timeout of zero comes first |
//! | a process that is killed | its connections end, as if it had closed them; with bytes unread there, they are reset |
//! | a dialling process that is killed before its dial is accepted | its dial is accepted all the same, and the connection then ends |
//! | [`number`](crate::Conn::number) | connections have none |
//!
//! All else is as the types say; the conformance suite, with the group `raw` for these rows, runs over it.
//!
//! # Errors
//!
//! [`JoinError`] names the file or folder that is in the way. Later errors call the registry `lonet/NAME`, since a path
//! would take all the room that they have; [`registry_path`](Network::registry_path) has it.
//!
//! | situation | cause |
//! |---|---|
//! | the name is taken, in any process | `lonet/net: announce ["a" "127.0.0.1:4567"]: host already registered` |
//! | no process has made the host | `lonet/net: query ["a"]: no such host` |
//! | its process has ended, or closed the network; no listener is there | `connection refused` |
//! | it ended while the dial waited | `connection refused`, or `loconnect 127.0.0.1:4567: unexpected EOF` |
//! | another program has the port now | `loconnect 127.0.0.1:4567: ` and what is wrong with its answer |
//! | another process has the file locked for 10 seconds | `lonet/net: database is locked` |
//! | the file was removed | `lonet/net: registry.db was removed` |
//!
//! # Limits
//!
//! The network's name has at most 26 bytes. A request has 5 seconds to arrive, and 256 of them may be under way; the oldest
//! is cut for another. At most 1,000 closed connections wait for their peers. If the process has no file descriptor left,
//! it accepts again when it has. SQLite's file needs a local file system.
//!
//! A dial from a host that can be none here, such as one with a name of more than 63 bytes, is answered with `protocol
//! error: src address invalid`.

use alloc::string::String;
use core::time::Duration;
use std::path::Path;

use crate::addr::name::{ErrorText, HostName};
use crate::contract::layer::{Bare, Layer};
use crate::contract::registry::Registry as _;
use crate::error::cause::Cause;
use crate::error::close::CloseError;
use crate::error::registry::RegistryReason;
use crate::error::{Error, Operation};
use crate::net::handle::{Backend, LayeredNet};
use crate::net::net_ref::NetRef;
use crate::net::network::NetRefExt as _;
use crate::net::shared::{Holder as _, Network as SharedNetwork};
use crate::table::{Hosts as _, Tables as _};
use crate::wait::{Expiring, OnTimeout, Op};

mod child;
mod directory;
mod error;
mod file;
mod folder;
mod join;

pub use crate::wire::listening::SocketLink;
pub use crate::wire::sockets::Sockets;
pub use child::{Child, child_name};
pub use directory::Directory;
pub use error::JoinError;
pub use join::{Join, join};

/// What the full names of these networks begin with.
const PREFIX: &str = "lonet";

/// The backend of this module, as a parameter of [`Network`](crate::Network).
#[derive(Clone, Copy, Debug)]
pub enum Lonet {}

impl Backend for Lonet {
    type Engine = Sockets;
    type Registry<Link: Clone + Send + Sync + 'static> = Directory;
}

/// The subnetwork of a [`Network`].
pub type SubNetwork<L = Bare> = LayeredNet<Lonet, L>;
/// How hosts, listeners and connections reach their [`Network`].
pub type NetHandle<L = Bare> = crate::net::handle::NetHandle<Lonet, L>;
/// A host of a [`Network`].
pub type Host<L = Bare> = crate::net::host::Host<NetHandle<L>>;
/// A listener of a [`Network`].
pub type Listener<L = Bare> = crate::net::listener::Listener<NetHandle<L>>;
/// A connection of a [`Network`].
pub type Conn<L = Bare> = crate::net::conn::Conn<NetHandle<L>>;

/// The part of a network that this process has: a subnetwork with its hosts. A cheap handle: clones are the same one.
///
/// It lives as long as a handle of it, or of one of its hosts, listeners or connections.
pub type Network<L = Bare> = SharedNetwork<Lonet, NetHandle<L>>;

/// Networks of several processes.
impl<L: Layer> Network<L> {
    /// The name that it was joined by, or the one that was made for it.
    #[must_use]
    pub fn short_name(&self) -> &str {
        &self.net.subnetwork().registry.name
    }

    /// The file with the names of its hosts.
    #[must_use]
    pub fn registry_path(&self) -> &Path {
        self.net.subnetwork().registry.path()
    }

    /// The host of this name; makes it if this process has none. An existing host may be closed.
    ///
    /// # Errors
    ///
    /// Those of [`new_host`](Network::new_host), if it has to be made.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation may leave the name registered, without a host.
    pub fn host(&self, name: &str) -> Op<impl OnTimeout<Output = Result<Host<L>, Error>> + Send + use<L>> {
        let (net, known, made) = (self.net.host_ref(), self.get_host(name), self.new_host(name));
        let (failed, name) = (failure(&net, Operation::NewHost, name), HostName::valid(name, ""));
        Op::new(Expiring {
            future: async move {
                if let Some(host) = known {
                    return Ok(host);
                }
                let made = made.await;
                // Another task of this process may have been faster.
                match name.and_then(|name| net.get_host(&name)).filter(|_| made.is_err()) {
                    Some(host) => Ok(host),
                    None => made,
                }
            },
            expired: move || Err(failed(Cause::TimedOut)),
        })
    }

    /// Makes a host with a name that no host has had, in any process: names are never free again, not even when their
    /// process has ended.
    ///
    /// # Errors
    ///
    /// `invalid host name`, `network is down`, `host already registered`, and errors of the file.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation may leave the name registered, without a host.
    pub fn new_host(&self, name: &str) -> Op<impl OnTimeout<Output = Result<Host<L>, Error>> + Send + use<L>> {
        self.net.host_ref().new_host(name)
    }

    /// Waits until there is a host of this name, in any process. A host may be there before it listens.
    ///
    /// # Errors
    ///
    /// `network is down`, and errors of the file.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation changes nothing.
    pub fn wait_for(&self, name: &str) -> Op<impl OnTimeout<Output = Result<(), Error>> + Send + use<L>> {
        let (net, name) = (self.net.host_ref(), String::from(name));
        let failed = failure(&net, Operation::Resolve, &name);
        let expired = failed.clone();
        Op::new(Expiring {
            future: async move {
                loop {
                    let cause = match net.registry.query(&name).await {
                        Ok(_) => return Ok(()),
                        Err(error) => Cause::from(error),
                    };
                    if net.tables.hosts(|hosts| hosts.closed().network) {
                        return Err(failed(Cause::NetworkDown));
                    }
                    if !matches!(cause, Cause::Registry(error) if error.reason() == RegistryReason::NoSuchHost) {
                        return Err(failed(cause));
                    }
                    net.registry.sleep(LOOK_AGAIN).await;
                }
            },
            expired: move || Err(expired(Cause::TimedOut)),
        })
    }

    /// Closes the part of the network that this process has, with all its hosts. Pending and later operations fail with
    /// `network is down`. Closing it again is fine.
    ///
    /// # Errors
    ///
    /// The reason why the network failed, if it did.
    ///
    /// # Cancel safety
    ///
    /// The first poll closes the hosts.
    pub fn close(&self) -> Op<impl OnTimeout<Output = Result<(), CloseError>> + Send + use<L>> {
        self.net.host_ref().close()
    }
}

/// Makes the error of an operation about the host `name`.
fn failure<N: NetRef>(net: &N, operation: Operation, name: &str) -> impl Fn(Cause) -> Error + Clone + use<N> {
    let (network, name) = (net.shown_name(), ErrorText::from(name));
    move |cause| Error::subnet(operation, network, &name, cause)
}

/// How often a task looks whether a host is there.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
