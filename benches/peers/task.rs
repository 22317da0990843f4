//! What tasks do: round trips and streams, on one thread and on two.

use std::cell::RefCell;
use std::future::poll_fn;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::io::duplex;
use tokio::runtime::{Runtime, RuntimeFlavor};

use crate::machine::Stopwatch;
use crate::pair::{self, BUFFER, End};
use crate::result::Unit;
use crate::sample::{Bench, OURS, Work};
use crate::turmoil;

/// Ours, as embassy-sync is used: by its own methods.
const POLLED: &str = "virtnet, poll_ methods";

/// How the tasks at both ends run.
#[derive(Clone, Copy)]
pub(crate) enum Tasks {
    /// Two tasks.
    Two,
    /// One that has both ends, and waits to read before it writes: what is written wakes it.
    One,
    /// One that writes before it reads, so that nothing has to wait.
    InTurn,
}

pub(crate) fn run(bench: &mut Bench) {
    let one = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let two = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build().expect("a runtime");

    let mut work = round_trips(&one, "1-byte round trip, two tasks on one thread", Tasks::Two, 0.68).chart();
    work.add("turmoil-net", turmoil::worker(async || turmoil::pair().await, turmoil::round_trips));
    work.add("ring alone", bare_round_trips);
    work.add("wakes alone", |times| wakes(&one, times));
    bench.run(work);

    bench.run(round_trips(&one, "1-byte round trip, one task polls both ends", Tasks::One, 0.66));
    let mut work = Work::new("1-byte round trip, one task, nothing to wait for", Unit::Nanoseconds);
    work.add(OURS, round_trip(&one, pair::virtnet(), Tasks::InTurn));
    work.add(POLLED, round_trip(&one, pair::polled(), Tasks::InTurn));
    work.add("tokio duplex", round_trip(&one, duplex(BUFFER), Tasks::InTurn));
    work.add("embassy-sync", round_trip(&one, pair::embassy(), Tasks::InTurn));
    work.add("ring alone", bare_round_trips);
    bench.run(work);
    // It takes the runtime a moment to bring tasks together that wake each other.
    bench.run(round_trips(&two, "1-byte round trip, tokio with 2 workers", Tasks::Two, 0.7).chart().stretch(5));

    for (size, name) in [(64 << 10, "64 KiB"), (1 << 10, "1 KiB")] {
        let work = streams(&one, name, size);
        bench.run(work);
    }
}

/// The bounds are those with tokio's budget for its tasks, which both pay.
fn round_trips<'a>(runtime: &'a Runtime, name: &str, tasks: Tasks, bound: f64) -> Work<'a> {
    let _within = runtime.enter();
    let mut work = Work::new(name, Unit::Nanoseconds);
    work.add(OURS, round_trip(runtime, pair::virtnet(), tasks));
    work.add(POLLED, round_trip(runtime, pair::polled(), tasks));
    work.add("tokio duplex", round_trip(runtime, duplex(BUFFER), tasks));
    work.add("embassy-sync", round_trip(runtime, pair::embassy(), tasks));
    work.add("TCP loopback", round_trip(runtime, pair::tokio_tcp(), tasks));
    work.add("Unix sockets", round_trip(runtime, pair::tokio_unix(), tasks));
    work.at_most(bound, OURS, "tokio duplex");
    work
}

/// Samples of one byte going there and back.
pub(crate) fn round_trip<A: End>(runtime: &Runtime, ends: (A, A), tasks: Tasks) -> impl FnMut(u64) -> Duration + '_ {
    let mut ends = Some(ends);
    move |times| {
        let (a, b) = ends.take().expect("each sample gives them back");
        let start = stopwatch(runtime);
        let ends_after = runtime.block_on(async move {
            let spawned = match tasks {
                Tasks::Two => {
                    let tasks = (tokio::spawn(ask(a, times)), tokio::spawn(answer(b, times)));
                    return (tasks.0.await.expect("it does not panic"), tasks.1.await.expect("it does not panic"));
                }
                Tasks::One => tokio::spawn(both(a, b, times)),
                Tasks::InTurn => tokio::spawn(in_turn(a, b, times)),
            };
            spawned.await.expect("it does not panic")
        });
        let took = start.elapsed();
        ends = Some(ends_after);
        took
    }
}

