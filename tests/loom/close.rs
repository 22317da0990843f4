//! Pending operations against the close of their listener, host or network.

use std::sync::Arc;

use virtnet::pipenet::Network;
use virtnet::{Conn, Error, Listener, NetRefExt as _};

use crate::act::*;
use crate::explore::*;

/// The objects to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Listener,
    Host(&'static str),
    Network,
}

fn close<N: Net>(net: &N, listener: &Listener<N>, what: What) {
    match what {
        What::Listener => listener.close(),
        What::Host(name) => host(net, name).close().wait().expect("nothing goes wrong"),
        What::Network => net.close().wait().expect("nothing goes wrong"),
    }
}

#[test]
fn a_dial_that_waits_is_refused() {
    fn model<N: Net>(net: N, what: What) -> String {
        let listener = listen(&net);
        let client = spawn({
            let host = host(&net, "b");
            move || ends(&host.dial("a:1").wait())
        });
        close(&net, &listener, what);
        join(client)
    }
    let seen = |what| explore_both(Preemptions(3), Buffered, move |net| model(net, what), move |net| model(net, what));
    let failed = |cause| set([&format!("dial pipet b:1->a:1: {cause}")]);
    assert_eq!(seen(What::Listener), failed("connection refused"));
    assert_eq!(seen(What::Host("a")), failed("connection refused"));
    assert_eq!(seen(What::Network), failed("network is down"));
}

#[test]
fn a_dial_ends_with_its_own_host() {
    fn model<N: Net>(net: N, what: What) -> String {
        let listener = listen(&net);
        let client = spawn({
            let host = host(&net, "b");
            move || ends(&host.dial("a:1").wait())
        });
        close(&net, &listener, what);
        let told = join(client);
        assert!(listener.try_accept().is_err(), "it was withdrawn");
        told
    }
    let seen = |what| explore_both(Preemptions(3), Buffered, move |net| model(net, what), move |net| model(net, what));
    assert_eq!(seen(What::Host("b")), set(["dial pipet b:1->a:1: host is down"]));
}

#[test]
fn a_dial_is_refused_by_a_dropped_listener() {
    fn model<N: Net>(net: N) -> String {
        let listener = listen(&net);
        let client = spawn({
            let host = host(&net, "b");
            move || ends(&host.dial("a:1").wait())
        });
        drop(listener);
        join(client)
    }
    let seen = explore_both(Preemptions(3), Buffered, model, model);
    assert_eq!(seen, set(["dial pipet b:1->a:1: connection refused"]));
}

#[test]
fn an_accept_ends() {
    fn model<N: Net>(net: N, what: What) -> String {
        let listener = Arc::new(listen(&net));
        let server = spawn({
            let listener = listener.clone();
            move || ends(&listener.accept().wait())
        });
        close(&net, &listener, what);
        join(server)
    }
    let seen = |what| explore_both(Preemptions(3), Buffered, move |net| model(net, what), move |net| model(net, what));
    let failed = |cause| set([&format!("accept pipet a:1: {cause}")]);
    assert_eq!(seen(What::Listener), failed("socket is down"));
    assert_eq!(seen(What::Host("a")), failed("host is down"));
    assert_eq!(seen(What::Network), failed("network is down"));
}

#[test]
fn every_accept_ends() {
    fn model<N: Net>(net: N, what: What) -> String {
        let listener = Arc::new(listen(&net));
        let servers = [(); 2].map(|()| {
            let listener = listener.clone();
            spawn(move || ends(&listener.accept().wait()))
        });
        close(&net, &listener, what);
        servers.map(join).join("; ")
    }
    let seen = |what| explore_both(Preemptions(3), Buffered, move |net| model(net, what), move |net| model(net, what));
    let twice = |failed| set([&format!("{failed}; {failed}")]);
    assert_eq!(seen(What::Listener), twice("accept pipet a:1: socket is down"));
    assert_eq!(seen(What::Host("a")), twice("accept pipet a:1: host is down"));
}

/// The outcome of a new connection, read to the end of its stream.
fn used<N: Net>(conn: Result<Conn<N>, Error>) -> String {
    told(conn.map(|conn| read(&conn)))
}

