//! Waiting until no socket is in use.
//!
//! Invariant: a task that waits has registered, and marked the tables as watched, before it last found a socket in use.
//! The step that removes that socket takes the same lock later, so the thread that removes it sees the mark, and wakes
//! the task. This guards against the interleaving in which the task counts, the last socket is removed and no task
//! found, and only then the task registers: it would sleep forever. Test: the models in `tests/loom/idle.rs`.
//!
//! There are two marks: that of the tables, and with threads a flag of the network that dropping a connection reads
//! anyway for its timeouts. Where no task has ever waited, a drop costs the same as without this.

use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use crate::error::cause::Cause;
use crate::error::{Error, Operation};
use crate::net::host::Host;
use crate::net::net_ref::{HostOf, NetRef};
use crate::table::{Directory, Hosts, Ports, Tables};
use crate::wait::waker::{Wakers, discard, poll_locked};
use crate::wait::{OnTimeout, Op, Registered};

impl<N: NetRef> Host<N> {
    /// Waits until no socket of the host is in use (feature `alloc`): until [`sockets`](Host::sockets) is 0. Listeners, connections,
    /// pending dials and requests queued at a listener count, and so does a closed listener or connection until its last
    /// handle is dropped, in growable and in fixed-size networks. Use it where a library drops its connections with a
    /// delay.
    ///
    /// Closing the host or the network does not end the wait: it is over when the closed sockets have been dropped.
    /// Other tasks may open sockets as soon as it is over.
    ///
    /// # Errors
    ///
    /// None but `timed out`, of [`Op::wait_timeout`]: `idle pipet a:0: timed out`. A
    /// [snapshot](crate::SubNetwork::snapshot) shows which sockets are in use.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use virtnet::pipenet;
    ///
    /// let net = pipenet::Network::new("t");
    /// let a = net.host("a")?;
    /// let listener = a.listen("")?;
    /// let dropping = thread::spawn(move || drop(listener));
    /// a.idle().wait()?;
    /// assert_eq!(a.sockets(), 0);
    /// # dropping.join().unwrap();
    /// # Ok::<(), virtnet::Error>(())
    /// ```
    pub fn idle(&self) -> Op<impl OnTimeout<Output = Result<(), Error>> + Send + use<N>> {
        idle(self.net.clone(), Some(self.host.clone()))
    }
}

/// Waits until no socket of `host` is in use, or of any host if there is none.
pub(crate) fn idle<N: NetRef>(
    net: N,
    host: Option<HostOf<N>>,
) -> Op<impl OnTimeout<Output = Result<(), Error>> + Send + use<N>> {
    let (of, registered, clock) = ((net.clone(), host.clone()), net.clone(), net.clone());
    let expired = move || {
        let (net, host) = &of;
        let addr = host.as_ref().map(|host| net.addr(net.tables.id(host), 0));
        Err(Error::new(Operation::Idle, net.network_name(), None, addr, Cause::TimedOut))
    };
    let unregister = move |waker: &Waker| unregister(&registered, waker);
    let idle = poll_fn(move |cx| poll_idle(&net, host.as_ref(), cx).map(Ok));
    Op::new(Registered::new(idle, expired, unregister)).on(clock.clock())
}

fn poll_idle<N: NetRef>(net: &N, host: Option<&HostOf<N>>, cx: &mut Context<'_>) -> Poll<()> {
    if is_idle(net, host) {
        return Poll::Ready(());
    }
    net.timeouts.watch();
    let _: Poll<()> = poll_locked(cx.waker(), |registration| {
        net.tables.directory(|directory| {
            directory.set_watched(true);
            registration.register(&mut directory.network().waiters);
        });
        Poll::Pending
    });
    if is_idle(net, host) {
        unregister(net, cx.waker());
        return Poll::Ready(());
    }
    Poll::Pending
}

fn is_idle<N: NetRef>(net: &N, host: Option<&HostOf<N>>) -> bool {
    let is_idle = |host: &HostOf<N>| net.tables.ports(host, |ports| ports.count()) == 0;
    match host {
        Some(host) => is_idle(host),
        None => {
            let count = net.tables.hosts(|hosts| hosts.count());
            (0..count).filter_map(|id| net.tables.hosts(|hosts| hosts.newest(id))).all(|host| is_idle(&host))
        }
    }
}

fn unregister<N: NetRef>(net: &N, waker: &Waker) {
    let left = net.tables.directory(|directory| directory.network().waiters.remove(waker));
    left.into_iter().for_each(discard);
}
