//! The sent and received streams, byte by byte: each byte identifies its stream and its position.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use virtnet::Addr;

use super::rng::mix;

/// The streams of a network.
pub(crate) struct Ledger {
    seed: u64,
    streams: Mutex<Vec<Arc<Stream>>>,
}

/// One direction of a connection.
struct Stream {
    /// The number of the stream, which its first bytes encode.
    id: u64,
    from: Addr,
    to: Addr,
    sent: AtomicU64,
    /// The bytes of a cancelled write, which may have been sent.
    doubtful: AtomicU64,
    received: AtomicU64,
    /// Whether the stream has a receiver.
    received_by_one: AtomicBool,
    /// Whether the receiver has seen the end of the stream.
    ended: AtomicBool,
}

/// The number of bytes that encode the number of a stream.
const HEAD: u64 = 8;

impl Ledger {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, streams: Mutex::default() }
    }

    /// A new stream from one end of a connection to the other.
    pub(crate) fn send(&self, from: Addr, to: Addr) -> Sender<'_> {
        let mut streams = self.streams.lock().expect("nobody panics with the streams");
        let id = streams.len() as u64;
        let (sent, doubtful, received) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let (received_by_one, ended) = (AtomicBool::new(false), AtomicBool::new(false));
        let stream = Arc::new(Stream { id, from, to, sent, doubtful, received, received_by_one, ended });
        streams.push(stream.clone());
        Sender { ledger: self, stream }
    }

    /// The stream that arrives at one end of a connection from the other.
    pub(crate) fn receive(&self, from: Addr, to: Addr) -> Receiver<'_> {
        Receiver { ledger: self, from, to, head: Vec::new(), stream: None }
    }

    /// Checks that no byte was lost, after all sending and receiving ended; returns the number of bytes.
    pub(crate) fn check(&self) -> u64 {
        let streams = self.streams.lock().expect("nobody panics with the streams");
        let check = |stream: &Arc<Stream>| {
            let [sent, doubtful, received] =
                [&stream.sent, &stream.doubtful, &stream.received].map(|count| count.load(SeqCst));
            let expected = if stream.ended.load(SeqCst) { sent } else { 0 };
            assert!(
                (expected..=sent + doubtful).contains(&received),
                "{}->{}: {received} bytes came of {sent} and perhaps {doubtful}, ended: {:?}",
                stream.from,
                stream.to,
                stream.ended
            );
            received
        };
        streams.iter().map(check).sum()
    }

    /// `len` bytes of a stream, starting at its byte `at`.
    fn bytes(&self, id: u64, at: u64, len: usize) -> Vec<u8> {
        let key = mix(self.seed ^ (id << 32));
        let word = |index: u64| if index == 0 { id } else { mix(key ^ index) };
        let words = (at / 8..=(at + len as u64) / 8).flat_map(|index| word(index).to_le_bytes());
        words.skip((at % 8) as usize).take(len).collect()
    }
}

/// The sending end of a stream.
pub(crate) struct Sender<'a> {
    ledger: &'a Ledger,
    stream: Arc<Stream>,
}

impl Sender<'_> {
    /// The next bytes to send.
    pub(crate) fn next(&self, len: u64) -> Vec<u8> {
        self.ledger.bytes(self.stream.id, self.stream.sent.load(SeqCst), len as usize)
    }

    /// Records that `count` bytes were sent.
    pub(crate) fn sent(&self, count: usize) {
        self.stream.sent.fetch_add(count as u64, SeqCst);
    }

    /// Records that up to `count` bytes may have been sent, and that no bytes follow them.
    pub(crate) fn perhaps_sent(self, count: usize) {
        self.stream.doubtful.store(count as u64, SeqCst);
    }
}

/// The receiving end of a stream.
pub(crate) struct Receiver<'a> {
    ledger: &'a Ledger,
    from: Addr,
    to: Addr,
    head: Vec<u8>,
    /// The number of the stream, once it is known.
    stream: Option<Arc<Stream>>,
}

impl Receiver<'_> {
    /// Checks each received byte.
    pub(crate) fn received(&mut self, mut bytes: &[u8]) {
        if self.stream.is_none() {
            let (head, rest) = bytes.split_at(bytes.len().min(HEAD as usize - self.head.len()));
            self.head.extend_from_slice(head);
            bytes = rest;
            if let Ok(id) = <[u8; 8]>::try_from(&*self.head) {
                self.stream = Some(self.find(u64::from_le_bytes(id)));
            }
        }
        let Some(stream) = &self.stream else { return };
        let at = stream.received.fetch_add(bytes.len() as u64, SeqCst);
        let expected = self.ledger.bytes(stream.id, at, bytes.len());
        if let Some(wrong) = bytes.iter().zip(&expected).position(|(byte, expected)| byte != expected) {
            panic!("{}->{}: byte {} of stream {} is another one", self.from, self.to, at + wrong as u64, stream.id);
        }
    }

    /// Records the end of the stream.
    pub(crate) fn ended(&self) {
        if let Some(stream) = &self.stream {
            stream.ended.store(true, SeqCst);
        }
    }

    /// The stream of this number, which must be the one that arrives here, and nowhere else.
    fn find(&self, id: u64) -> Arc<Stream> {
        let stream = self.ledger.streams.lock().expect("nobody panics with the streams").get(id as usize).cloned();
        let stream = stream.unwrap_or_else(|| panic!("{}->{}: no stream has the number {id}", self.from, self.to));
        assert_eq!((stream.from, stream.to), (self.from, self.to), "stream {id} came elsewhere");
        assert!(!stream.received_by_one.swap(true, SeqCst), "stream {id} came twice");
        stream.received.store(HEAD, SeqCst);
        stream
    }
}
