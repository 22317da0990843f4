//! Reads into room that nobody has touched yet: only what they fill is to cost something.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
use tokio::runtime::Runtime;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, LengthDelimitedCodec};

use crate::machine::Stopwatch;
use crate::pair::{self, BUFFER};
use crate::result::Unit;
use crate::sample::{Bench, OURS, Work};

/// What a byte is read into.
const ROOM: usize = 16 << 20;
/// How long a frame is.
const FRAME: usize = 64 << 20;

pub(crate) fn run(bench: &mut Bench) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let _within = runtime.enter();

    let mut work = Work::new("1 byte read into 16 MiB of spare room, one task", Unit::Nanoseconds);
    work.add(OURS, bytes(&runtime, pair::virtnet()));
    work.add("tokio duplex", bytes(&runtime, duplex(BUFFER)));
    work.add("TCP loopback", bytes(&runtime, pair::tokio_tcp()));
    work.at_most(2.0, OURS, "tokio duplex");
    bench.run(work);

    let mut work =
        Work::new("one frame of 64 MiB by a length-delimited codec, two tasks on one thread", Unit::Nanoseconds);
    work.add(OURS, frames(&runtime, pair::virtnet()));
    work.add("tokio duplex", frames(&runtime, duplex(BUFFER)));
    work.add("TCP loopback", frames(&runtime, pair::tokio_tcp()));
    work.at_most(1.0, OURS, "TCP loopback");
    bench.run(work);
}

/// Samples of one byte that is written, and read into all of the room.
fn bytes<S: AsyncRead + AsyncWrite + Unpin>(runtime: &Runtime, ends: (S, S)) -> impl FnMut(u64) -> Duration {
    let (mut a, mut b) = ends;
    let mut room = Vec::with_capacity(ROOM);
    move |times| {
        let start = Stopwatch::of_thread();
        runtime.block_on(async {
            for _ in 0..times {
                a.write_all(&[1]).await.expect("the peer is there");
                room.clear();
                assert_eq!(b.read_buf(&mut room).await.expect("the peer is there"), 1);
            }
        });
        start.elapsed()
    }
}

/// Samples of one frame, for which the codec makes room before it comes.
fn frames<S: AsyncRead + AsyncWrite + Unpin>(runtime: &Runtime, ends: (S, S)) -> impl FnMut(u64) -> Duration {
    let (mut a, mut b) = ends;
    let payload = vec![1; FRAME];
    move |times| {
        let start = Stopwatch::of_thread();
        runtime.block_on(async {
            for _ in 0..times {
                let frame = async {
                    a.write_u32(FRAME as u32).await?;
                    a.write_all(&payload).await
                };
                let (sent, received) = tokio::join!(frame, next_frame(&mut b));
                sent.expect("the peer is there");
                assert_eq!(received.len(), FRAME);
            }
        });
        start.elapsed()
    }
}

async fn next_frame(reader: &mut (impl AsyncRead + Unpin)) -> BytesMut {
    let mut codec = LengthDelimitedCodec::builder().max_frame_length(1 << 30).new_codec();
    let mut bytes = BytesMut::with_capacity(8 << 10);
    loop {
        if let Some(frame) = codec.decode(&mut bytes).expect("a frame of allowed length") {
            return frame;
        }
        assert_ne!(reader.read_buf(&mut bytes).await.expect("the peer is there"), 0);
    }
}
