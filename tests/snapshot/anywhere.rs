//! Snapshots from within wakers, during formatting, and beside working threads.

use std::fmt::{self, Write as _};
use std::io::{Read, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use virtnet::{Error, ErrorKind, NetRefExt as _, pipenet};

use super::*;

/// A task that takes a snapshot when it is woken.
struct Looking {
    look: Box<dyn Fn() -> String + Send + Sync>,
    seen: Mutex<Vec<String>>,
}

impl Wake for Looking {
    fn wake(self: Arc<Self>) {
        let text = (self.look)();
        self.seen.lock().expect("no panic under this lock").push(text);
    }
}

#[test]
fn a_waker_may_take_a_snapshot() {
    let net = pipenet::Network::builder("t").buffer(2).build().expect("valid options");
    let look = {
        let net = net.clone();
        move || net.snapshot().to_string()
    };
    look_when_woken(net.subnetwork().clone(), Box::new(look));

    static NET: pipenet::fixed::Network<'_> = virtnet::fixed!("t", 2, 8, 4, 2);
    look_when_woken(NET.subnetwork(), Box::new(|| NET.snapshot().to_string()));
}

fn look_when_woken<N: NetRef>(net: N, look: Box<dyn Fn() -> String + Send + Sync>) {
    let task = Arc::new(Looking { look, seen: Mutex::new(Vec::new()) });
    let waker = Waker::from(task.clone());
    let cx = &mut Context::from_waker(&waker);
    // Asserts that a snapshot taken in a wake-up contained this line.
    let woken_at = |line: &str| {
        let seen = std::mem::take(&mut *task.seen.lock().expect("no panic under this lock"));
        assert!(seen.iter().any(|text| text.lines().any(|known| known == line)), "{line} is not in {seen:#?}");
    };
    let (a, b) = (host(&net, "a"), host(&net, "b"));
    let listener = a.listen(":10").expect("a free port");

    assert!(listener.poll_accept(cx).is_pending());
    let mut dial = Box::pin(b.dial("a:10"));
    assert!(dial.as_mut().poll(cx).is_pending());
    woken_at("queued           0       0  -                     a:10 <- b:1");

    let accepted = listener.try_accept().expect("somebody dials");
    woken_at("connected        0       0  -                     a:1 <-> b:1");

    let dialled = dial.as_mut().try_wait().expect("it is accepted").expect("it is accepted");
    assert!(accepted.poll_read(cx, &mut [0]).is_pending());
    assert_eq!(dialled.try_write(b"xyz"), Ok(2));
    woken_at("connected        2       0  -                     a:1 <-> b:1");

    assert!(dialled.poll_write(cx, b"z").is_pending());
    assert_eq!(accepted.try_read(&mut [0]), Ok(1));
    woken_at("connected        1       0  -                     a:1 <-> b:1");

    assert!(dialled.poll_read(cx, &mut [0]).is_pending());
    assert!(net.close().wait_with(spin_loop).is_ok());
    woken_at("network pipet: down");
}

/// A formatter's target that uses the network meanwhile.
struct Using<'a> {
    host: &'a pipenet::Host,
    lines: usize,
}

impl fmt::Write for Using<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.lines += text.matches('\n').count();
        let listener = self.host.listen("").map_err(|_| fmt::Error)?;
        let (dialled, accepted) = connect(self.host, &listener);
        (&dialled).write_all(b"x").and_then(|()| (&accepted).read_exact(&mut [0])).map_err(|_| fmt::Error)
    }
}

#[test]
fn a_formatter_may_use_the_network() {
    let net = pipenet::Network::new("t");
    let a = net.host("a").expect("a host");
    let listener = a.listen(":10").expect("a free port");
    let _ends = connect(&a, &listener);
    let mut sink = Using { host: &a, lines: 0 };
    write!(sink, "{}", net.live()).expect("it can be used");
    assert_eq!(sink.lines, 5);
}

#[test]
fn a_waiting_thread_is_listed_until_its_timeout() {
    let net = pipenet::Network::new("t");
    let a = net.host("a").expect("a host");
    let listener = a.listen(":10").expect("a free port");
    let shows = |row: &str| {
        let end = Instant::now() + Duration::from_secs(20);
        while !net.snapshot().to_string().contains(row) {
            if Instant::now() > end {
                let text = net.snapshot().to_string();
                net.close().expect("nothing fails to close");
                panic!("{row} is not in\n{text}");
            }
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let accepting = scope.spawn(|| listener.accept().wait());
        shows("1 to accept           a:10");
        let dialled = a.dial("a:10").wait().expect("somebody accepts");
        let mut accepted = accepting.join().expect("no panic").expect("somebody dials");
        let reading = scope.spawn(move || accepted.read(&mut [0]));
        shows("1 to read             a:2 <-> a:1");
        drop(dialled);
        assert_eq!(reading.join().expect("no panic").expect("the end"), 0);
    });
    let error = a.dial("a:10").wait_timeout(Duration::from_millis(1)).expect_err("nobody accepts");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let lines: Vec<_> = net.snapshot().sockets().map(|row| row.to_string()).collect();
    assert_eq!(lines, ["listening        0    4096  -                     a:10"]);
}

