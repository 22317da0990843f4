//! A program with a network, and without the standard library and an allocator: it listens, dials, moves bytes and
//! closes, fills its tables and reads an error. Its exit status is 0 if all checks passed, and otherwise the line of
//! the failed check (254 for a line beyond, 255 for an error).
//!
//! Of the C library it uses the program's start, and `memcpy` and similar functions.

#![no_std]
#![no_main]

use core::fmt::Write as _;
use core::panic::PanicInfo;
use core::pin::pin;

use embedded_io::{Read as _, Write as _};
use virtnet::pipenet::fixed::Network;
use virtnet::{Error, ErrorKind};

/// 2 hosts, 4 sockets, 1 connection, 16 bytes in each direction.
static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 1, 16);

#[link(name = "c")]
unsafe extern "C" {
    fn exit(status: i32) -> !;
}

/// The entry point that the C library calls.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    match program() {
        Ok(()) => 0,
        Err(_) => 255,
    }
}

fn program() -> Result<(), Error> {
    let (a, b) = (NET.host("a")?, NET.host("b")?);
    let listener = a.listen(":10")?;

    let mut dial = pin!(b.dial("a:10"));
    assert!(dial.as_mut().try_wait().is_none());
    let mut server = listener.try_accept()?;
    let mut client = dial.try_wait().expect("the dial is accepted")?;
    assert_eq!(client.local_addr(), server.peer_addr());
    assert_eq!((client.local_addr().host(), client.local_addr().port()), ("b", 1));
    assert_eq!((server.local_addr().host(), server.local_addr().port()), ("a", 1));

    let mut bytes = [0; 16];
    client.write_all(b"ping")?;
    assert_eq!(server.read(&mut bytes)?, 4);
    assert_eq!(&bytes[..4], b"ping");
    assert_eq!(server.try_write(&[7; 20])?, 16);
    assert_eq!(server.try_write(&[7; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(client.read(&mut bytes)?, 16);
    assert_eq!(bytes, [7; 16]);

    let error = b.dial("a:10").wait_with(core::hint::spin_loop).unwrap_err();
    assert!(prints(&error, "dial pipet b:2->a:10: pipe pool is full (1)"));

    server.close_write()?;
    assert_eq!(client.read(&mut bytes)?, 0);
    drop(server);
    let error = client.write(b"x").unwrap_err();
    assert!(prints(&error, "write pipet b:1->a:1: broken pipe"));
    drop(client);
    assert_eq!((a.sockets(), b.sockets(), NET.pipes()), (1, 0, 0));

    assert!(NET.close().is_ok());
    let error = listener.try_accept().unwrap_err();
    assert!(prints(&error, "accept pipet a:10: network is down"));
    Ok(())
}

/// Whether the error prints as expected.
fn prints(error: &Error, want: &'static str) -> bool {
    let mut left = Left(want);
    write!(left, "{error}").is_ok() && left.0.is_empty()
}

/// The text that is still to be printed.
struct Left(&'static str);

impl core::fmt::Write for Left {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(core::fmt::Error)?;
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let line = info.location().map_or(254, |location| location.line().min(254));
    // SAFETY: `exit` is the C library's, declared as it is there.
    unsafe { exit(line as i32) }
}
