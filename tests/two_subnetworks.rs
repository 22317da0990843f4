//! One network made of two subnetworks that share a registry, as two processes would, over an independent backend.

mod outsider;

#[path = "two_subnetworks/accept.rs"]
mod accept;
#[path = "two_subnetworks/close.rs"]
mod close;
#[path = "two_subnetworks/misbehaving.rs"]
mod misbehaving;
#[path = "two_subnetworks/shutdown.rs"]
mod shutdown;

use std::fmt;
use std::io::{Read, Write};
use std::pin::pin;
use std::thread;
use std::time::Duration;

use outsider::{Handle, Host, Lab, connect, ends_of, within};
use virtnet::{Addr, NetRefExt as _};

/// Two subnetworks of one network, with one host each.
struct Two {
    lab: Lab,
    left: Handle,
    right: Handle,
    a: Host,
    b: Host,
}

impl Two {
    fn new() -> Self {
        Self::of(Lab::default(), 4096)
    }

    fn of(lab: Lab, backlog: u32) -> Self {
        let left = lab.customized("left", |net| net.backlog(backlog));
        let right = lab.subnetwork("right");
        let a = left.new_host("a").wait().expect("the name is free");
        let b = right.new_host("b").wait().expect("the name is free");
        Self { lab, left, right, a, b }
    }

    /// The number of sockets in use of `a` and of `b`, and of ends of connections in use.
    fn in_use(&self) -> (usize, usize, isize) {
        (self.a.sockets(), self.b.sockets(), self.lab.ends())
    }

    /// An address as returned by the network.
    fn addr(&self, host: &str, port: u16) -> Addr {
        Addr::new(self.left.network_name(), host, port).expect("a valid address")
    }
}

/// The text of an error.
fn text<T: fmt::Debug, E: fmt::Display>(outcome: Result<T, E>) -> String {
    outcome.expect_err("a failure is expected").to_string()
}

fn addr(text: &str) -> Addr {
    text.parse().expect("a valid address")
}

#[test]
fn a_dial_reaches_a_host_of_the_other_subnetwork() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let (mut dialled, mut accepted) = connect(&two.b, &listener).unwrap();
        assert_eq!(ends_of(&dialled), ("b:1".into(), "a:2".into()));
        assert_eq!(ends_of(&accepted), ("a:2".into(), "b:1".into()));
        assert_eq!((dialled.local_addr().network_name(), dialled.peer_addr().network_name()), ("lab", "lab"));
        assert_eq!(dialled.peer_addr(), accepted.local_addr());
        assert_eq!(two.in_use(), (2, 1, 2));

        dialled.write_all(b"there").unwrap();
        accepted.write_all(b"and back").unwrap();
        dialled.close_write().unwrap();
        let (mut there, mut back) = (String::new(), String::new());
        accepted.read_to_string(&mut there).unwrap();
        drop(accepted);
        dialled.read_to_string(&mut back).unwrap();
        assert_eq!((there.as_str(), back.as_str()), ("there", "and back"));

        drop((dialled, listener));
        assert_eq!(two.in_use(), (0, 0, 0));
    });
}

#[test]
fn dials_across_take_the_lowest_free_ports_of_both_hosts() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let first = connect(&two.b, &listener).unwrap();
        let second = connect(&two.b, &listener).unwrap();
        assert_eq!(ends_of(&first.0), ("b:1".into(), "a:2".into()));
        assert_eq!(ends_of(&second.0), ("b:2".into(), "a:3".into()));
        // Closing one end frees only that end's port.
        drop(first.1);
        let third = connect(&two.b, &listener).unwrap();
        assert_eq!(ends_of(&third.0), ("b:3".into(), "a:2".into()));
        drop(first.0);
        let fourth = connect(&two.b, &listener).unwrap();
        assert_eq!(ends_of(&fourth.1), ("a:4".into(), "b:1".into()));
    });
}

