//! yamux: many streams over one connection, by the traits of `futures-io`.

use std::future::poll_fn;
use std::io;
use std::ops::Range;

use futures::future::join_all;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};
use virtnet::pipenet::{Conn, Network};
use yamux::{Config, Connection, ConnectionError, Mode, Stream};

use crate::support::{assert_all_ports_free, ends, on_each_runtime};

/// How many streams each end opens.
const STREAMS: usize = 7;

/// The size of a question: several frames, but less than half a stream's window, so that no end still has to send an
/// update of a window when all questions are answered.
const LARGE: usize = 100_000;

/// The buffer of the connection in each direction: room for all that an end sends. An end of yamux 0.14 does not read
/// while its answer to a ping waits to be written, so two ends with full buffers could wait for each other.
const BUFFER: usize = 2 * STREAMS * LARGE + (1 << 16);

/// One end of a multiplexed connection.
struct End {
    /// Requests for new streams. The end closes when this is dropped.
    open: mpsc::Sender<oneshot::Sender<Stream>>,
    driver: JoinHandle<Result<usize, ConnectionError>>,
}

impl End {
    fn start(conn: Conn, mode: Mode) -> Self {
        let (open, requests) = mpsc::channel(1);
        let driver = tokio::spawn(drive(Connection::new(conn.compat(), Config::default(), mode), requests));
        Self { open, driver }
    }

    async fn open(&self) -> Stream {
        let (request, stream) = oneshot::channel();
        self.open.send(request).await.expect("the end is open");
        stream.await.expect("the end is open")
    }

    /// Asks the peer a question in a new stream, whose own direction is closed before the answer is read.
    async fn ask(&self, question: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut stream = self.open().await;
        stream.write_all(&question).await?;
        stream.close().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    }

    /// Asks a question in each of these streams at once.
    async fn ask_all(&self, streams: Range<usize>) -> Vec<Vec<u8>> {
        join_all(streams.map(async |stream| self.ask(question(stream)).await.unwrap())).await
    }

    /// Closes this end; returns the number of streams that the peer opened.
    async fn close(self) -> Result<usize, ConnectionError> {
        drop(self.open);
        self.driver.await.expect("no panic")
    }
}

/// Drives a connection: opens the requested streams and answers those of the peer, until either end closes it.
async fn drive(
    mut connection: Connection<Compat<Conn>>,
    mut requests: mpsc::Receiver<oneshot::Sender<Stream>>,
) -> Result<usize, ConnectionError> {
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            stream = poll_fn(|cx| connection.poll_next_inbound(cx)) => {
                let Some(stream) = stream.transpose()? else { break };
                answers.spawn(answer(stream));
            }
            request = requests.recv() => {
                let Some(request) = request else {
                    poll_fn(|cx| connection.poll_close(cx)).await?;
                    break;
                };
                let stream = poll_fn(|cx| connection.poll_new_outbound(cx)).await?;
                request.send(stream).expect("the requester waits");
            }
        }
    }
    let outcomes = answers.join_all().await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    Ok(outcomes.len())
}

/// Reads a question to its end and answers it backwards.
async fn answer(mut stream: Stream) -> io::Result<()> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    bytes.reverse();
    stream.write_all(&bytes).await?;
    stream.close().await
}

/// A question that differs from those of other streams in each byte.
fn question(stream: usize) -> Vec<u8> {
    (0..LARGE).map(|i| (i ^ (i >> 8) ^ stream) as u8).collect()
}

/// The two ends of a connection from `b:1` to `a:1`: the client and the server.
async fn connect(net: &Network) -> (End, End) {
    let listener = net.host("a").unwrap().listen(":1").unwrap();
    let b = net.host("b").unwrap();
    let (client, server) = tokio::try_join!(b.dial("a:1"), listener.accept()).unwrap();
    assert_eq!([ends(&client), ends(&server)], [["b:1", "a:2"], ["a:2", "b:1"]]);
    (End::start(client, Mode::Client), End::start(server, Mode::Server))
}

#[test]
fn streams_of_both_ends_are_half_closed_and_answered() {
    on_each_runtime(&Network::builder("t").buffer(BUFFER), |net| async move {
        let (client, server) = connect(&net).await;
        let (of_client, of_server) = (0..STREAMS, STREAMS..2 * STREAMS);
        let (to_client, to_server) = tokio::join!(client.ask_all(of_client), server.ask_all(of_server));
        for (stream, mut answer) in (0..).zip(to_client.into_iter().chain(to_server)) {
            answer.reverse();
            assert!(answer == question(stream), "the answer in stream {stream} is to another question");
        }
        assert_eq!(client.close().await.unwrap(), STREAMS);
        assert_eq!(server.driver.await.unwrap().unwrap(), STREAMS);
        assert_all_ports_free(&[&net.get_host("a").unwrap(), &net.get_host("b").unwrap()]);
    });
}

#[test]
fn closing_a_host_ends_the_streams_of_its_peer() {
    on_each_runtime(&Network::builder("t"), |net| async move {
        let (client, server) = connect(&net).await;
        // The second answer shows that nothing is left to be sent: each end has answered the other's ping before it.
        for question in [b"one", b"two"] {
            let mut answer = client.ask(question.to_vec()).await.unwrap();
            answer.reverse();
            assert_eq!(answer, question);
        }
        let mut stream = client.open().await;
        net.get_host("a").unwrap().close().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(client.driver.await.unwrap().unwrap(), 0);
        let error = server.driver.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "decode error: i/o error: read pipet b:1->a:2: host is down");
    });
}
