//! The contents of a snapshot, for every kind of socket, at any time and from anywhere.
#![cfg(feature = "pipenet")]

#[cfg(feature = "std")]
#[path = "snapshot/anywhere.rs"]
mod anywhere;
#[cfg(feature = "std")]
#[path = "snapshot/hangs.rs"]
mod hangs;

use std::future::Future;
use std::hint::spin_loop;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use virtnet::pipenet::fixed;
use virtnet::snapshot::{SocketRow, SocketState};
use virtnet::{Conn, Host, LinkStatus, Listener, NetRef, NetRefExt as _};

/// A waiting task, with a waker that does nothing.
struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

fn task() -> Waker {
    Waker::from(Arc::new(Task))
}

/// Polls with a new waker.
fn wait_in_vain<F: Future>(future: Pin<&mut F>) {
    assert!(future.poll(&mut Context::from_waker(&task())).is_pending(), "it has to wait");
}

fn wait_to_read<N: NetRef>(conn: &Conn<N>) {
    assert!(conn.poll_read(&mut Context::from_waker(&task()), &mut [0]).is_pending(), "nothing is there");
}

fn wait_to_write<N: NetRef>(conn: &Conn<N>, bytes: &[u8]) {
    assert!(conn.poll_write(&mut Context::from_waker(&task()), bytes).is_pending(), "there is no room");
}

fn host<N: NetRef>(net: &N, name: &str) -> Host<N> {
    net.new_host(name).wait_with(spin_loop).expect("the name is free")
}

/// Both ends of a new connection; the dialled end comes first.
fn connect<N: NetRef>(host: &Host<N>, listener: &Listener<N>) -> (Conn<N>, Conn<N>) {
    let mut dial = pin!(host.dial(listener.local_addr()));
    assert!(dial.as_mut().try_wait().is_none(), "a dial waits until it is accepted");
    let accepted = listener.try_accept().expect("somebody dials");
    (dial.try_wait().expect("it is accepted").expect("it is accepted"), accepted)
}

/// Runs a program on a growable and on a fixed-size network: the snapshots are equal.
macro_rules! on_both {
    ($program:ident) => {{
        let memory = fixed::Memory::<4, 16, 8, 8>::new();
        $program(fixed::Network::new("t", &memory).subnetwork());
        #[cfg(feature = "alloc")]
        {
            let net = virtnet::pipenet::Network::builder("t").buffer(8).build().expect("valid options");
            $program(net.subnetwork().clone());
        }
    }};
}

#[test]
fn every_kind_of_socket_has_a_line() {
    on_both!(show_every_kind);
}

fn show_every_kind<N: NetRef>(net: N) {
    let text = || {
        let text = net.live().to_string();
        #[cfg(feature = "alloc")]
        assert_eq!(net.snapshot().to_string(), text);
        text
    };
    let head = "network pipet: up\nState       Recv-Q  Send-Q  Waiting               Address";
    assert_eq!(text(), head);

    let (z, a) = (host(&net, "z"), host(&net, "a:b"));
    let listener = z.listen(":10").expect("a free port");
    let (early, accepted) = connect(&a, &listener);
    let (finished, ended) = connect(&a, &listener);
    let (gone, left) = connect(&a, &listener);
    early.try_write(b"abc").expect("there is room");
    accepted.try_write(b"12345678").expect("there is room");
    wait_to_write(&accepted, b"9");
    finished.close_write().expect("it is open");
    wait_to_read(&finished);
    wait_to_read(&finished);
    drop(gone);
    // A dropped accept no longer waits.
    wait_in_vain(pin!(listener.accept()));
    let mut acceptors = [Box::pin(listener.accept()), Box::pin(listener.accept())];
    acceptors.iter_mut().for_each(|accept| wait_in_vain(accept.as_mut()));
    let connections = "
host z: open
connected        3       8  1 to write            z:1 <-> [a:b]:1
connected        0       0  -                     z:2 -> [a:b]:2
connected        0       0  -                     z:3 - [a:b]:3 (peer is gone)
listening        0    4096  2 to accept           z:10
host a:b: open
connected        8       3  -                     [a:b]:1 <-> z:1
connected        0       0  2 to read             [a:b]:2 <- z:2";
    assert_eq!(text(), format!("{head}{connections}"));

    let closed = z.listen(":5").expect("a free port");
    let mut refused = pin!(a.dial("z:5"));
    wait_in_vain(refused.as_mut());
    closed.close();
    let (mut dial, mut tried) = (pin!(a.dial("z:10")), pin!(a.dial("z:10")));
    wait_in_vain(dial.as_mut());
    assert!(tried.as_mut().try_wait().is_none());
    drop(early);
    ended.close();
    left.abort();
    let dials = "
host z: open
closed           0       0  -                     z:0 - [a:b]:3
connected        3       0  -                     z:1 - [a:b]:1 (peer is gone)
closed           0       0  -                     z:2 - [a:b]:2
closed           0       0  -                     z:3 - [a:b]:3
closed           0       0  -                     z:5
listening        2    4096  -                     z:10
queued           0       0  -                     z:10 <- [a:b]:4
queued           0       0  -                     z:10 <- [a:b]:5
host a:b: open
connected        0       0  -                     [a:b]:2 - z:2 (peer is gone)
dialling         0       0  1 to dial             [a:b]:3
dialling         0       0  1 to dial             [a:b]:4
dialling         0       0  -                     [a:b]:5";
    assert_eq!(text(), format!("{head}{dials}"));

    drop((finished, left, closed));
    net.auto_close().expect("a host is open");
    z.close().wait_with(spin_loop).expect("nothing fails to close");
    let head = head.replace("up", "up, auto-close");
    let host_closed = "
host z: closed
closed           0       0  -                     z:0 - [a:b]:3
closed           0       0  -                     z:0 - [a:b]:4
closed           0       0  -                     z:0 - [a:b]:5
connected        0       0  -                     z:1 - [a:b]:1 (peer is gone)
closed           0       0  -                     z:2 - [a:b]:2
listening        0    4096  -                     z:10
host a:b: open
dialling         0       0  1 to dial             [a:b]:3
dialling         0       0  1 to dial             [a:b]:4
dialling         0       0  -                     [a:b]:5";
    assert_eq!(text(), format!("{head}{host_closed}"));

    for dial in [refused.try_wait(), dial.try_wait(), tried.try_wait()] {
        dial.expect("it is refused").expect_err("nobody listens");
    }
    drop((accepted, acceptors));
    drop((listener, ended));
    a.close().wait_with(spin_loop).expect("nothing fails to close");
    let head = head.replace("up", "down");
    assert_eq!(text(), format!("{head}\nhost z: closed\nhost a:b: closed"));
    assert_eq!(format!("{:?}", net.live()), "LiveView(pipet)");
}

