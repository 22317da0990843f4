//! Networks of several processes: each test starts itself again.

use std::io::{self, Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, thread};

use virtnet::ErrorKind;
use virtnet::lonet::{Child, Conn, Host, Network, child_name};

use crate::support::{Folder, LIMIT, join_in, joining};

/// The network of a child, whose parent has told its folder.
fn joined() -> Network {
    join_in(env::var_os("FOLDER").expect("the parent tells it").as_ref(), "net")
}

/// Starts the current test again, in a network in `folder`.
fn start(name: &str, folder: &Folder) -> Child {
    Child::this_test_with(name, |command| _ = command.env("FOLDER", folder.path())).expect("another process")
}

/// Dials until there is a listener.
fn dial(host: &Host, addr: &str) -> Conn {
    let deadline = Instant::now() + LIMIT;
    loop {
        match host.dial(addr).wait_timeout(LIMIT) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < deadline => {
                thread::yield_now()
            }
            dialled => return dialled.expect("dialled"),
        }
    }
}

/// A host that sends the same bytes for as long as it lives, to each connection.
fn send_for_ever() -> ! {
    let listener = joined().host("server").wait().expect("a new host").listen(":1").expect("a free port");
    for conn in listener.incoming() {
        let mut conn = conn.expect("accepted");
        thread::spawn(move || while conn.write_all(&[7; 5000]).is_ok() {});
    }
    unreachable!("the parent kills it")
}

/// Sends a signal to a process.
fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(status.expect("`kill` is there").success());
}

#[test]
fn a_child_is_dialled_and_named() {
    if child_name().as_deref() == Some("server") {
        let net = joined();
        let listener = net.host("server").wait().unwrap().listen(":1").unwrap();
        let mut conn = listener.accept().wait().unwrap();
        conn.write_all(conn.peer_addr().to_string().as_bytes()).unwrap();
        return;
    }
    let folder = Folder::new();
    let net = folder.join("net");
    let mut child = start("server", &folder);
    net.wait_for("server").wait_timeout(LIMIT).unwrap();
    let mut text = String::new();
    dial(&net.host("client").wait().unwrap(), "server:1").read_to_string(&mut text).unwrap();
    assert_eq!(text, "client:1");
    assert!(child.wait().unwrap().success());
    assert_eq!(net.new_host("server").wait().unwrap_err().kind(), ErrorKind::HostExists);
}

#[test]
fn a_process_killed_in_mid_transfer_ends_the_stream() {
    if child_name().is_some() {
        send_for_ever();
    }
    let times = env::var("VIRTNET_KILLS").map_or(5, |times| times.parse().expect("a number"));
    let mut seed = 1_u64;
    for time in 0..times {
        let folder = Folder::new();
        let net = folder.join("net");
        let client = net.host("client").wait().unwrap();
        let mut child = start("server", &folder);
        net.wait_for("server").wait_timeout(LIMIT).unwrap();
        let mut conns: Vec<_> = (0..3).map(|_| dial(&client, "server:1")).collect();
        // It dies after some number of bytes.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut buf = vec![0; 1 + (seed >> 33) as usize % 300_000];
        conns[0].read_exact(&mut buf).unwrap();
        assert!(buf.iter().all(|&byte| byte == 7));
        // One of the peers writes, so that its bytes wait unread there.
        conns[1].write_all(b"unread").unwrap();
        child.kill().unwrap();
        for mut conn in conns {
            match io::copy(&mut conn, &mut io::sink()) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "at time {time}"),
            }
        }
        let error = client.dial("server:1").wait_timeout(LIMIT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
        assert_eq!(client.sockets(), 0);
    }
    println!("{times} processes were killed");
}

#[test]
fn a_reader_that_is_killed_breaks_the_pipe() {
    if child_name().is_some() {
        let listener = joined().host("server").wait().unwrap().listen(":1").unwrap();
        let mut conn = listener.accept().wait().unwrap();
        conn.read_exact(&mut [0; 1000]).unwrap();
        conn.write_all(b"!").unwrap();
        loop {
            thread::park();
        }
    }
    let folder = Folder::new();
    let net = folder.join("net");
    let mut child = start("server", &folder);
    net.wait_for("server").wait_timeout(LIMIT).unwrap();
    let mut conn = dial(&net.host("client").wait().unwrap(), "server:1");
    conn.write_all(&[7; 2000]).unwrap();
    conn.read_exact(&mut [0]).unwrap();
    let writing = conn.try_clone().unwrap();
    let writer = thread::spawn(move || {
        let mut writing = writing;
        loop {
            if let Err(error) = writing.write_all(&[7; 5000]) {
                return error.kind();
            }
        }
    });
    child.kill().unwrap();
    let kind = writer.join().unwrap();
    assert!(matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe), "{kind}");
}