fn stopwatch(runtime: &Runtime) -> Stopwatch {
    match runtime.handle().runtime_flavor() {
        RuntimeFlavor::CurrentThread => Stopwatch::of_thread(),
        _ => Stopwatch::of_all(),
    }
}

pub(crate) async fn ask<E: End>(mut end: E, times: u64) -> E {
    let mut byte = [1];
    for _ in 0..times {
        end.write_all(&byte).await;
        assert_eq!(end.read(&mut byte).await, 1);
    }
    end
}

pub(crate) async fn answer<E: End>(mut end: E, times: u64) -> E {
    let mut byte = [0];
    for _ in 0..times {
        assert_eq!(end.read(&mut byte).await, 1);
        end.write_all(&byte).await;
    }
    end
}

async fn both<E: End>(mut a: E, mut b: E, times: u64) -> (E, E) {
    for _ in 0..times {
        write_to_waiting(&mut a, &mut b).await;
        write_to_waiting(&mut b, &mut a).await;
    }
    (a, b)
}

/// Sends a byte to an end that is being read.
async fn write_to_waiting<E: End>(writer: &mut E, reader: &mut E) {
    let mut byte = [0];
    let mut reading = pin!(reader.read(&mut byte));
    let waits = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx).is_pending())).await;
    writer.write_all(&[1]).await;
    if waits {
        reading.await;
    }
}

async fn in_turn<E: End>(mut a: E, mut b: E, times: u64) -> (E, E) {
    let mut byte = [1];
    for _ in 0..times {
        a.write_all(&byte).await;
        b.read(&mut byte).await;
        b.write_all(&byte).await;
        a.read(&mut byte).await;
    }
    (a, b)
}

thread_local! {
    /// Whose turn it is, and the wakers of both.
    static TURN: RefCell<(usize, [Option<Waker>; 2])> = const { RefCell::new((0, [None, None])) };
}

/// Two tasks of one thread that wake each other, and nothing else: what the runtime takes of a round trip.
fn wakes(runtime: &Runtime, times: u64) -> Duration {
    let start = stopwatch(runtime);
    runtime.block_on(async {
        for task in [0, 1].map(|who| tokio::spawn(take_turns(who, times))) {
            task.await.expect("it does not panic");
        }
    });
    start.elapsed()
}

async fn take_turns(who: usize, times: u64) {
    for _ in 0..times {
        poll_fn(|cx| {
            TURN.with_borrow_mut(|(turn, wakers)| {
                if *turn == who {
                    return Poll::Ready(());
                }
                match &mut wakers[who] {
                    Some(known) => known.clone_from(cx.waker()),
                    unknown => *unknown = Some(cx.waker().clone()),
                }
                Poll::Pending
            })
        })
        .await;
        TURN.with_borrow_mut(|(turn, wakers)| {
            *turn = 1 - who;
            wakers[1 - who].iter().for_each(Waker::wake_by_ref);
        });
    }
}

/// The same bytes through two queues, and nothing else.
fn bare_round_trips(times: u64) -> Duration {
    let (mut there, mut back) = (rtrb::RingBuffer::new(64), rtrb::RingBuffer::new(64));
    let mut byte = [1];
    let start = Stopwatch::of_thread();
    for _ in 0..times {
        for (producer, consumer) in [&mut there, &mut back] {
            let _ = black_box(producer).push_entire_slice(&byte);
            let _ = black_box(consumer).pop_entire_slice(&mut byte);
        }
    }
    black_box(byte);
    start.elapsed()
}