#[cfg(feature = "alloc")]
#[test]
fn a_snapshot_shows_the_moment_at_which_it_was_taken() {
    let net = virtnet::pipenet::Network::new("t");
    let (a, b) = (net.host("a").expect("a host"), net.host("b").expect("a host"));
    let listener = a.listen(":10").expect("a free port");
    let (dialled, accepted) = connect(&b, &listener);
    let taken = net.snapshot();
    assert_eq!((&taken, taken.clone()), (&net.snapshot(), net.snapshot()));
    dialled.try_write(b"abc").expect("there is room");
    let written = net.snapshot();
    assert_ne!(taken, written);
    drop((dialled, accepted, listener));
    net.close().expect("nothing fails to close");

    let before = "\
network pipet: up
State       Recv-Q  Send-Q  Waiting               Address
host a: open
connected        0       0  -                     a:1 <-> b:1
listening        0    4096  -                     a:10
host b: open
connected        0       0  -                     b:1 <-> a:1";
    assert_eq!((taken.to_string(), format!("{taken:?}")), (before.into(), before.into()));
    assert_eq!((taken.network_name(), taken.is_up(), taken.is_auto_close()), ("pipet", true, false));
    let hosts: Vec<_> = taken.hosts().map(|host| (host.to_string(), host.is_open(), host.sockets().count())).collect();
    assert_eq!(hosts, [("host a: open".into(), true, 2), ("host b: open".into(), true, 1)]);
    let numbers: Vec<_> = taken.sockets().map(|row| row.number().map_or(0, |number| number.get())).collect();
    assert_eq!(numbers, [1, 0, 1], "both ends of a connection have its number");
    assert!(written.to_string().contains("connected        3       0"));
    assert!(!net.snapshot().is_up());
}

#[test]
fn rows_agree_with_the_printed_lines() {
    on_both!(tell_rows);
}

