//! Connected pairs of all kinds, for tasks and for threads.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use virtnet::pipenet::{Conn, Network};

/// What waits in one direction, at most, with all that let one choose.
pub(crate) const BUFFER: usize = 64 << 10;

/// A connection of this crate, in a network of its own.
pub(crate) fn virtnet() -> (Conn, Conn) {
    connect(&Network::new("t"), "a", "b")
}

/// A connection between two hosts of a network.
pub(crate) fn connect(net: &Network, server: &str, client: &str) -> (Conn, Conn) {
    let listener = net.host(server).and_then(|host| host.listen("")).expect("there is a free port");
    let mut dial = pin!(net.host(client).expect("a valid name").dial(listener.local_addr()));
    assert!(dial.as_mut().try_wait().is_none(), "nobody has accepted it");
    let accepted = listener.try_accept().expect("a dial waits");
    (dial.try_wait().expect("it is accepted").expect("it is accepted"), accepted)
}

pub(crate) fn tcp() -> (net::TcpStream, net::TcpStream) {
    let listener = net::TcpListener::bind("127.0.0.1:0").expect("the loopback is up");
    let address = listener.local_addr().expect("it is bound");
    let client = net::TcpStream::connect(address).expect("it listens");
    let (server, _) = listener.accept().expect("somebody has connected");
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("it is TCP");
    }
    (client, server)
}

/// To be called within tokio's runtime.
pub(crate) fn tokio_tcp() -> (tokio::net::TcpStream, tokio::net::TcpStream) {
    let (a, b) = tcp();
    let convert = |stream: net::TcpStream| {
        stream.set_nonblocking(true).and_then(|()| tokio::net::TcpStream::from_std(stream)).expect("a runtime")
    };
    (convert(a), convert(b))
}

/// To be called within tokio's runtime.
pub(crate) fn tokio_unix() -> (tokio::net::UnixStream, tokio::net::UnixStream) {
    tokio::net::UnixStream::pair().expect("two more files")
}

pub(crate) fn unix() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("two more files")
}

/// An end of a connection for tasks.
pub(crate) trait End: Send + 'static {
    fn read(&mut self, buf: &mut [u8]) -> impl Future<Output = usize> + Send;

    fn write_all(&mut self, bytes: &[u8]) -> impl Future<Output = ()> + Send;
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> End for S {
    async fn read(&mut self, buf: &mut [u8]) -> usize {
        AsyncReadExt::read(self, buf).await.expect("the peer is there")
    }

    async fn write_all(&mut self, bytes: &[u8]) {
        AsyncWriteExt::write_all(self, bytes).await.expect("the peer is there");
    }
}

/// A connection of this crate through its own methods: outside of tokio's budget, like those who know no runtime.
pub(crate) struct Polled(Conn);

pub(crate) fn polled() -> (Polled, Polled) {
    let (a, b) = virtnet();
    (Polled(a), Polled(b))
}

impl End for Polled {
    async fn read(&mut self, buf: &mut [u8]) -> usize {
        poll_fn(|cx| self.0.poll_read(cx, buf).map(|count| count.expect("the peer is there"))).await
    }

    async fn write_all(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let count = poll_fn(|cx| self.0.poll_write(cx, bytes).map(|count| count.expect("the peer is there"))).await;
            bytes = &bytes[count..];
        }
    }
}

type EmbassyPipe = Arc<Pipe<CriticalSectionRawMutex, BUFFER>>;

/// One end of two pipes of embassy-sync.
pub(crate) struct Embassy {
    incoming: EmbassyPipe,
    outgoing: EmbassyPipe,
}

pub(crate) fn embassy() -> (Embassy, Embassy) {
    let (one, other) = (Arc::new(Pipe::new()), Arc::new(Pipe::new()));
    (Embassy { incoming: one.clone(), outgoing: other.clone() }, Embassy { incoming: other, outgoing: one })
}

impl End for Embassy {
    async fn read(&mut self, buf: &mut [u8]) -> usize {
        self.incoming.read(buf).await
    }

    async fn write_all(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let count = self.outgoing.write(bytes).await;
            bytes = &bytes[count..];
        }
    }
}

/// A ring behind a mutex, with a condition to wait for: what one writes by hand.
#[derive(Default)]
struct Ring {
    bytes: Mutex<VecDeque<u8>>,
    changed: Condvar,
}

/// One end of two rings.
pub(crate) struct ByHand {
    incoming: Arc<Ring>,
    outgoing: Arc<Ring>,
    /// A write is done when its bytes were read.
    hand_over: bool,
}

/// Two ends that wait for each other by mutex and condition, with a buffer or without.
pub(crate) fn by_hand(hand_over: bool) -> (ByHand, ByHand) {
    let (one, other) = (Arc::<Ring>::default(), Arc::<Ring>::default());
    let a = ByHand { incoming: one.clone(), outgoing: other.clone(), hand_over };
    (a, ByHand { incoming: other, outgoing: one, hand_over })
}

impl Ring {
    fn wait_while(&self, condition: impl FnMut(&mut VecDeque<u8>) -> bool) -> MutexGuard<'_, VecDeque<u8>> {
        let bytes = self.bytes.lock().expect("nobody panics under it");
        self.changed.wait_while(bytes, condition).expect("nobody panics under it")
    }
}

impl Read for ByHand {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.incoming.wait_while(|bytes| bytes.is_empty()).read(buf)?;
        self.incoming.changed.notify_one();
        Ok(count)
    }
}

impl Write for ByHand {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut bytes = self.outgoing.wait_while(|bytes| bytes.len() == BUFFER);
        let count = buf.len().min(BUFFER - bytes.len());
        bytes.extend(&buf[..count]);
        drop(bytes);
        self.outgoing.changed.notify_one();
        if self.hand_over {
            drop(self.outgoing.wait_while(|bytes| !bytes.is_empty()));
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One end of two lock-free rings. Waits by asking again and again: the limit of what two threads can do.
pub(crate) struct Spinning {
    incoming: rtrb::Consumer<u8>,
    outgoing: rtrb::Producer<u8>,
}

pub(crate) fn spinning() -> (Spinning, Spinning) {
    let ((to_a, from_b), (to_b, from_a)) = (rtrb::RingBuffer::new(BUFFER), rtrb::RingBuffer::new(BUFFER));
    (Spinning { incoming: from_a, outgoing: to_a }, Spinning { incoming: from_b, outgoing: to_b })
}

impl Read for Spinning {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.incoming.pop_partial_slice(buf).0.len();
            if count > 0 {
                return Ok(count);
            }
            std::hint::spin_loop();
        }
    }
}

impl Write for Spinning {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        loop {
            let count = self.outgoing.push_partial_slice(buf).0.len();
            if count > 0 {
                return Ok(count);
            }
            std::hint::spin_loop();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
