//! Handles of connections and their halves, and operations that move from one task to another.

use super::*;

#[test]
fn a_connection_stays_open_until_the_last_of_its_clones_is_dropped() {
    let net = Network::new("t");
    let listener = net.host("a").unwrap().listen(":1").unwrap();
    let (dialled, accepted) = connect(&net.host("b").unwrap(), &listener);
    let clone = dialled.try_clone().unwrap();
    assert_eq!(clone.local_addr(), dialled.local_addr());

    drop(dialled);
    (&clone).write_all(b"hi").unwrap();
    let mut buf = [0; 8];
    assert_eq!(accepted.try_read(&mut buf).unwrap(), 2);
    assert_eq!(text(accepted.try_read(&mut buf)), "read pipet b:1->a:2: would block");
    drop(clone);
    assert_eq!(accepted.try_read(&mut buf).unwrap(), 0);
    assert_eq!(listener.host().sockets(), 2);
}

#[test]
fn a_connection_has_a_bounded_number_of_clones() {
    let net = Network::new("t");
    let b = net.host("b").unwrap();
    let (dialled, _accepted) = connect(&b, &b.listen(":1").unwrap());
    let mut clones: Vec<_> = (1..32_767).map(|_| dialled.try_clone().unwrap()).collect();
    let refused = dialled.try_clone().map_err(|error| error.to_string()).unwrap_err();
    assert_eq!(refused, "a connection has at most 32767 handles");
    clones.pop();
    clones.push(dialled.try_clone().unwrap());

    let halves: Vec<_> = clones.into_iter().map(Conn::into_split).collect();
    let (read, write) = dialled.into_split();
    assert_eq!(b.sockets(), 2);
    halves.into_iter().for_each(|(_, half)| half.forget());
    assert_eq!(read.try_write(b"hi").unwrap(), 2);
    drop((read, write));
    assert_eq!(b.sockets(), 1);
}

#[test]
fn timeouts_are_those_of_one_connection_and_end_with_it() {
    let net = Network::new("t");
    let b = net.host("b").unwrap();
    let listener = b.listen(":1").unwrap();
    let (dialled, accepted) = connect(&b, &listener);
    let limits = [Duration::new(1, 1), Duration::MAX].map(Some);
    dialled.set_read_timeout(limits[0]).unwrap();
    dialled.set_write_timeout(limits[1]).unwrap();
    assert_eq!([dialled.read_timeout(), dialled.write_timeout()], limits);
    assert_eq!([accepted.read_timeout(), accepted.write_timeout()], [None; 2]);
    // The next connection takes the same place, without any timeouts.
    dialled.close();
    assert_eq!([dialled.read_timeout(), dialled.write_timeout()], limits);
    let addr = dialled.local_addr();
    drop((dialled, accepted));
    let (dialled, accepted) = connect(&b, &listener);
    assert_eq!(dialled.local_addr(), addr);
    for conn in [&dialled, &accepted] {
        assert_eq!([conn.read_timeout(), conn.write_timeout()], [None; 2]);
    }
}

/// A new waker.
fn waker() -> Waker {
    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    Arc::new(Nobody).into()
}

#[test]
fn an_operation_that_another_task_polls_leaves_the_first() {
    let net = Network::new("t");
    let listener = net.host("a").unwrap().listen(":1").unwrap();
    let (dialled, _accepted) = connect(&net.host("b").unwrap(), &listener);
    {
        let (mut accept, mut readable) = (pin!(listener.accept()), pin!(dialled.readable()));
        for task in [waker(), waker()] {
            let mut cx = Context::from_waker(&task);
            assert!(accept.as_mut().poll(&mut cx).is_pending() && readable.as_mut().poll(&mut cx).is_pending());
            let shown = net.snapshot().to_string();
            assert!(shown.contains("1 to accept") && shown.contains("1 to read"), "each waits once\n{shown}");
        }
    }
    let shown = net.snapshot().to_string();
    assert!(!shown.contains(" to "), "nobody waits\n{shown}");
}

#[test]
fn the_first_tasks_other_waits_are_not_lost() {
    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let net = Network::new("t");
    let listener = net.host("a").unwrap().listen(":1").unwrap();
    let flag = Arc::new(Flag::default());
    let (first, second) = (Waker::from(flag.clone()), waker());
    let (mut moves, mut stays) = (pin!(listener.accept()), pin!(listener.accept()));
    for accept in [&mut moves, &mut stays] {
        assert!(accept.as_mut().poll(&mut Context::from_waker(&first)).is_pending());
    }
    assert!(moves.as_mut().poll(&mut Context::from_waker(&second)).is_pending());
    assert!(flag.0.load(Ordering::SeqCst), "it looks again");
    assert!(stays.as_mut().poll(&mut Context::from_waker(&first)).is_pending());
    assert!(net.snapshot().to_string().contains("2 to accept"));
}

#[test]
fn connections_of_one_address_have_numbers_that_tell_them_apart() {
    let net = Network::new("t");
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":1").unwrap();
    let numbers = |ends: &[&Conn<_>]| ends.iter().map(|end| end.number().map(|it| it.get())).collect::<Vec<_>>();
    let (first, accepted) = connect(&b, &listener);
    assert_eq!(numbers(&[&first, &accepted, &first.try_clone().unwrap()]), [Some(1); 3]);
    let addr = first.local_addr();
    drop((first, accepted));
    let (second, accepted) = connect(&b, &listener);
    assert_eq!((second.local_addr(), numbers(&[&second, &accepted])), (addr, vec![Some(2); 2]));

    let other = Network::new("t");
    let (dialled, _accepted) = connect(&other.host("b").unwrap(), &other.host("a").unwrap().listen(":1").unwrap());
    assert_eq!(dialled.number().map(|it| it.get()), Some(1), "each network counts its own");
}

#[test]
fn a_connection_of_a_fixed_network_has_no_number() {
    static NET: fixed::Network<'_> = virtnet::fixed!("t", 2, 4, 2, 64);
    let (dialled, accepted) = connect(&NET.host("b").unwrap(), &NET.host("a").unwrap().listen(":1").unwrap());
    assert_eq!((dialled.number(), accepted.number()), (None, None));
}
