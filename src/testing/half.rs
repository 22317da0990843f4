//! Connections as other traits and types: `std::io` with timeouts, `embedded-io`, and halves.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::string::{String, ToString};
use std::sync::Arc;
use std::thread;
use std::vec;

use embedded_io::{ReadReady, WriteReady};

use super::setup::Setup;
use super::step::{LONG, SHORT, failed, read, text, timed_out, write};
use crate::error::kind::ErrorKind;
use crate::net::conn::Conn;
use crate::net::half::ReuniteError;
use crate::net::net_ref::NetRef;

/// The connection, of which the caller holds the only handle.
pub(super) fn own<N: NetRef>(conn: Arc<Conn<N>>) -> Conn<N> {
    Arc::into_inner(conn).expect("there is no other handle")
}

pub(super) fn connections_are_std_streams<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (mut a, b) = (own(pair.accepted), own(pair.dialled));
    let (sent, got) = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            (&b).write_all(b"hello")?;
            (&b).flush()?;
            b.close_write()?;
            Ok::<_, io::Error>(())
        });
        let mut got = String::new();
        let read = a.read_to_string(&mut got).map(|_| got);
        (sending.join().expect("no panic"), read)
    });
    sent.expect("all is sent");
    assert_eq!(got.expect("all is read"), "hello");
    b.close();
    net.closed_at_peer(&a);
    let error = a.write(b"x").expect_err("the peer does not read");
    assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::BrokenPipe, failed("write", &a, "broken pipe")));
    let inner =
        error.get_ref().and_then(|inner| inner.downcast_ref::<crate::error::Error>()).expect("the crate's error");
    assert_eq!(inner.kind(), ErrorKind::BrokenPipe);
}

pub(super) fn connections_are_embedded_streams<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (mut a, mut b) = (&*pair.accepted, &*pair.dialled);
    assert_eq!((a.read_ready(), b.write_ready()), (Ok(false), Ok(true)));
    let (sent, got) = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            embedded_io::Write::write_all(&mut b, b"hello")?;
            embedded_io::Write::flush(&mut b)
        });
        let mut got = [0; 5];
        let read = embedded_io::Read::read_exact(&mut a, &mut got).map(|()| got);
        (sending.join().expect("no panic"), read)
    });
    assert_eq!((sent, got), (Ok(()), Ok(*b"hello")));
    pair.accepted.close();
    assert_eq!((pair.accepted.as_ref().read_ready(), b.read_ready()), (Ok(true), Ok(true)));
    net.closed_at_peer(b);
    let error = embedded_io::Write::write(&mut b, b"x").expect_err("the peer does not read");
    assert_eq!(embedded_io::Error::kind(&error), embedded_io::ErrorKind::BrokenPipe);
}

pub(super) fn a_read_timeout_leaves_no_trace<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let a = &pair.accepted;
    assert_eq!(a.read_timeout(), None);
    a.set_read_timeout(Some(SHORT)).expect("more than zero");
    assert_eq!(a.read_timeout(), Some(SHORT));
    for _ in 0..2 {
        let error = (&**a).read(&mut [0]).expect_err("nothing comes");
        assert_eq!((error.kind(), error.to_string()), (timed_out(), failed("read", a, "timed out")));
        let inner =
            error.get_ref().and_then(|inner| inner.downcast_ref::<crate::error::Error>()).expect("the crate's error");
        assert_eq!(inner.kind(), ErrorKind::TimedOut);
        let expired = embedded_io::Read::read(&mut &**a, &mut [0]).expect_err("nothing comes");
        assert_eq!(embedded_io::Error::kind(&expired), embedded_io::ErrorKind::TimedOut);
        assert_eq!(text(a.peek(&mut [0]).wait_timeout(SHORT)), failed("read", a, "timed out"));
    }
    a.set_read_timeout(None).expect("none is a timeout, too");
    let (got, sent) = thread::scope(|scope| {
        let reading = scope.spawn(|| (&**a).read(&mut [0; 9]));
        let sent = net.wait(write(&pair.dialled, b"abc"));
        (reading.join().expect("no panic").map_err(|error| error.kind()), sent)
    });
    assert_eq!((got, sent), (Ok(3), Ok(3)));
}

pub(super) fn timeouts_are_shared_by_clones_and_halves<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, other) = (own(pair.accepted), &pair.dialled);
    let mut clone = a.try_clone().expect("there are few");
    a.set_read_timeout(Some(SHORT)).expect("more than zero");
    clone.set_write_timeout(Some(LONG)).expect("more than zero");
    let error = clone.read(&mut [0]).expect_err("nothing comes");
    assert_eq!((error.kind(), error.to_string()), (timed_out(), failed("read", &a, "timed out")));
    assert_eq!((a.read_timeout(), a.write_timeout()), (Some(SHORT), Some(LONG)));
    assert_eq!((other.read_timeout(), other.write_timeout()), (None, None));

    let (mut read_half, write_half) = a.into_split();
    assert_eq!((read_half.write_timeout(), write_half.read_timeout()), (Some(LONG), Some(SHORT)));
    write_half.set_read_timeout(Some(2 * SHORT)).expect("more than zero");
    let error = read_half.read(&mut [0]).expect_err("nothing comes");
    assert_eq!(error.kind(), timed_out());
    read_half.set_write_timeout(None).expect("none is a timeout, too");
    let (read_limit, write_limit) = (clone.read_timeout(), clone.write_timeout());
    assert_eq!((read_limit, write_limit), (Some(2 * SHORT), None));
    let whole = read_half.reunite(write_half).expect("of one connection");
    assert_eq!((whole.read_timeout(), whole.write_timeout()), (read_limit, write_limit));
}