fn streams<'a>(runtime: &'a Runtime, name: &str, size: usize) -> Work<'a> {
    let _within = runtime.enter();
    let mut work = Work::new(&format!("stream, {name} writes, two tasks on one thread"), Unit::Throughput(size as u32));
    work = work.chart();
    work.add(OURS, stream(runtime, pair::virtnet(), size));
    work.add(POLLED, stream(runtime, pair::polled(), size));
    work.add("tokio duplex", stream(runtime, duplex(BUFFER), size));
    work.add("embassy-sync", stream(runtime, pair::embassy(), size));
    work.add(
        "turmoil-net",
        turmoil::worker(
            async || turmoil::pair().await,
            async move |ends: &mut turmoil::Ends, times| turmoil::stream(ends, times, size).await,
        ),
    );
    work.add("TCP loopback", stream(runtime, pair::tokio_tcp(), size));
    work.add("Unix sockets", stream(runtime, pair::tokio_unix(), size));
    work.add("copies alone", bare_stream(size));
    if size == BUFFER {
        work.at_least(0.9, OURS, "copies alone")
    } else {
        work.at_least(1.6, OURS, "tokio duplex");
        // As tokio's traits, with its budget, and as embassy-sync is used.
        work.at_least(1.0, OURS, "embassy-sync");
        work.at_least(1.0, POLLED, "embassy-sync");
    }
    work
}

pub(crate) fn stream<E: End>(runtime: &Runtime, ends: (E, E), size: usize) -> impl FnMut(u64) -> Duration + '_ {
    let (mut ends, mut blocks) = (Some(ends), Blocks::new(size));
    move |times| {
        let (a, b) = ends.take().expect("each sample gives them back");
        let (from, to) = blocks.next();
        let start = stopwatch(runtime);
        let ends_after = runtime.block_on(async {
            let tasks = (tokio::spawn(send(a, from, times)), tokio::spawn(receive(b, to, times * size as u64)));
            (tasks.0.await.expect("it does not panic"), tasks.1.await.expect("it does not panic"))
        });
        let took = start.elapsed();
        let ((a, from), (b, to)) = ends_after;
        ends = Some((a, b));
        blocks.put_back(from, to);
        took
    }
}

pub(crate) async fn send<E: End>(mut end: E, from: Block, times: u64) -> (E, Block) {
    for _ in 0..times {
        end.write_all(from.bytes()).await;
    }
    (end, from)
}

pub(crate) async fn receive<E: End>(mut end: E, mut to: Block, bytes: u64) -> (E, Block) {
    let mut left = bytes;
    while left > 0 {
        left -= end.read(to.bytes_mut()).await as u64;
    }
    (end, to)
}

/// Each byte copied into a buffer and out of it, and nothing else.
fn bare_stream(size: usize) -> impl FnMut(u64) -> Duration {
    let (mut blocks, mut ring) = (Blocks::new(size), vec![0; BUFFER]);
    move |times| {
        let (from, mut to) = blocks.next();
        let start = Stopwatch::of_thread();
        let fills = times.div_ceil((BUFFER / size) as u64);
        for _ in 0..fills {
            for part in ring.chunks_mut(size) {
                part.copy_from_slice(black_box(from.bytes()));
            }
            to.bytes_mut().copy_from_slice(black_box(&ring));
            black_box(to.bytes_mut());
        }
        let took = start.elapsed();
        blocks.put_back(from, to);
        // It moved whole buffers, perhaps a little more than asked for.
        took.mul_f64(times as f64 / (fills * (BUFFER / size) as u64) as f64)
    }
}

/// Bytes to write from and to read into, at another place within a page each time: where they lie to each other makes
/// copies faster or slower.
pub(crate) struct Blocks {
    blocks: Option<(Block, Block)>,
    seed: usize,
}

/// Some bytes within memory of their own.
pub(crate) struct Block {
    memory: Vec<u8>,
    start: usize,
    size: usize,
}

impl Blocks {
    pub(crate) fn new(size: usize) -> Self {
        let block = |size| Block { memory: vec![1; size + 4096], start: 0, size };
        Self { blocks: Some((block(size), block(BUFFER))), seed: 0 }
    }

    pub(crate) fn next(&mut self) -> (Block, Block) {
        let (mut from, mut to) = self.blocks.take().expect("they are put back");
        self.seed += 1;
        (from.start, to.start) = (self.seed * 1216 % 4096, self.seed * 2624 % 4096);
        (from, to)
    }

    pub(crate) fn put_back(&mut self, from: Block, to: Block) {
        self.blocks = Some((from, to));
    }
}

impl Block {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.size]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.size]
    }
}
