//! Bytes: in both directions, after a half-close, through halves, and with waiting.

use core::sync::atomic::{AtomicU32, Ordering};

use embedded_io::{Read as _, ReadReady as _, Write as _, WriteReady as _};
use virtnet::pipenet::fixed::{Memory, Network};

use crate::check::{Conn, fails, fill, pair, prints, verify, waits};

/// Moves up to `buf.len()` bytes of the stream of `seed` from one end to the other, as many as there is room for.
fn pump(from: &Conn<'_, '_>, to: &Conn<'_, '_>, sent: &mut usize, received: &mut usize, seed: u32, len: usize) {
    let mut buf = [0; 24];
    let step = len.min(buf.len());
    fill(&mut buf[..step], *sent, seed);
    if let Ok(count) = from.try_write(&buf[..step]) {
        assert!(count > 0);
        *sent += count;
    }
    if let Ok(count) = to.try_read(&mut buf[..(len * 7) % 23 + 1]) {
        assert!(count > 0);
        verify(&buf[..count], *received, seed);
        *received += count;
    }
}

pub fn both_ways() {
    static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 2, 16);
    let (_listener, dialled, accepted) = pair(&NET);
    let (mut there, mut back) = ((0, 0), (0, 0));
    let mut round = 0;
    while there.1 < 5_000 || back.1 < 5_000 {
        round += 1;
        pump(&dialled, &accepted, &mut there.0, &mut there.1, 1, round % 19 + 1);
        pump(&accepted, &dialled, &mut back.0, &mut back.1, 2, round % 11 + 1);
        assert!(round < 20_000, "no progress");
    }
    assert_eq!(accepted.try_write(&[]).unwrap(), 0);
    assert_eq!(accepted.try_read(&mut []).unwrap(), 0);
}

pub fn half_close() {
    let memory = Memory::<2, 4, 1, 8>::new();
    let net = Network::new("t", &memory);
    let (_listener, dialled, accepted) = pair(&net);
    let mut buf = [0; 8];
    assert_eq!(dialled.try_write(b"the end").unwrap(), 7);
    dialled.close_write().unwrap();
    fails(dialled.try_write(b"x"), "write pipet b:1->a:1: broken pipe");
    assert_eq!(accepted.try_read(&mut buf[..3]).unwrap(), 3);
    assert_eq!(accepted.try_read(&mut buf[3..]).unwrap(), 4);
    assert_eq!(&buf[..7], b"the end");
    assert_eq!(accepted.try_read(&mut buf).unwrap(), 0);
    // The other direction continues.
    assert_eq!(accepted.try_write(b"still").unwrap(), 5);
    assert_eq!(dialled.try_read(&mut buf).unwrap(), 5);
    accepted.close_write().unwrap();
    assert_eq!(dialled.try_read(&mut buf).unwrap(), 0);
}

pub fn halves() {
    let memory = Memory::<2, 4, 1, 8>::new();
    let net = Network::new("t", &memory);
    let (_listener, dialled, accepted) = pair(&net);
    let (mut read, mut write) = dialled.into_split();
    let mut buf = [0; 8];
    assert!(!read.read_ready().unwrap() && write.write_ready().unwrap());
    assert_eq!(accepted.try_write(b"hello").unwrap(), 5);
    assert!(read.read_ready().unwrap());
    assert_eq!(read.peek(&mut buf[..2]).wait_with(idle).unwrap(), 2);
    read.read_exact(&mut buf[..5]).unwrap();
    assert_eq!(&buf[..5], b"hello");
    write.write_all(b"hi").unwrap();
    drop(write);
    assert_eq!(accepted.try_read(&mut buf).unwrap(), 2);
    assert_eq!(accepted.try_read(&mut buf).unwrap(), 0);
    waits(read.try_read(&mut buf));
    drop(read);
    fails(accepted.try_write(b"x"), "write pipet a:1->b:1: broken pipe");
    assert_eq!(net.pipes(), 1);
}

fn idle() {
    unreachable!("nothing has to be waited for")
}

pub fn blocking() {
    static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 2, 8).relax(relax);
    static WAITS: AtomicU32 = AtomicU32::new(0);
    /// Sleeps, and lets the peer continue.
    fn relax() {
        cortex_m::asm::sev();
        cortex_m::asm::wfe();
        let waits = WAITS.load(Ordering::Relaxed) + 1;
        WAITS.store(waits, Ordering::Relaxed);
        // A program that waits has no other end, so the connection is closed in the end.
        if waits == 10 {
            NET.host("b").unwrap().close().wait_with(idle).unwrap();
        }
    }
    let (listener, mut dialled, mut accepted) = pair(&NET);
    let mut buf = [0; 8];
    dialled.write_all(b"12345678").unwrap();
    accepted.read_exact(&mut buf).unwrap();
    assert_eq!((&buf, WAITS.load(Ordering::Relaxed)), (b"12345678", 0));
    assert_eq!(accepted.read(&mut buf).unwrap(), 0);
    assert_eq!(WAITS.load(Ordering::Relaxed), 10);
    fails(dialled.read(&mut buf), "read pipet a:1->b:1: host is down");
    fails(accepted.write(b"x"), "write pipet a:1->b:1: broken pipe");

    // The other pending operations report the cause.
    let mut rounds = 0;
    let a = NET.host("a").unwrap();
    let outcome = listener.accept().wait_with(|| {
        rounds += 1;
        if rounds == 3 {
            listener.close();
        }
    });
    fails(outcome, "accept pipet a:9: socket is down");
    let error = a.dial("a:9").wait_with(idle).unwrap_err();
    prints(error, "dial pipet a:2->a:9: connection refused");
}

/// The step that each end of `super_loop` takes in each round.
struct Echo {
    buf: [u8; 5],
    held: usize,
    done: bool,
}

impl Echo {
    fn step(&mut self, conn: &Conn<'_, '_>) {
        if self.held == 0 {
            match conn.try_read(&mut self.buf) {
                Ok(0) => {
                    self.done = true;
                    conn.close_write().unwrap();
                }
                Ok(count) => self.held = count,
                Err(_) => return,
            }
        }
        if let Ok(count) = conn.try_write(&self.buf[..self.held]) {
            self.buf.copy_within(count..self.held, 0);
            self.held -= count;
        }
    }
}

pub fn super_loop() {
    const TOTAL: usize = 1_000;
    let memory = Memory::<2, 4, 1, 7>::new();
    let net = Network::new("t", &memory);
    let (_listener, dialled, accepted) = pair(&net);
    let mut echo = Echo { buf: [0; 5], held: 0, done: false };
    let (mut sent, mut received, mut over) = (0, 0, false);
    for _ in 0..10_000 {
        let mut buf = [0; 9];
        let step = (TOTAL - sent).min(buf.len());
        fill(&mut buf[..step], sent, 3);
        if step > 0 {
            sent += dialled.try_write(&buf[..step]).unwrap_or(0);
            if sent == TOTAL {
                dialled.close_write().unwrap();
            }
        }
        if !echo.done {
            echo.step(&accepted);
        }
        match dialled.try_read(&mut buf) {
            Ok(0) => {
                over = true;
                break;
            }
            Ok(count) => {
                verify(&buf[..count], received, 3);
                received += count;
            }
            Err(_) => {}
        }
    }
    assert!(over && (sent, received) == (TOTAL, TOTAL), "{sent} sent, {received} received");
}