pub(super) fn available_bytes_win_over_a_short_timeout<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    a.set_read_timeout(Some(Duration::from_nanos(1))).expect("more than zero");
    b.set_write_timeout(Some(Duration::from_nanos(1))).expect("more than zero");
    let offered = net.offer(b, b"abc");
    assert_eq!((&**a).read(&mut [0; 9]).map_err(|error| error.kind()), Ok(3));
    assert_eq!(offered.outcome(), Ok(3));
    a.close();
    net.closed_at_peer(b);
    assert_eq!((&**b).write(b"x").map_err(|error| error.kind()), Err(io::ErrorKind::BrokenPipe));
    assert_eq!((&**b).read(&mut [0]).map_err(|error| error.kind()), Ok(0));
}

pub(super) fn a_timeout_of_zero_is_invalid<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let a = &pair.accepted;
    for error in [a.set_read_timeout(Some(Duration::ZERO)), a.set_write_timeout(Some(Duration::ZERO))] {
        assert_eq!(error.map_err(|error| error.kind()), Err(io::ErrorKind::InvalidInput));
    }
    a.set_write_timeout(Some(LONG)).expect("more than zero");
    assert_eq!(
        a.set_write_timeout(Some(Duration::ZERO)).map_err(|error| error.kind()),
        Err(io::ErrorKind::InvalidInput)
    );
    assert_eq!((a.read_timeout(), a.write_timeout()), (None, Some(LONG)));
}

pub(super) fn borrowed_halves_work_concurrently<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, mut b) = (&pair.accepted, own(pair.dialled));
    let (mut read_half, mut write_half) = b.split();
    let got = thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut got = [0; 2];
            read_half.read_exact(&mut got).map(|()| got)
        });
        let writing = scope.spawn(move || write_half.write_all(b"abc"));
        let got = net.wait(super::step::read_all(a.clone(), 3));
        assert_eq!(net.wait(super::step::write_all(a.clone(), b"de".to_vec())), Ok(()));
        writing.join().expect("no panic").expect("written");
        (got, reading.join().expect("no panic").expect("read"))
    });
    assert_eq!(got, (Ok(b"abc".into()), *b"de"));
    // Neither half shut down the connection.
    assert_eq!(net.both(write(a, b"x"), read(&Arc::new(b), 9)), (Ok(1), Ok(b"x".into())));
}

pub(super) fn a_dropped_write_half_ends_the_stream<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let a = &pair.accepted;
    let (mut read_half, write_half) = own(pair.dialled).into_split();
    let reading = net.start(read(a, 9));
    drop(write_half);
    assert_eq!(reading.outcome(), Ok(vec![]));
    let offered = net.offer(a, b"ab");
    let mut buf = [0; 9];
    assert_eq!(read_half.read(&mut buf).map_err(|error| error.kind()), Ok(2));
    assert_eq!(offered.outcome(), Ok(2));
    drop(read_half);
    // The other half is dropped, too.
    net.closed_at_peer(a);
    assert_eq!(net.wait(write(a, b"x")).map_err(|error| error.kind()), Err(ErrorKind::BrokenPipe));
    assert_eq!(pair.b.sockets(), 0);
}

pub(super) fn a_dropped_read_half_closes_nothing<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let a = &pair.accepted;
    let (read_half, mut write_half) = own(pair.dialled).into_split();
    drop(read_half);
    let (sent, got) = thread::scope(|scope| {
        let writing = scope.spawn(|| write_half.write(b"abc"));
        let got = net.wait(read(a, 9));
        (writing.join().expect("no panic").map_err(|error| error.kind()), got)
    });
    assert_eq!((sent, got), (Ok(3), Ok(b"abc".into())));
    let reading = net.start(read(a, 9));
    assert_eq!((write_half.as_ref().local_addr().to_string(), pair.b.sockets()), ("b:1".into(), 1));
    write_half.forget();
    // The last half closes the connection, forgotten or not.
    assert_eq!(reading.outcome(), Ok(vec![]));
    assert_eq!(pair.b.sockets(), 0);
}

pub(super) fn halves_are_reunited<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (other, _accepted) = net.connect(&pair.b, &pair.listener);
    let (read_half, write_half) = own(pair.dialled).into_split();
    let (other_read, other_write) = own(other).into_split();
    let ReuniteError(read_half, other_write) = read_half.reunite(other_write).expect_err("of different connections");
    let conn = write_half.reunite(read_half).expect("of one connection");
    let offered = net.offer(&pair.accepted, b"ab");
    assert_eq!((conn.try_read(&mut [0; 9]), offered.outcome()), (Ok(2), Ok(2)));
    // Splitting and reuniting shut nothing down.
    let conn = Arc::new(conn);
    assert_eq!(net.both(write(&conn, b"x"), read(&pair.accepted, 9)), (Ok(1), Ok(b"x".into())));
    assert_eq!(other_write.reunite(other_read).expect("of one connection").local_addr().to_string(), "b:2");
    assert_eq!(pair.b.sockets(), 1);
}
