//! TODO
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod addr;
mod cause;
mod close;
mod code;
mod conn;
mod engine;
mod error;
mod half;
mod host;
mod io;
mod listener;
mod name;
mod networker;
mod notifier;
mod place;
mod registry;
mod request;
mod subnet;
mod sync;
pub mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod wait;
mod words;

pub use addr::{Addr, AddrError, AddrReason, ToAddr};
pub use cause::{Cause, ErrorKind, Input, RegistryError, RegistryReason, Table};
pub use close::CloseError;
pub use conn::Conn;
pub use engine::{Engine, Shutdown};
pub use error::{Error, Operation};
pub use half::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use host::Host;
#[cfg(feature = "std")]
pub use io::{Tcp, TcpConn, TcpListener};
pub use listener::Listener;
pub use name::{HostName, Name, NetworkName, Text};
pub use networker::{Acceptor, Networker, Stream};
pub use notifier::{Accept, Notifier};
pub use registry::Registry;
pub use request::Incoming;
pub use subnet::{Handle, SubNetwork, SubNetworkNotifier};
pub use wait::{Expire, Op};

#[cfg(feature = "pipenet")]
pub mod pipenet;

/// Makes an in-process network of a fixed size for a static: its name, and how many hosts, sockets in use (all hosts
/// together), connections and bytes (in each direction of each connection) it has room for.
///
/// Nothing but the network's memory changes, and that is all zeros at first.
///
/// # Examples
///
/// ```
/// use virtnet::pipenet;
///
/// static NET: pipenet::fixed::Network = virtnet::fixed!("t", 2, 4, 2, 64);
///
/// let a = NET.host("a")?;
/// let listener: pipenet::fixed::Listener = a.listen(":10")?;
/// # Ok::<(), virtnet::Error>(())
/// ```
#[cfg(feature = "pipenet")]
#[macro_export]
macro_rules! fixed {
    ($name:expr, $hosts:expr, $ports:expr, $pipes:expr, $buffer:expr $(,)?) => {{
        static MEMORY: $crate::pipenet::fixed::Memory<{ $hosts }, { $ports }, { $pipes }, { $buffer }> =
            $crate::pipenet::fixed::Memory::new();
        $crate::pipenet::fixed::Network::new($name, &MEMORY)
    }};
}