#[test]
fn a_host_dials_itself_and_its_neighbours() {
    within(|| {
        let two = Two::new();
        let c = two.left.new_host("c").wait().unwrap();
        let listener = two.a.listen(":1").unwrap();
        let (own, _accepted) = connect(&two.a, &listener).unwrap();
        assert_eq!(ends_of(&own), ("a:2".into(), "a:3".into()));
        let (near, _accepted) = connect(&c, &listener).unwrap();
        assert_eq!(ends_of(&near), ("c:1".into(), "a:4".into()));
    });
}

#[test]
fn accepted_connections_keep_the_listeners_port_if_configured() {
    within(|| {
        let lab = Lab::default();
        let left = lab.customized("left", |net| net.share_port(true));
        let (a, b) = (left.new_host("a").wait().unwrap(), lab.subnetwork("right").new_host("b").wait().unwrap());
        let listener = a.listen(":1").unwrap();
        let first = connect(&b, &listener).unwrap();
        let second = connect(&b, &listener).unwrap();
        assert_eq!(ends_of(&first.0), ("b:1".into(), "a:1".into()));
        assert_eq!(ends_of(&second.1), ("a:1".into(), "b:2".into()));
    });
}

#[test]
fn a_name_taken_on_one_is_a_duplicate_on_the_other() {
    within(|| {
        let two = Two::new();
        assert_eq!(
            text(two.right.new_host("a").wait()),
            r#"virtnet "lab": new host "a": map(lab): announce ["a" right]: host already registered"#
        );
        assert_eq!(
            text(two.left.new_host("a").wait()),
            r#"virtnet "lab": new host "a": map(lab): announce ["a" left]: host already registered"#
        );
        assert_eq!(two.right.get_host("a"), None);
        assert_eq!(two.left.get_host("a"), Some(two.a.clone()));
    });
}

#[test]
fn dialling_across_fails_with_the_other_sides_cause() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let _pair = connect(&two.b, &listener).unwrap();
        let dial = |addr: &str| text(two.b.dial(addr).wait());
        assert_eq!(dial("γ:1"), r#"dial lab b:2->γ:1: map(lab): query ["γ"]: no such host"#);
        assert_eq!(dial("a:7"), "dial lab b:2->a:7: connection refused");
        assert_eq!(dial("a:0"), "dial lab b:2->a:0: connection refused");
        assert_eq!(dial("a:2"), "dial lab b:2->a:2: connection refused", "a connection has that port");
        assert_eq!(dial("a"), "dial lab b:2: address a: missing port in address");
        assert_eq!(two.in_use(), (2, 1, 2));
    });
}

#[test]
fn an_announced_but_missing_host_is_no_such_host() {
    within(|| {
        use virtnet::{Engine as _, Registry};
        /// Registers a host with the lab's names, without making it.
        async fn announce<R: Registry<Data = outsider::Peer>>(net: &Handle, registry: &R) {
            net.engine().new_host("z", registry).await.expect("the name is free");
        }
        let two = Two::new();
        virtnet::Op::new(announce(&two.left, two.left.registry())).wait();
        assert_eq!(text(two.b.dial("z:1").wait()), "dial lab b:1->z:1: address z:1: no such host");
        assert_eq!(two.in_use(), (0, 0, 0));
    });
}

#[test]
fn dials_across_are_accepted_in_arrival_order() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":9").unwrap();
        let mut dials: Vec<_> = (0..8).map(|_| Box::pin(two.b.dial("a:9"))).collect();
        dials.iter_mut().for_each(|dial| assert!(dial.as_mut().try_wait().is_none()));
        let accepting = thread::spawn(move || {
            let accepted = (0..8).map(|_| listener.accept().wait().unwrap());
            accepted.map(|conn| ends_of(&conn)).collect::<Vec<_>>()
        });
        let dialled: Vec<_> = dials.into_iter().map(|dial| virtnet::Op::new(dial).wait().unwrap()).collect();
        let expected = (1..=8).map(|port| ("a:1".to_string(), format!("b:{port}"))).collect::<Vec<_>>();
        assert_eq!(accepting.join().unwrap(), expected);
        drop(dialled);
        assert_eq!(two.in_use(), (0, 0, 0));
    });
}

