//! The network used from an interrupt, at any point of the program's own use of it.

use core::cell::RefCell;
use core::future::poll_fn;
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::syst::SystClkSource;
use critical_section::Mutex;
use embedded_io::{Read as _, Write as _};
use virtnet::ErrorKind;
use virtnet::pipenet::fixed::{Conn, Listener, Network};

use crate::check::{fill, verify};
use crate::executor;

/// A blocking wait sleeps until the next interrupt.
static NET: Network<'static> = virtnet::fixed!("irq", 2, 6, 2, 8).relax(cortex_m::asm::wfi);

/// The task of the interrupt.
static SERVER: Mutex<RefCell<Option<Server>>> = Mutex::new(RefCell::new(None));

/// The number of interrupts.
static TICKS: AtomicU32 = AtomicU32::new(0);

/// Accepts, and sends back what it receives until the stream ends.
struct Server {
    listener: Listener,
    conn: Option<Conn>,
    buf: [u8; 8],
    held: usize,
}

impl Server {
    fn new(port: u16) -> Self {
        let listener = NET.host("handler").unwrap().listen(port).unwrap();
        Self { listener, conn: None, buf: [0; 8], held: 0 }
    }

    fn step(&mut self) {
        let Some(conn) = &self.conn else {
            match self.listener.try_accept() {
                Ok(conn) => self.conn = Some(conn),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
            return;
        };
        if self.held == 0 {
            match conn.try_read(&mut self.buf) {
                // The stream has ended: the connection is closed.
                Ok(0) => {
                    self.conn = None;
                    return;
                }
                Ok(count) => self.held = count,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
        }
        if let Ok(count) = conn.try_write(&self.buf[..self.held]) {
            self.buf.copy_within(count..self.held, 0);
            self.held -= count;
        }
    }
}

/// The interrupt's handler.
pub fn tick() {
    TICKS.store(TICKS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    critical_section::with(|cs| {
        if let Some(server) = &mut *SERVER.borrow(cs).borrow_mut() {
            server.step();
        }
    });
}

/// Runs `program` while the interrupt fires every so many cycles and serves at `port`.
fn interrupted(cycles: u32, port: u16, program: impl FnOnce()) {
    critical_section::with(|cs| SERVER.borrow(cs).replace(Some(Server::new(port))));
    // SAFETY: nothing else in this program uses the timer.
    let mut timer = unsafe { cortex_m::Peripherals::steal() }.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(cycles);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
    program();
    timer.disable_interrupt();
    timer.disable_counter();
    let server = critical_section::with(|cs| SERVER.borrow(cs).take());
    drop(server);
    assert_eq!((NET.host("handler").unwrap().sockets(), NET.pipes()), (0, 0));
}

pub fn serves() {
    let before = TICKS.load(Ordering::Relaxed);
    for (cycles, port) in [(20_000, 1), (4_999, 2)] {
        interrupted(cycles, port, || {
            let host = NET.host("program").unwrap();
            for seed in 0..3 {
                let mut conn = host.dial(("handler", port)).wait_with(cortex_m::asm::wfi).unwrap();
                for at in (0..400).step_by(10) {
                    let mut buf = [0; 10];
                    fill(&mut buf, at, seed);
                    conn.write_all(&buf).unwrap();
                    conn.read_exact(&mut buf).unwrap();
                    verify(&buf, at, seed);
                }
                conn.close_write().unwrap();
                assert_eq!(conn.read(&mut [0]).unwrap(), 0);
            }
        });
    }
    assert!(TICKS.load(Ordering::Relaxed) - before > 400, "the interrupt did all the other end's work");
}

pub fn wakes_tasks() {
    interrupted(9_973, 3, || {
        let host = NET.host("program").unwrap();
        let client = pin!(async {
            let conn = host.dial("handler:3").await.unwrap();
            for at in 0..200 {
                let mut buf = [0];
                fill(&mut buf, at, 5);
                assert_eq!(poll_fn(|cx| conn.poll_write(cx, &buf)).await.unwrap(), 1);
                assert_eq!(poll_fn(|cx| conn.poll_read(cx, &mut buf)).await.unwrap(), 1);
                verify(&buf, at, 5);
            }
            conn.close_write().unwrap();
            assert_eq!(poll_fn(|cx| conn.poll_read(cx, &mut [0])).await.unwrap(), 0);
        });
        let polls = executor::run([client]);
        assert!(polls < 600, "{polls} polls: woken by the interrupt, and only then");
    });
}
