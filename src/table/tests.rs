//! One suite for tables of either kind.

use super::*;
use crate::addr::name::HostName;
use crate::error::cause::{Cause, Resource};
use crate::wait::waker::Wakers;

type Slots = std::vec::Vec<u32>;

extern crate std;

/// Runs a step on the ports of a host.
type Steps<'a> = dyn Fn(&mut dyn FnMut(&mut dyn AnyPorts)) + 'a;

/// Runs `test` on a host in tables of each kind, with the number of sockets that there is room for.
fn on_both(test: fn(&Steps<'_>, u32)) {
    let heap = Heap::<u8>::new();
    let host = add(&heap, "a");
    test(&|step| heap.ports(&host, |ports| step(ports)), u32::from(u16::MAX));
    let memory = std::boxed::Box::leak(std::boxed::Box::new(FixedMemory::<u8, 2, 8>::new()));
    let fixed = Fixed::new(memory);
    let host = add(&fixed, "a");
    test(&|step| fixed.ports(&host, |ports| step(ports)), 8);
}

fn add<T: Tables>(tables: &T, name: &str) -> T::Host {
    let name = HostName::valid(name, "").expect("a valid name");
    let host = tables.directory(|directory| {
        let id = directory.intern(&name).expect("room for a host");
        directory.make(id).expect("a local host")
    });
    tables.ports(&host, |ports| assert!(ports.is_open()));
    host
}

/// The part of `Ports` that the suite uses, for tables of either kind.
trait AnyPorts {
    fn listen(&mut self, port: u16) -> Result<u32, Cause>;
    fn dial(&mut self) -> Result<u32, Cause>;
    fn accept_on(&mut self, port: u16) -> Result<u32, Cause>;
    fn give_back(&mut self, slot: u32);
    fn take_out(&mut self, slot: u32);
    fn at(&mut self, slot: u32) -> u16;
    fn listener_at(&self, port: u16) -> Option<u32>;
    fn slots(&self) -> Slots;
    fn used(&self) -> u32;
}

impl<P: Ports<Link = u8, Wakers: Wakers>> AnyPorts for P {
    fn listen(&mut self, port: u16) -> Result<u32, Cause> {
        let bind = if port == 0 { Bind::Lowest } else { Bind::Exact(port) };
        self.insert(bind, State::Listener(Queue::new().into()))
    }

    fn dial(&mut self) -> Result<u32, Cause> {
        self.insert(Bind::Lowest, State::Dialling(Default::default()))
    }

    fn accept_on(&mut self, port: u16) -> Result<u32, Cause> {
        let slot = self.insert(Bind::None, State::Connected(7))?;
        let peer = Peer { host: 7, port: slot as u16 };
        self.bind(slot, Bind::Shared(port, peer)).map(|()| slot)
    }

    fn give_back(&mut self, slot: u32) {
        self.unbind(slot);
    }

    fn take_out(&mut self, slot: u32) {
        assert!(self.remove(slot).is_some());
    }

    fn at(&mut self, slot: u32) -> u16 {
        self.socket(slot).map_or(0, |socket| socket.port)
    }

    fn listener_at(&self, port: u16) -> Option<u32> {
        self.listener(port)
    }

    fn slots(&self) -> Slots {
        core::iter::successors(self.next(0), |&slot| self.next(slot + 1)).collect()
    }

    fn used(&self) -> u32 {
        self.count()
    }
}

#[test]
fn ports_are_the_lowest_free_or_the_one_asked_for() {
    on_both(|with, _| {
        with(&mut |ports| {
            let got = [0, 0, 5, 0, 0, 0].map(|port| ports.listen(port));
            let got = got.map(|slot| ports.at(slot.expect("a free port")));
            assert_eq!(got, [1, 2, 5, 3, 4, 6]);
            assert_eq!(ports.listen(5), Err(Cause::AddrInUse));
            let two = ports.listener_at(2).expect("a listener at port 2");
            ports.take_out(two);
            assert_eq!(ports.listener_at(2), None);
            let dial = ports.dial().expect("a free port");
            assert_eq!((ports.at(dial), ports.listener_at(2)), (2, None));
            assert_eq!(ports.listen(65_535).map(|slot| ports.at(slot)), Ok(65_535));
            assert_eq!(ports.used(), 7);
        });
    });
}

#[test]
fn a_port_given_back_is_free_while_its_socket_stays() {
    on_both(|with, _| {
        with(&mut |ports| {
            let old = ports.listen(9).expect("a free port");
            ports.give_back(old);
            ports.give_back(old);
            let new = ports.listen(9).expect("the same port");
            assert_ne!(old, new);
            ports.take_out(old);
            assert_eq!((ports.listener_at(9), ports.at(new)), (Some(new), 9));
            assert_eq!(ports.listen(9), Err(Cause::AddrInUse));
            assert_eq!(ports.slots(), [new]);
        });
    });
}

#[test]
fn a_shared_port_is_free_for_a_listener_once_its_own_is_gone() {
    on_both(|with, _| {
        with(&mut |ports| {
            let listener = ports.listen(0).expect("a free port");
            let (one, two) = (ports.accept_on(1), ports.accept_on(1));
            assert_eq!(ports.listen(1), Err(Cause::AddrInUse));
            ports.take_out(listener);
            assert_eq!(ports.dial().map(|slot| ports.at(slot)), Ok(2));
            let again = ports.listen(1).expect("only connections share port 1");
            ports.take_out(again);
            ports.take_out(one.expect("a shared port"));
            assert_eq!(ports.listen(0).map(|slot| ports.at(slot)), Ok(3));
            ports.take_out(two.expect("a shared port"));
            assert_eq!(ports.listen(0).map(|slot| ports.at(slot)), Ok(1));
        });
    });
}

#[test]
fn a_full_table_is_reported_and_recovers() {
    on_both(|with, capacity| {
        with(&mut |ports| {
            let slots: Slots = (0..capacity).map(|_| ports.dial().expect("a free port")).collect();
            let full = Err(Cause::Full(Resource::Ports, capacity));
            assert_eq!((ports.dial(), ports.listen(0), ports.used()), (full, full, capacity));
            assert_eq!(ports.listen(3), Err(Cause::AddrInUse));
            ports.take_out(slots[2]);
            assert_eq!(ports.dial().map(|slot| ports.at(slot)), Ok(3));
            for slot in ports.slots() {
                ports.take_out(slot);
            }
            assert_eq!((ports.used(), ports.slots()), (0, Slots::new()));
            assert_eq!(ports.dial().map(|slot| ports.at(slot)), Ok(1));
        });
    });
}

#[test]
fn names_keep_their_numbers() {
    fn check<T: Tables>(tables: &T) {
        let (a, b) = (add(tables, "a"), add(tables, "β"));
        assert_eq!((tables.id(&a), tables.id(&b)), (0, 1));
        assert_eq!((&*tables.name(&a), &*tables.name(&b)), ("a", "β"));
        tables.hosts(|hosts| {
            assert_eq!(hosts.find("β".as_bytes()), Some(1));
            assert_eq!(hosts.find(b"b"), None);
            assert_eq!((hosts.count(), hosts.name(0), hosts.name(7)), (2, tables_name("a"), HostName::EMPTY));
        });
        assert_eq!(tables.intern(&tables_name("a")), Ok(0));
    }
    fn tables_name(name: &str) -> HostName {
        HostName::valid(name, "").expect("a valid name")
    }
    check(&Heap::<u8>::new());
    let memory = std::boxed::Box::leak(std::boxed::Box::new(FixedMemory::<u8, 2, 1>::new()));
    let fixed = Fixed::new(memory);
    check(&fixed);
    fixed.directory(|directory| {
        let full = Err(Cause::Full(Resource::Hosts, 2));
        assert_eq!((directory.room(&tables_name("c")), directory.room(&tables_name("a"))), (full, Ok(())));
        assert_eq!(directory.intern(&tables_name("c")), full.map(|()| 0));
    });
}

#[test]
fn hosts_do_not_share_ports() {
    let memory = std::boxed::Box::leak(std::boxed::Box::new(FixedMemory::<u8, 2, 4>::new()));
    let fixed = Fixed::new(memory);
    let (a, b) = (add(&fixed, "a"), add(&fixed, "b"));
    let listen = |host: &u16| fixed.ports(host, |ports| ports.listen(1).map(|slot| (slot, ports.at(slot))));
    assert_eq!((listen(&a), listen(&b)), (Ok((0, 1)), Ok((1, 1))));
    fixed.ports(&a, |ports| {
        assert_eq!((ports.slots(), ports.used(), ports.socket(1).is_none()), ([0].into(), 1, true));
        assert!(ports.remove(1).is_none());
    });
}

#[test]
fn hosts_made_and_names_heard_of_have_ip_addresses_in_their_order() {
    const HEARD: u32 = 0x80_0000;
    let heap = Heap::<u8>::new();
    let named = |name: &str| heap.intern(&HostName::valid(name, "").expect("a valid name")).expect("room");
    let ip = |name: &str| heap.hosts(|hosts| hosts.ip(hosts.find(name.as_bytes()).expect("a name that came up")));
    let by_ip = |ip| heap.hosts(|hosts| hosts.by_ip(ip).map(|id| hosts.name(id)));
    assert_eq!(["x", "y"].map(named), [0, 1]);
    assert_ne!(add(&heap, "a"), add(&heap, "b"));
    named("z");
    add(&heap, "c");
    let all = [("x", HEARD + 1), ("y", HEARD + 2), ("z", HEARD + 3), ("a", 1), ("b", 2), ("c", 3)];
    for (name, want) in all {
        named(name);
        assert_eq!((ip(name), by_ip(want).as_deref()), (want, Some(name)));
    }
    // A name that was heard of becomes that of a host here.
    add(&heap, "y");
    assert_eq!((ip("y"), by_ip(4).as_deref(), by_ip(HEARD + 2)), (4, Some("y"), None));
    for nobody in [0, 5, 6, 7, HEARD - 1, HEARD, HEARD + 4, HEARD + 7, 0xff_ffff, u32::MAX] {
        assert_eq!(by_ip(nobody), None, "{nobody:#x}");
    }
}