#[test]
fn a_dial_and_an_accept_against_a_close() {
    fn model<N: Net>(net: N, what: What) -> String {
        let listener = Arc::new(listen(&net));
        let server = spawn({
            let listener = listener.clone();
            move || used(listener.accept().wait())
        });
        let client = spawn({
            let host = host(&net, "b");
            // A connected end reads until a close ends the read; the close of a listener does not.
            move || match what {
                What::Listener => ends(&host.dial("a:1").wait()),
                _ => used(host.dial("a:1").wait()),
            }
        });
        close(&net, &listener, what);
        let client = join(client);
        listener.close();
        format!("{client}; {}", join(server))
    }
    // A network that closes its hosts takes as long with three as half of all models. Others look at two of these threads
    // at a time that closely.
    let orders = |what| Preemptions(if what == What::Network { 2 } else { 3 });
    let seen = |what| explore_both(orders(what), Buffered, move |net| model(net, what), move |net| model(net, what));
    let refused = "dial pipet b:1->a:1: connection refused";
    assert_eq!(seen(What::Listener), set(["b:1-a:2; 0", &format!("{refused}; accept pipet a:1: socket is down")]));
    // A connected end reads the end of the stream, or the cause if its own side is closed.
    let closed = format!("{refused}; accept pipet a:1: host is down");
    assert_eq!(seen(What::Host("a")), set(["0; read pipet b:1->a:2: host is down", &closed]));
    let outcomes = set([
        "read pipet a:2->b:1: host is down; 0",
        "dial pipet b:1->a:1: host is down; 0",
        "dial pipet b:1->a:1: host is down; accept pipet a:1: socket is down",
    ]);
    assert_eq!(seen(What::Host("b")), outcomes);
    let outcomes = set([
        "read pipet a:2->b:1: network is down; read pipet b:1->a:2: network is down",
        "dial pipet b:1->a:1: network is down; read pipet b:1->a:2: network is down",
        "dial pipet b:1->a:1: network is down; accept pipet a:1: network is down",
    ]);
    assert_eq!(seen(What::Network), outcomes);
}

#[test]
fn a_read_ends() {
    fn model<N: Net>(net: N, what: What) -> String {
        let (listener, (_a, b)) = (listen(&net), pair(&net));
        let reader = spawn(move || read(&b));
        close(&net, &listener, what);
        join(reader)
    }
    let seen = |what| explore_both(Preemptions(3), Buffered, move |net| model(net, what), move |net| model(net, what));
    let failed = |cause| set([&format!("read pipet a:3->b:1: {cause}")]);
    assert_eq!(seen(What::Host("a")), set(["0"]));
    assert_eq!(seen(What::Host("b")), failed("host is down"));
    assert_eq!(seen(What::Network), failed("network is down"));
}

#[test]
fn a_failing_read_names_the_outermost_cause() {
    fn model<N: Net>(net: N, what: What) -> String {
        let (listener, (_a, b)) = (listen(&net), pair(&net));
        b.close();
        let reader = spawn(move || read(&b));
        close(&net, &listener, what);
        join(reader)
    }
    let seen = |what| explore_both(Preemptions(3), Buffered, move |net| model(net, what), move |net| model(net, what));
    let failed = |causes: [&str; 2]| Seen::from(causes.map(|cause| format!("read pipet a:3->b:1: {cause}")));
    assert_eq!(seen(What::Host("b")), failed(["socket is down", "host is down"]));
    assert_eq!(seen(What::Network), failed(["socket is down", "network is down"]));
}

#[test]
fn a_write_ends() {
    fn model<N: Net>(net: N, what: What) -> String {
        let (listener, (_a, b)) = (listen(&net), pair(&net));
        write(&b, b"x");
        let writer = spawn(move || write(&b, b"y"));
        close(&net, &listener, what);
        join(writer)
    }
    let seen = |what| explore_both(Preemptions(3), Buffered, move |net| model(net, what), move |net| model(net, what));
    let failed = |cause| set([&format!("write pipet b:1->a:3: {cause}")]);
    // The first byte was not read.
    assert_eq!(seen(What::Host("a")), failed("connection reset"));
    assert_eq!(seen(What::Host("b")), failed("host is down"));
    assert_eq!(seen(What::Network), failed("network is down"));
}

#[test]
fn a_rendezvous_ends() {
    fn model<N: Net>(net: N, what: What) -> String {
        let (listener, (a, b)) = (listen(&net), pair(&net));
        let writer = spawn(move || write(&b, b"x"));
        let reader = spawn(move || read(&a));
        close(&net, &listener, what);
        format!("wrote {}, read {}", join(writer), join(reader))
    }
    let seen =
        |what| explore_both(Preemptions(3), Rendezvous, move |net| model(net, what), move |net| model(net, what));
    let (write, read) = ("write pipet b:1->a:3:", "read pipet b:1->a:3:");
    let outcomes =
        |written: &str, read: &str| set(["wrote 1, read 1", &format!("wrote {write} {written}, read {read}")]);
    assert_eq!(seen(What::Host("a")), outcomes("broken pipe", &format!("{read} host is down")));
    assert_eq!(seen(What::Host("b")), outcomes("host is down", "0"));
    assert_eq!(seen(What::Network), outcomes("network is down", &format!("{read} network is down")));
}

