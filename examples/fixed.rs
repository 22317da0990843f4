//! A network in statics, and both ends of its connections on one thread: the structure of firmware, in a program that
//! runs anywhere.
//!
//! Nothing here waits. In each round of the main loop, both ends do as much as they can without waiting, as in a
//! super-loop on a microcontroller. Then every table is filled, and is empty again once the sockets are dropped.
//!
//! The network uses no heap. With the feature `pipenet` alone, there is none to use:
//!
//! ```sh
//! cargo run --example fixed --no-default-features --features pipenet
//! ```

use std::pin::pin;

use virtnet::pipenet::fixed::{Conn, Host, Listener, Network};
use virtnet::{Error, ErrorKind};

/// Room for 2 hosts, 6 sockets, 2 connections, and 8 bytes in each direction of a connection.
static NET: Network<'static> = virtnet::fixed!("board", 2, 6, 2, 8);

/// The samples of the sensor.
const SAMPLES: [u16; 6] = [312, 315, 319, 318, 316, 313];

fn main() -> Result<(), Error> {
    let (logger, sensor) = (NET.host("logger")?, NET.host("sensor")?);
    let listener = logger.listen(":7")?;

    let log = measure(&listener, &sensor)?;
    println!("logged {log:?}");
    assert_eq!(log, SAMPLES);

    fill(&listener, &sensor)?;
    assert_eq!((logger.sockets(), sensor.sockets(), NET.pipes()), (1, 0, 0), "only the listener is left");

    // Everything still works.
    assert_eq!(measure(&listener, &sensor)?, SAMPLES);

    NET.close().expect("nothing can go wrong here");
    let error = sensor.listen("").unwrap_err();
    println!("{error}");
    assert_eq!(error.to_string(), "listen pipeboard sensor:0: network is down");
    println!("all as expected");
    Ok(())
}

/// Sends all samples from the sensor to the logger.
fn measure(listener: &Listener, sensor: &Host) -> Result<[u16; SAMPLES.len()], Error> {
    let mut dial = pin!(sensor.dial("logger:7"));
    let (mut source, mut sink) = (None, None);
    let mut rounds = 0;
    loop {
        rounds += 1;
        // The sensor connects, and sends as much as there is room for.
        match &mut source {
            None => source = dial.as_mut().try_wait().transpose()?.map(Source::new),
            Some(source) => source.step()?,
        }
        // The logger accepts the connection once it is there, and reads the available bytes.
        match &mut sink {
            None => sink = ready(listener.try_accept())?.map(Sink::new),
            Some(sink) => {
                if sink.step()? {
                    println!("{} -> {} took {rounds} rounds", sink.conn.peer_addr(), sink.conn.local_addr());
                    return Ok(sink.log);
                }
            }
        }
    }
}

/// The sending end.
struct Source {
    conn: Conn,
    bytes: [u8; 2 * SAMPLES.len()],
    sent: usize,
}

impl Source {
    fn new(conn: Conn) -> Self {
        let mut bytes = [0; 2 * SAMPLES.len()];
        for (bytes, sample) in bytes.chunks_exact_mut(2).zip(SAMPLES) {
            bytes.copy_from_slice(&sample.to_le_bytes());
        }
        Self { conn, bytes, sent: 0 }
    }

    /// Sends as much as there is room for, and ends the stream after the last byte.
    fn step(&mut self) -> Result<(), Error> {
        let left = &self.bytes[self.sent..];
        if left.is_empty() {
            return self.conn.close_write();
        }
        self.sent += ready(self.conn.try_write(left))?.unwrap_or(0);
        Ok(())
    }
}

/// The receiving end.
struct Sink {
    conn: Conn,
    log: [u16; SAMPLES.len()],
    /// The bytes received so far.
    received: usize,
}

impl Sink {
    fn new(conn: Conn) -> Self {
        Self { conn, log: [0; SAMPLES.len()], received: 0 }
    }

    /// Reads the available bytes; returns whether the stream has ended.
    fn step(&mut self) -> Result<bool, Error> {
        let mut bytes = [0; 3];
        let Some(count) = ready(self.conn.try_read(&mut bytes))? else { return Ok(false) };
        for &byte in &bytes[..count] {
            self.log[self.received / 2] |= u16::from(byte) << (8 * (self.received % 2));
            self.received += 1;
        }
        Ok(count == 0)
    }
}

/// Fills every table, checks the errors, and drops all sockets.
fn fill(listener: &Listener, sensor: &Host) -> Result<(), Error> {
    let refused = |error: Error, want: &str| {
        println!("{error}");
        assert_eq!(error.to_string(), want);
        assert_eq!(error.kind(), ErrorKind::Full);
    };
    refused(NET.host("third").unwrap_err(), r#"virtnet "pipeboard": new host "third": host table is full (2)"#);

    // Two connections use all pipes. With the listener, they take 5 of 6 sockets.
    let first = connect(listener, sensor)?;
    let second = connect(listener, sensor)?;
    assert_eq!(second.0.local_addr().to_string(), "sensor:2");
    assert_eq!(second.1.local_addr().to_string(), "logger:2");
    refused(connect(listener, sensor).unwrap_err(), "dial pipeboard sensor:3->logger:7: pipe pool is full (2)");

    let sixth = sensor.listen("")?;
    refused(sensor.listen("").unwrap_err(), "listen pipeboard sensor:0: port table is full (6)");
    refused(connect(listener, sensor).unwrap_err(), "dial pipeboard: port table is full (6)");

    // A dropped socket's room is available at once, and the lowest port is reused first.
    drop(first);
    let third = connect(listener, sensor)?;
    assert_eq!(third.0.local_addr().to_string(), "sensor:1");
    drop((second, third, sixth));
    Ok(())
}

/// Both ends of a new connection.
fn connect(listener: &Listener, host: &Host) -> Result<(Conn, Conn), Error> {
    let mut dial = pin!(host.dial("logger:7"));
    if let Some(failed) = dial.as_mut().try_wait() {
        // A dial is not done until it is accepted.
        return Err(failed.unwrap_err());
    }
    let accepted = listener.try_accept()?;
    let dialled = dial.try_wait().expect("the dial is accepted")?;
    Ok((dialled, accepted))
}

/// The outcome, or `None` if the operation would have to wait.
fn ready<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