const WORKERS: usize = 4;
/// The minimum number of rounds of each worker.
const ROUNDS: usize = 200;
/// The minimum number of snapshots taken meanwhile.
const LOOKS: usize = 200;

#[test]
fn it_can_be_taken_while_threads_work() {
    let net = pipenet::Network::builder("t").buffer(16).build().expect("valid options");
    storm(net.subnetwork().clone());
    let memory = fixed::Memory::<5, 64, 32, 16>::new();
    storm(fixed::Network::new("t", &memory).subnetwork());
}

/// Runs threads that dial, transfer and close, and two that take snapshots all the time.
fn storm<N: NetRef>(net: N) {
    let names: Vec<_> = (0..WORKERS).map(|at| format!("h{at}")).collect();
    let hosts: Vec<_> = names.iter().map(|name| host(&net, name)).collect();
    let (working, looks) = (AtomicUsize::new(WORKERS), AtomicUsize::new(0));
    thread::scope(|scope| {
        for at in 0..WORKERS {
            let (hosts, working, looks) = (&hosts, &working, &looks);
            scope.spawn(move || {
                // A panicking thread ends the other threads, too.
                let _ends = OnDrop(|| working.fetch_sub(1, Ordering::SeqCst));
                for round in 0.. {
                    if round >= ROUNDS && looks.load(Ordering::SeqCst) >= LOOKS {
                        break;
                    }
                    work(&hosts[at], &hosts[(at + round) % WORKERS]).expect("there is room for all");
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                let _ends = OnDrop(|| looks.fetch_add(LOOKS, Ordering::SeqCst));
                while working.load(Ordering::SeqCst) > 0 {
                    look(&net, &names);
                    looks.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(net.snapshot().sockets().count(), 0);
}

struct OnDrop<F: FnMut() -> usize>(F);

impl<F: FnMut() -> usize> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn work<N: NetRef>(from: &Host<N>, to: &Host<N>) -> Result<(), Error> {
    let listener = to.listen("")?;
    let (dialled, accepted) = connect(from, &listener);
    let unread = accepted.try_write(b"never read")?;
    assert_eq!((dialled.try_write(b"hello")?, unread), (5, 10));
    let mut given_up = pin!(from.dial(listener.local_addr()));
    assert!(given_up.as_mut().try_wait().is_none());
    assert_eq!(accepted.try_read(&mut [0; 16])?, 5);
    dialled.close_write()?;
    Ok(())
}

/// Asserts that each row is consistent, and that the rows are in order.
fn look<N: NetRef>(net: &N, names: &[String]) {
    let snapshot = net.snapshot();
    assert!(snapshot.hosts().map(|host| host.name().to_string()).eq(names.iter().cloned()));
    for host in snapshot.hosts() {
        assert!(host.is_open());
        let mut last = 0;
        for row in host.sockets() {
            assert!(row.local_addr().port() >= last, "{row} after port {last}");
            last = row.local_addr().port();
            assert_eq!(row.local_addr().host(), host.name().as_str());
            let peer = row.peer_addr().is_some_and(|peer| names.iter().any(|name| name == peer.host()));
            match row.state() {
                SocketState::Listening { queued, backlog, acceptors, .. } => {
                    assert!(queued <= 1 && backlog == 4096 && acceptors == 0 && !peer, "{row}");
                }
                SocketState::Dialling { waits, .. } => assert!(!waits && !peer, "{row}"),
                SocketState::Queued => assert!(peer, "{row}"),
                SocketState::Connected(LinkStatus { to_read, to_write, readers: 0, writers: 0, .. }) => {
                    assert!(peer && [0, 5, 10].contains(&to_read) && [0, 5, 10].contains(&to_write), "{row}");
                }
                SocketState::Connected(_) => panic!("nobody waits: {row}"),
                SocketState::Closed => {}
                other => panic!("{other:?}: {row}"),
            }
        }
    }
    // All lines are complete.
    for line in snapshot.to_string().lines().skip(2) {
        let line = line.trim_end_matches(" (peer is gone)");
        assert!(line.split(' ').next_back().is_some_and(|word| word == "open" || word.starts_with('h')), "{line}");
    }
}
