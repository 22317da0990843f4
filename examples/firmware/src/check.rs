//! Helpers shared by the cases.

use core::fmt::{self, Display, Write};
use core::pin::pin;

use virtnet::pipenet::fixed::{NetHandle, Network};
use virtnet::{Error, ErrorKind};

/// Hosts and connections of a network that need not be a static.
pub type Host<'n, 'm> = virtnet::Host<NetHandle<'n, 'm>>;
/// See [`Host`].
pub type Listener<'n, 'm> = virtnet::Listener<NetHandle<'n, 'm>>;
/// See [`Host`].
pub type Conn<'n, 'm> = virtnet::Conn<NetHandle<'n, 'm>>;

/// Asserts that `value` prints like this.
#[track_caller]
pub fn prints(value: impl Display, want: &str) {
    let mut left = Left(want);
    let same = write!(left, "{value}").is_ok() && left.0.is_empty();
    assert!(same, "`{value}` instead of `{want}`");
}

/// The text that is still to be printed.
struct Left<'a>(&'a str);

impl Write for Left<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// Asserts that an operation failed, with an error that prints like this.
#[track_caller]
pub fn fails<T>(outcome: Result<T, Error>, want: &str) {
    match outcome {
        Ok(_) => panic!("done instead of `{want}`"),
        Err(error) => prints(error, want),
    }
}

/// Asserts that an operation has to wait.
#[track_caller]
pub fn waits<T>(outcome: Result<T, Error>) {
    match outcome {
        Ok(_) => panic!("done instead of having to wait"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
    }
}

/// Dials once without waiting, and returns the error, as the dial is not accepted by then.
#[track_caller]
pub fn dial_fails(host: &Host<'_, '_>, addr: &str, want: &str) {
    let mut dial = pin!(host.dial(addr));
    match dial.as_mut().try_wait() {
        Some(outcome) => fails(outcome, want),
        None => panic!("{addr} waits instead of `{want}`"),
    }
}

/// Dials and accepts; returns the dialled end and the accepted one.
#[track_caller]
pub fn connect<'n, 'm>(
    host: &Host<'n, 'm>,
    listener: &Listener<'n, 'm>,
) -> Result<(Conn<'n, 'm>, Conn<'n, 'm>), Error> {
    let mut dial = pin!(host.dial(listener.local_addr()));
    if let Some(failed) = dial.as_mut().try_wait() {
        return failed.map(|_| unreachable!("a dial is not done before it is accepted"));
    }
    let accepted = listener.try_accept()?;
    let dialled = dial.try_wait().expect("the dial is accepted")?;
    Ok((dialled, accepted))
}

/// Hosts `a` and `b`, a listener at `a:9`, and a connection from `b` to it.
pub fn pair<'n, 'm>(net: &'n Network<'m>) -> (Listener<'n, 'm>, Conn<'n, 'm>, Conn<'n, 'm>) {
    let (a, b) = (net.host("a").expect("room"), net.host("b").expect("room"));
    let listener = a.listen(":9").expect("the port is free");
    let (dialled, accepted) = connect(&b, &listener).expect("room");
    (listener, dialled, accepted)
}

/// The byte at a position of a stream that does not repeat itself soon.
pub fn byte(at: usize, seed: u32) -> u8 {
    let mixed = (at as u32).wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(40_503);
    (mixed >> 13) as u8
}

/// Fills `bytes` with the stream of `seed` from `at` on.
pub fn fill(bytes: &mut [u8], at: usize, seed: u32) {
    bytes.iter_mut().enumerate().for_each(|(i, place)| *place = byte(at + i, seed));
}

/// Asserts that `bytes` are of the stream of `seed` from `at` on.
#[track_caller]
pub fn verify(bytes: &[u8], at: usize, seed: u32) {
    for (i, &found) in bytes.iter().enumerate() {
        assert_eq!(found, byte(at + i, seed), "byte {}", at + i);
    }
}