fn tell_rows<N: NetRef>(net: N) {
    let (b, a) = (host(&net, "b"), host(&net, "a"));
    let live = net.live();
    let listener = b.listen(":10").expect("a free port");
    let (dialled, accepted) = connect(&a, &listener);
    dialled.try_write(b"abc").expect("there is room");
    dialled.close_write().expect("it is open");
    wait_to_read(&dialled);
    let mut dial = pin!(a.dial("b:10"));
    wait_in_vain(dial.as_mut());
    let closed = a.listen("").expect("a free port");
    closed.close();

    // The view was taken before all that, and reads the state now.
    let hosts: Vec<_> = live.hosts().map(|host| (host.name().to_string(), host.is_open())).collect();
    assert_eq!(hosts, [("b".to_owned(), true), ("a".to_owned(), true)]);
    assert_eq!((live.network_name(), live.is_up(), live.is_auto_close()), ("pipet", true, false));

    let [mut there, mut here] = [LinkStatus::default(); 2];
    (there.to_read, there.read_closed) = (3, true);
    (here.to_write, here.readers, here.write_closed) = (3, 1, true);
    let [there, here] = [there, here].map(|status| format!("{:?}", SocketState::Connected(status)));
    let expected = [
        ("b:1", Some("a:1"), there.as_str()),
        ("b:10", None, "Listening { queued: 1, backlog: 4096, acceptors: 0 }"),
        ("b:10", Some("a:2"), "Queued"),
        ("a:1", Some("b:1"), &here),
        ("a:2", None, "Dialling { waits: true }"),
        ("a:3", None, "Closed"),
    ];
    let rows: Vec<SocketRow> = live.sockets().collect();
    let told = rows.iter().map(|row| {
        let [local, state] = [row.local_addr().to_string(), format!("{:?}", row.state())];
        (local, row.peer_addr().map(|peer| peer.to_string()), state)
    });
    let expected = expected.map(|(local, peer, state)| (local.to_owned(), peer.map(str::to_owned), state.to_owned()));
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert_eq!(rows[0].local_addr(), accepted.local_addr());

    let lines: Vec<_> = net.live().to_string().lines().map(str::to_owned).collect();
    let printed: Vec<_> = live
        .hosts()
        .flat_map(|host| {
            [host.to_string()].into_iter().chain(host.sockets().map(|row| row.to_string())).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(lines[2..], printed);
}

#[test]
fn sockets_come_by_port_however_many_there_are() {
    let memory = fixed::Memory::<2, 200, 1, 1>::new();
    let net = fixed::Network::new("t", &memory);
    show_in_order(net.subnetwork());
    #[cfg(feature = "alloc")]
    show_in_order(virtnet::pipenet::Network::new("t").subnetwork().clone());
}

fn show_in_order<N: NetRef>(net: N) {
    let a = host(&net, "a");
    let mut listeners = Vec::new();
    // Counts around the number of sockets that a snapshot finds at once, in an order that neither ascends nor descends.
    for count in [1, 31, 32, 33, 64, 65, 130] {
        while listeners.len() < count {
            let port = (listeners.len() as u16 * 37 + 5) % 131 + 1;
            listeners.push(a.listen(port).expect("a free port"));
        }
        let mut expected: Vec<_> = listeners.iter().map(|listener| listener.local_addr().port()).collect();
        expected.sort_unstable();
        let shown: Vec<_> = net.live().sockets().map(|row| row.local_addr().port()).collect();
        assert_eq!(shown, expected);
    }
}

#[test]
fn a_socket_in_a_reused_slot_is_not_taken_for_the_old_one() {
    on_both!(show_while_it_changes);
}

fn show_while_it_changes<N: NetRef>(net: N) {
    let a = host(&net, "a");
    let [_first, second, _third] = [10, 20, 30].map(|port| a.listen(port).expect("a free port"));
    let mut rows = net.live().sockets().map(|row| row.local_addr().port());
    assert_eq!(rows.next(), Some(10));
    drop(second);
    let _lower = a.listen(5).expect("a free port");
    assert_eq!(rows.collect::<Vec<_>>(), [30]);
    let rows: Vec<_> = net.live().sockets().map(|row| row.local_addr().port()).collect();
    assert_eq!(rows, [5, 10, 30]);
}

#[test]
fn accepted_connections_may_share_their_port() {
    let memory = fixed::Memory::<2, 8, 4, 8>::new();
    let net = fixed::Network::new("t", &memory).share_port(true).backlog(2);
    let (a, b) = (net.host("a").expect("a host"), net.host("b").expect("a host"));
    let listener = a.listen(":1").expect("a free port");
    let _ends = (connect(&b, &listener), connect(&b, &listener));
    let lines: Vec<_> = net.live().sockets().take(3).map(|row| row.to_string()).collect();
    assert_eq!(
        lines,
        [
            "listening        0       2  -                     a:1",
            "connected        0       0  -                     a:1 <-> b:1",
            "connected        0       0  -                     a:1 <-> b:2",
        ]
    );
}

#[cfg(feature = "alloc")]
#[test]
fn a_snapshot_shows_the_newest_host_of_a_name() {
    let net = virtnet::pipenet::Network::new("t");
    let (a, b) = (net.host("a").expect("a host"), net.host("b").expect("a host"));
    let listener = a.listen(":10").expect("a free port");
    let (_dialled, _accepted) = connect(&b, &listener);
    net.crash("a").expect("there is such a host");
    assert!(net.snapshot().to_string().contains("host a: closed"));
    let new = net.restart("a").expect("it is down");
    let _listener = new.listen(":10").expect("the old listener has no port of the new host");
    assert_eq!((a.sockets(), new.sockets()), (2, 1));
    drop(_dialled);
    let shown = "\
network pipet: up
State       Recv-Q  Send-Q  Waiting               Address
host b: open
host a: open
listening        0    4096  -                     a:10";
    assert_eq!(net.snapshot().to_string(), shown);
}