#[test]
fn a_process_that_is_stopped_continues_where_it_was() {
    if child_name().is_some() {
        send_for_ever();
    }
    let folder = Folder::new();
    let net = folder.join("net");
    let child = start("server", &folder);
    net.wait_for("server").wait_timeout(LIMIT).unwrap();
    let client = net.host("client").wait().unwrap();
    let mut conn = dial(&client, "server:1");
    conn.read_exact(&mut [0; 10_000]).unwrap();
    signal(&child, "-STOP");
    // What is under way arrives, and then nothing.
    conn.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let error = io::copy(&mut conn, &mut io::sink()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    let error = client.dial("server:1").wait_timeout(Duration::from_millis(100)).unwrap_err();
    assert_eq!(error.to_string(), "dial lonetnet client:2->server:1: timed out");
    signal(&child, "-CONT");
    conn.set_read_timeout(Some(LIMIT)).unwrap();
    let mut buf = [0; 100_000];
    conn.read_exact(&mut buf).unwrap();
    assert!(buf.iter().all(|&byte| byte == 7));
    assert_eq!(dial(&client, "server:1").local_addr(), "client:2");
}

/// How many processes there are, and hosts in each.
fn crowd() -> [usize; 2] {
    let number = |name: &str, default| env::var(name).map_or(default, |number| number.parse().expect("a number"));
    [number("VIRTNET_PROCESSES", 4), number("VIRTNET_HOSTS", 20)]
}

/// One of the processes: its hosts serve for ever, and each dials one host of every process.
fn crowded(name: &str) {
    let ([processes, each], own) = (crowd(), name.parse().expect("a number"));
    let folder = env::var_os("FOLDER").expect("the parent tells it");
    // Each connection is known by both its ends, so that all ports are known beforehand.
    let net = joining(folder.as_ref(), "net").share_port(true).wait().expect("joined");
    let of = |process: usize, at: usize| format!("h{process}-{at}");
    let hosts: Vec<_> = (0..each).map(|at| net.host(&of(own, at)).wait().expect("a new host")).collect();
    for host in &hosts {
        let listener = host.listen(":1").expect("a free port");
        thread::spawn(move || {
            for conn in listener.incoming() {
                let mut conn = conn.expect("accepted");
                let text = format!("{}<-{}", conn.local_addr(), conn.peer_addr());
                conn.write_all(text.as_bytes()).expect("room for it");
            }
        });
    }
    let all = |step: &str| {
        net.host(&format!("{step}{own}")).wait().expect("a new host");
        for process in 0..processes {
            net.wait_for(&format!("{step}{process}")).wait_timeout(3 * LIMIT).expect("all processes come so far");
        }
    };
    all("ready");
    for (at, host) in hosts.iter().enumerate() {
        for process in 0..processes {
            let peer = of(process, (at + process) % each);
            let mut conn = host.dial((peer.as_str(), 1)).wait_timeout(LIMIT).expect("accepted");
            let mut text = String::new();
            conn.read_to_string(&mut text).expect("a greeting");
            assert_eq!(text, format!("{peer}:1<-{}:2", host.name()));
            assert_eq!((conn.local_addr().port(), conn.peer_addr().port()), (2, 1));
        }
    }
    all("done");
}

#[test]
fn hosts_of_many_processes_dial_each_other() {
    if let Some(name) = child_name() {
        return crowded(&name);
    }
    let (folder, [processes, each]) = (Folder::new(), crowd());
    let mut children: Vec<_> = (0..processes).map(|at| start(&at.to_string(), &folder)).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    println!("{} hosts of {processes} processes made {} dials", processes * each, processes * processes * each);
}

#[test]
fn eight_processes_that_join_at_once_all_succeed() {
    if let Some(name) = child_name() {
        joined().host(&name).wait().unwrap();
        return;
    }
    let times = env::var("VIRTNET_CROWDS").map_or(5, |times| times.parse().expect("a number"));
    for time in 0..times {
        let folder = Folder::new();
        let mut children: Vec<_> = (0..8).map(|at| start(&format!("host{at}"), &folder)).collect();
        for child in &mut children {
            assert!(child.wait().unwrap().success(), "at time {time}");
        }
        let net = folder.join("net");
        for at in 0..8 {
            let error = net.new_host(&format!("host{at}")).wait().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::HostExists);
        }
        // One file, and nothing of those that others made.
        let mut files: Vec<_> =
            folder.path().join("net").read_dir().unwrap().map(|file| file.unwrap().file_name()).collect();
        files.retain(|name| !name.to_string_lossy().starts_with("registry.db"));
        assert_eq!(files, Vec::<std::ffi::OsString>::new());
    }
    println!("{times} crowds of 8 processes joined");
}