#[test]
fn a_dropped_dial_is_never_seen() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        {
            let mut dial = pin!(two.b.dial("a:1"));
            assert!(dial.as_mut().try_wait().is_none());
            assert_eq!(two.in_use(), (2, 1, 2));
        }
        assert_eq!(two.in_use(), (1, 0, 0));
        assert_eq!(text(listener.try_accept()), "accept lab a:1: would block");
        let (dialled, _accepted) = connect(&two.b, &listener).unwrap();
        assert_eq!(ends_of(&dialled), ("b:1".into(), "a:2".into()));
    });
}

#[test]
fn a_dial_dropped_after_its_accept_is_not_seen_either() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let mut accept = pin!(listener.accept());
        {
            let mut dial = pin!(two.b.dial("a:1"));
            assert!(dial.as_mut().try_wait().is_none());
            assert!(accept.as_mut().try_wait().is_none());
        }
        assert_eq!(two.in_use(), (1, 0, 0));
        assert!(accept.as_mut().try_wait().is_none());

        let mut dial = pin!(two.b.dial("a:1"));
        assert!(dial.as_mut().try_wait().is_none());
        assert!(accept.as_mut().try_wait().is_none());
        let dialled = dial.try_wait().unwrap().unwrap();
        assert_eq!(ends_of(&dialled), ("b:1".into(), "a:2".into()));
        assert_eq!(ends_of(&accept.try_wait().unwrap().unwrap()), ("a:2".into(), "b:1".into()));
    });
}

#[test]
fn a_dial_that_times_out_leaves_nothing() {
    within(|| {
        let two = Two::new();
        let _listener = two.a.listen(":1").unwrap();
        let dial = two.b.dial("a:1").wait_timeout(Duration::from_millis(1));
        assert_eq!(text(dial), "dial lab b:1->a:1: timed out");
        assert_eq!(two.in_use(), (1, 0, 0));
        let refused = two.b.dial("a:2").wait_timeout(Duration::ZERO);
        assert_eq!(text(refused), "dial lab b:1->a:2: connection refused");
    });
}

#[test]
fn a_full_backlog_refuses_until_there_is_room() {
    within(|| {
        let two = Two::of(Lab::default(), 1);
        let listener = two.a.listen(":1").unwrap();
        {
            let mut waiting = pin!(two.b.dial("a:1"));
            assert!(waiting.as_mut().try_wait().is_none());
            assert_eq!(text(two.b.dial("a:1").wait()), "dial lab b:2->a:1: backlog is full (1)");
            assert_eq!(two.in_use(), (2, 1, 2));
        }
        connect(&two.b, &listener).unwrap();
    });
}

#[test]
fn a_write_across_waits_for_room() {
    within(|| {
        let two = Two::of(Lab::with_buffer(4), 4096);
        let listener = two.a.listen(":1").unwrap();
        let (mut dialled, mut accepted) = connect(&two.b, &listener).unwrap();
        assert_eq!(dialled.try_write(b"123456").unwrap(), 4);
        assert_eq!(text(dialled.try_write(b"56")), "write lab b:1->a:2: would block");
        let writing = thread::spawn(move || dialled.write_all(b"56789"));
        let mut all = String::new();
        accepted.read_to_string(&mut all).unwrap();
        writing.join().unwrap().unwrap();
        assert_eq!(all, "123456789");
    });
}

#[test]
fn many_dials_across_meet_many_accepts() {
    within(|| {
        let two = Two::of(Lab::with_buffer(3), 4096);
        let listener = two.a.listen(":1").unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let mut conn = listener.accept().wait().unwrap();
                        let mut request = String::new();
                        conn.read_to_string(&mut request).unwrap();
                        conn.write_all(request.as_bytes()).unwrap();
                    }
                });
                scope.spawn(|| {
                    for n in 0..50 {
                        let mut conn = two.b.dial("a:1").wait().unwrap();
                        let request = format!("request {n} from {}", conn.local_addr());
                        conn.write_all(request.as_bytes()).unwrap();
                        conn.close_write().unwrap();
                        let mut answer = String::new();
                        conn.read_to_string(&mut answer).unwrap();
                        assert_eq!(answer, request);
                    }
                });
            }
        });
        drop(listener);
        assert_eq!(two.in_use(), (0, 0, 0));
    });
}
