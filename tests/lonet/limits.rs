//! Clients that are silent, slow or mad, and a system that has nothing left.

use std::io::{Read, Seek as _, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use virtnet::lonet::{self, Child, Conn, Listener, Network, child_name};
use virtnet::{Error, ErrorKind};

use crate::support::{Folder, LIMIT, join_in};

/// The address of the system's listener of a network.
fn addr(net: &Network) -> String {
    net.subnetwork().engine().addr().into()
}

/// Accepts connections, and drops them, until the listener is closed.
fn accept_all(listener: Listener) {
    thread::spawn(move || listener.incoming().for_each(drop));
}

/// Polls for an effect that has no wake-up.
#[track_caller]
fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "an expected effect did not happen in time");
        thread::yield_now();
    }
}

/// All that a listener answers.
fn answer(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut answer = String::new();
    // Bytes of ours that it did not read may reset the connection, after its answer.
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn silent_clients_do_not_hinder_others() {
    let count = env::var("VIRTNET_SILENT").map_or(600, |count| count.parse().expect("a number"));
    let folder = Folder::new();
    let net = folder.join("net");
    let a = net.host("a").wait().unwrap();
    accept_all(a.listen(":1").unwrap());
    let mut silent = std::collections::VecDeque::new();
    let mut slowest = Duration::ZERO;
    for at in 0..count {
        silent.push_back(TcpStream::connect(addr(&net)).unwrap());
        // More than the listener keeps, and not more than this process may have open.
        if silent.len() > 300 {
            // It was cut as the oldest.
            assert_eq!(answer(&mut silent.pop_front().unwrap()), "");
        }
        if at % 50 == 0 {
            let start = Instant::now();
            a.dial("a:1").wait_timeout(LIMIT).unwrap();
            slowest = slowest.max(start.elapsed());
        }
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    println!("{count} silent clients, the slowest honest dial took {slowest:?}");
    // Connections are accepted in order: those before this one are known.
    a.dial("a:1").wait_timeout(LIMIT).unwrap();
    net.close().wait().unwrap();
    // A client that has said nothing is told, too.
    assert_eq!(answer(silent.back_mut().unwrap()), "< lonet \"lonetnet\" E \"connection refused\"\n");
}

#[test]
fn a_client_that_is_too_slow_is_cut() {
    let folder = Folder::new();
    let net = folder.join("net");
    let mut stream = TcpStream::connect(addr(&net)).unwrap();
    stream.write_all(b"> lonet").unwrap();
    let start = Instant::now();
    assert_eq!(answer(&mut stream), "");
    assert!(start.elapsed() > Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let folder = Folder::new();
    let net = folder.join("net");
    let listener = net.host("a").wait().unwrap().listen(":1").unwrap();
    let mut stream = TcpStream::connect(addr(&net)).unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in b"> lonet \"lonetnet\" dial \"x:1\" \"a:1\"\nand more" {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut conn = listener.accept().wait_timeout(LIMIT).unwrap();
    let mut got = [0; 8];
    conn.read_exact(&mut got).unwrap();
    assert_eq!((&got, conn.peer_addr().to_string()), (b"and more", "x:1".into()));
    drop(conn);
    assert_eq!(answer(&mut stream), "< lonet \"lonetnet\" connected \"a:2\"\n");
}

#[test]
fn what_is_no_request_is_answered_and_closed() {
    let folder = Folder::new();
    let net = folder.join("net");
    let refused = "< lonet \"lonetnet\" E \"protocol error: invalid dial request\"\n";
    for bytes in [vec![b'x'; 1 << 20], vec![0; 5000], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), b"\n".to_vec()] {
        let mut stream = TcpStream::connect(addr(&net)).unwrap();
        // It may be closed before all of it is written.
        let _ = stream.write_all(&bytes);
        let answer = answer(&mut stream);
        assert!(answer == refused, "{answer:?}");
    }
    until(|| net.subnetwork().engine().open_sockets() == 0);
}

#[test]
fn a_dialler_that_gives_up_is_withdrawn_and_one_that_only_writes_no_more_is_not() {
    let folder = Folder::new();
    let (left, right) = (folder.join("net"), folder.join("net"));
    let a = left.host("a").wait().unwrap();
    let listener = a.listen(":1").unwrap();
    let b = right.host("b").wait().unwrap();
    assert_eq!(b.dial("a:1").wait_timeout(Duration::from_millis(50)).unwrap_err().kind(), ErrorKind::TimedOut);
    until(|| left.subnetwork().engine().open_sockets() == 0);
    assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut stream = TcpStream::connect(addr(&left)).unwrap();
    stream.write_all(b"> lonet \"lonetnet\" dial \"x:1\" \"a:1\"\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut conn = listener.accept().wait_timeout(LIMIT).unwrap();
    conn.write_all(b"hi").unwrap();
    drop(conn);
    assert_eq!(answer(&mut stream), "< lonet \"lonetnet\" connected \"a:2\"\nhi");
}

/// The open file descriptors and threads of this process, without those of the look itself.
fn held() -> (usize, usize) {
    let count = |path| fs::read_dir(path).map_or(0, Iterator::count);
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// How long this process has used the processors.
///
/// It keeps its file open, as some tests leave no file descriptor free.
struct Processor(fs::File);

impl Processor {
    fn new() -> Self {
        Self(fs::File::open("/proc/self/stat").unwrap())
    }

    /// In hundredths of a second.
    fn ticks(&mut self) -> u64 {
        let mut stat = String::new();
        self.0.rewind().unwrap();
        self.0.read_to_string(&mut stat).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }
}

/// Starts the current test again, alone in a process of its own, and waits for its end.
fn alone(folder: &Folder) {
    let mut child = Child::this_test_with("alone", |command| _ = command.env("TMPDIR", folder.path())).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Both ends of a connection of a host with itself.
fn connect(host: &lonet::Host, listener: &Arc<Listener>) -> Result<(Conn, Conn), Error> {
    let accepting = thread::spawn({
        let listener = listener.clone();
        move || listener.accept().wait_timeout(Duration::from_millis(500))
    });
    let dialled = host.dial(listener.local_addr()).wait_timeout(Duration::from_millis(500));
    let accepted = accepting.join().unwrap();
    Ok((dialled?, accepted?))
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_is_left_of_a_network() {
    let folder = Folder::new();
    if child_name().is_none() {
        return alone(&folder);
    }
    let before = held();
    for _ in 0..3 {
        let net = join_in(folder.path(), "");
        let folder = net.registry_path().parent().unwrap().to_owned();
        let a = net.host("a").wait().unwrap();
        let listener = Arc::new(a.listen(":1").unwrap());
        let conns: Vec<_> = (0..20).map(|_| connect(&a, &listener).unwrap()).collect();
        conns[0].0.try_write(b"unread").unwrap();
        conns[1].0.abort();
        conns[2].0.close_read().unwrap();
        assert_eq!(a.dial("a:9").wait().unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(a.dial("a:1").wait_timeout(Duration::from_millis(20)).unwrap_err().kind(), ErrorKind::TimedOut);
        let addr = addr(&net);
        drop((net, a, listener, conns));
        until(|| held() == before);
        assert!(TcpStream::connect(addr).is_err(), "nothing listens");
        // What stays is the file alone.
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, ["registry.db"]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_idle_network_uses_no_processor() {
    let folder = Folder::new();
    if child_name().is_none() {
        return alone(&folder);
    }
    let net = folder.join("net");
    let a = net.host("a").wait().unwrap();
    let listener = Arc::new(a.listen(":1").unwrap());
    let _conns: Vec<_> = (0..20).map(|_| connect(&a, &listener).unwrap()).collect();
    // A connection that ends while its peer lives is drained.
    drop(connect(&a, &listener).unwrap().0);
    let mut processor = Processor::new();
    let before = processor.ticks();
    assert!(listener.accept().wait_timeout(Duration::from_millis(500)).is_err());
    let used = processor.ticks() - before;
    assert!(used <= 2, "{used} hundredths of a second of 50");
}

/// What this process has in memory, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    line.split_whitespace().next().unwrap().parse::<usize>().expect("a number") << 10
}

#[test]
#[cfg(target_os = "linux")]
fn an_idle_link_takes_little_memory() {
    const CONNS: usize = 400;
    let folder = Folder::new();
    if child_name().is_none() {
        return alone(&folder);
    }
    let net = folder.join("net");
    let a = net.host("a").wait().unwrap();
    let listener = Arc::new(a.listen(":1").unwrap());
    // The first ones take room that later ones need as well.
    let mut conns: Vec<_> = (0..20).map(|_| connect(&a, &listener).unwrap()).collect();
    let before = resident();
    conns.extend((0..CONNS).map(|_| connect(&a, &listener).unwrap()));
    let each = resident().saturating_sub(before) / (2 * CONNS);
    println!("{each} bytes for each idle link");
    assert!(each <= 4096, "{each} bytes");
}

/// Some of them wait for their sockets themselves, and the others by way of the reactor.
#[test]
fn of_many_threads_that_wait_each_is_woken() {
    const THREADS: usize = 40;
    let folder = Folder::new();
    let net = folder.join("net");
    let a = net.host("a").wait().unwrap();
    let listener = Arc::new(a.listen(":1").unwrap());
    let (mut near, mut readers) = (Vec::new(), Vec::new());
    for _ in 0..THREADS {
        let (conn, mut far) = connect(&a, &listener).unwrap();
        near.push(conn);
        readers.push(thread::spawn(move || {
            let mut byte = [0];
            far.read_exact(&mut byte)
                .and_then(|()| far.write_all(&byte))
                .and_then(|()| far.read_to_end(&mut Vec::new()))
        }));
    }
    let waiting = || net.snapshot().to_string().matches("1 to read").count();
    until(|| waiting() == THREADS);
    for (at, conn) in near.iter_mut().enumerate() {
        conn.write_all(&[at as u8]).unwrap();
        let mut byte = [0];
        conn.read_exact(&mut byte).unwrap();
        assert_eq!(usize::from(byte[0]), at);
    }
    // A close wakes them as well.
    until(|| waiting() == THREADS);
    drop(near);
    assert!(readers.into_iter().all(|reader| reader.join().unwrap().unwrap() == 0));
}

#[test]
#[cfg(target_os = "linux")]
fn without_file_descriptors_dials_fail_and_later_ones_do_not() {
    let folder = Folder::new();
    if child_name().is_none() {
        let exe = env::current_exe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""]).arg(exe);
        command.args([thread::current().name().unwrap(), "--exact", "--nocapture"]);
        assert!(command.env("VIRTNET_CHILD", "few").status().unwrap().success());
        return;
    }
    let mut processor = Processor::new();
    let net = folder.join("net");
    let a = net.host("a").wait().unwrap();
    let listener = Arc::new(a.listen(":1").unwrap());
    let mut conns = Vec::new();
    let mut failed = 0;
    for _ in 0..500 {
        // From the first failure on, one would take half a second.
        match if failed == 0 {
            connect(&a, &listener)
        } else {
            a.dial("a:1").wait_timeout(Duration::from_millis(1)).map(|_| unreachable!())
        } {
            Ok(conn) => conns.push(conn),
            Err(error) => {
                failed += 1;
                let text = error.cause().to_string();
                assert!(text.ends_with("Too many open files (os error 24)") || text == "timed out", "{error}");
            }
        }
    }
    let before = processor.ticks();
    assert!(listener.accept().wait_timeout(Duration::from_millis(500)).is_err());
    let used = processor.ticks() - before;
    assert!(used <= 3, "{used} hundredths of a second of 50");
    println!("{} connections, {failed} dials failed", conns.len());
    assert!(conns.len() > 10 && failed > 400);
    drop(conns);
    until(|| connect(&a, &listener).is_ok());
}

#[test]
fn the_folder_of_all_users_is_open_to_all_of_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    if child_name().is_some() {
        let net = lonet::join("net").wait().unwrap();
        assert_eq!(net.registry_path(), env::temp_dir().join("lonet/net/registry.db"));
        return;
    }
    for _ in 0..2 {
        alone(&folder);
    }
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("lonet"), mode("lonet/net")), (0o1777, 0o700));
}