#[test]
fn a_new_listener_or_none() {
    fn model<N: Net>(net: N, what: What) -> String {
        let other = listen(&net);
        let server = spawn({
            let host = host(&net, "a");
            move || told(host.listen(":5").map(|listener| ends(&listener.accept().wait())))
        });
        close(&net, &other, what);
        join(server)
    }
    let seen = |what| explore_both(Preemptions(3), Buffered, move |net| model(net, what), move |net| model(net, what));
    let outcomes = |cause| set([&format!("listen pipet a:5: {cause}"), &format!("accept pipet a:5: {cause}")]);
    assert_eq!(seen(What::Host("a")), outcomes("host is down"));
    assert_eq!(seen(What::Network), outcomes("network is down"));
}

#[test]
fn a_new_host_or_none() {
    fn model<N: Net>(net: N) -> String {
        let (a, maker) = (host(&net, "a"), net.clone());
        let making = spawn(move || {
            told(maker.new_host("c").wait().map(|host| told(host.listen("").map(|listener| listener.local_addr()))))
        });
        net.close().wait().expect("nothing goes wrong");
        assert!(a.listen("").is_err(), "the network is closed");
        join(making)
    }
    let late = r#"virtnet "pipet": new host "c": network is down"#;
    let outcomes = set([late, "listen pipet c:0: network is down", "c:1"]);
    assert_eq!(explore_heap(Preemptions(4), Buffered, model), outcomes);
}

#[test]
fn a_host_is_made_once() {
    let model = || {
        let net = Network::new("t");
        let other = spawn({
            let net = net.clone();
            move || told(net.host("a").and_then(|host| host.listen("")).map(|listener| listener.local_addr()))
        });
        let own = told(net.host("a").and_then(|host| host.listen(":7")).map(|listener| listener.local_addr()));
        format!("{own}, {}", join(other))
    };
    assert_eq!(explore(Preemptions(4), model), set(["a:7, a:1"]));
}

#[test]
fn two_closes_of_a_network() {
    fn model<N: Net>(net: N) -> String {
        let other = spawn({
            let net = net.clone();
            move || told(net.close().wait().map(|()| "closed"))
        });
        let own = told(net.close().wait().map(|()| "closed"));
        format!("{own}, {}", join(other))
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["closed, closed"]));
}

#[test]
fn a_close_that_cannot_wait_does_not_have_to() {
    let model = || {
        let net = Network::new("t");
        let other = spawn({
            let net = net.clone();
            move || told(net.close().map(|()| "closed"))
        });
        let own = told(net.close().map(|()| "closed"));
        format!("{own}, {}; {}", join(other), told(net.host("a").map(|_| "")))
    };
    let down = r#"closed, closed; virtnet "pipet": new host "a": network is down"#;
    assert_eq!(explore(Preemptions(3), model), set([down]));
}

#[test]
fn the_last_host_closes_the_network() {
    fn model<N: Net>(net: N) -> String {
        net.auto_close().expect("it is up");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let other = spawn(move || told(b.close().wait().map(|()| "closed")));
        let own = told(a.close().wait().map(|()| "closed"));
        format!("{own}, {}; {}", join(other), told(a.listen("").map(|_| "")))
    }
    let seen = explore_both(Preemptions(3), Buffered, model, model);
    assert_eq!(seen, set(["closed, closed; listen pipet a:0: network is down"]));
}

#[test]
fn the_close_of_a_host_spares_the_next_user_of_a_pipe() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let closer = spawn({
            let host = host(&net, "a");
            move || host.close().wait().expect("nothing goes wrong")
        });
        drop((a, b));
        // In the fixed-size network this is the same pipe, unless the close came first.
        let host = host(&net, "b");
        let listener = host.listen(":9").expect("it is up");
        let mut dial = std::pin::pin!(host.dial(":9"));
        assert!(dial.as_mut().try_wait().is_none(), "nobody has accepted it");
        let accepted = listener.try_accept().expect("there is a dial");
        let dialled = dial.try_wait().expect("it was accepted").expect("it was accepted");
        let written = write(&dialled, b"x");
        join(closer);
        format!("{written}{}{}", read(&accepted), write(&accepted, b"x"))
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["111"]));
}
