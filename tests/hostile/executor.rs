//! Executors that poll without a wake-up, that never poll again, that use a new waker for each poll, or that move tasks
//! between threads.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use virtnet::NetRef;
use virtnet::NetRefExt as _;

use super::bed::*;

#[test]
fn polling_again_and_again_changes_nothing() {
    spurious_polls(heap());
    spurious_polls(heap_rendezvous());
    spurious_polls(fixed().subnetwork());
    spurious_polls(fixed_rendezvous().subnetwork());
}

fn spurious_polls<N: NetRef>(net: N) {
    let all = pair(net);
    let (count, waker) = counting();
    let mut cx = Context::from_waker(&waker);

    let mut accept = pin!(all.listener.accept());
    for _ in 0..1000 {
        assert!(accept.as_mut().poll(&mut cx).is_pending());
    }
    let mut dial = pin!(all.b.dial("a:1"));
    for _ in 0..1000 {
        assert!(dial.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!((all.a.sockets(), all.b.sockets(), count.count()), (3, 2, 1));
    let Poll::Ready(Ok(accepted)) = accept.poll(&mut cx) else { panic!("a dial waits") };
    let Poll::Ready(Ok(dialled)) = dial.poll(&mut cx) else { panic!("it was accepted") };
    assert_eq!((count.count(), text(all.listener.try_accept())), (2, "accept pipet a:1: would block".to_owned()));

    for _ in 0..1000 {
        assert!(accepted.poll_read(&mut cx, &mut [0; 8]).is_pending());
    }
    assert_carries(&dialled, &accepted);
    assert_eq!(count.count(), 3);

    // Write until the buffer is full, and poll many more times.
    while dialled.poll_write(&mut cx, &[7; 10]).is_ready() {}
    for _ in 0..1000 {
        assert!(dialled.poll_write(&mut cx, &[7; 10]).is_pending());
    }
    let mut buf = vec![0; 100_000];
    let count = accepted.try_read(&mut buf).expect("something is there");
    assert_eq!(buf[..count], vec![7; count]);
    assert!(dialled.poll_write(&mut cx, &[7; 10]).is_ready());
}

#[test]
fn a_task_that_is_never_polled_again_takes_nothing_from_other_tasks() {
    never_again(heap());
    never_again(heap_rendezvous());
    never_again(fixed().subnetwork());
    never_again(fixed_rendezvous().subnetwork());
}

fn never_again<N: NetRef>(net: N) {
    let all = pair(net);
    let (_, waker) = counting();
    let mut cx = Context::from_waker(&waker);
    let mut accept = pin!(all.listener.accept());
    assert!(accept.as_mut().poll(&mut cx).is_pending());
    assert!(all.accepted.poll_read(&mut cx, &mut [0; 8]).is_pending());
    let mut dial = pin!(all.b.dial("a:1"));
    assert!(dial.as_mut().poll(&mut cx).is_pending());

    // Any later caller gets the connection and the bytes.
    let accepted = all.listener.try_accept().expect("a dial waits");
    assert_carries(&all.dialled, &all.accepted);
    assert_unharmed(&all.a, &all.b);

    // The dial's end exists and sends nothing.
    assert_eq!(accepted.peer_addr(), "b:2");
    assert_eq!(text(accepted.try_read(&mut [0])), "read pipet b:2->a:3: would block");
    // A close applies to that connection, too.
    all.listener.close();
    all.net.close().wait().expect("nothing fails to close");
    assert_eq!(text(accepted.try_read(&mut [0])), "read pipet b:2->a:3: network is down");
}

#[test]
fn a_new_waker_for_each_poll_is_woken() {
    new_wakers(heap());
    new_wakers(fixed().subnetwork());
}

fn new_wakers<N: NetRef>(net: N) {
    let all = pair(net);
    let mut accept = pin!(all.listener.accept());
    let (_, last) = poll_with_new_wakers(|cx| accept.as_mut().poll(cx).is_pending());
    let mut dial = pin!(all.b.dial("a:1"));
    let (_, dialler) = poll_with_new_wakers(|cx| dial.as_mut().poll(cx).is_pending());
    assert_eq!(last.count(), 1);
    let Poll::Ready(Ok(accepted)) = accept.poll(&mut Context::from_waker(&counting().1)) else {
        panic!("a dial waits")
    };
    assert_eq!(dialler.count(), 1);
    let Poll::Ready(Ok(dialled)) = dial.poll(&mut Context::from_waker(&counting().1)) else { panic!("accepted") };

    let (_, reader) = poll_with_new_wakers(|cx| accepted.poll_read(cx, &mut [0]).is_pending());
    while dialled.try_write(&[7; 10]).is_ok() {}
    assert_eq!(reader.count(), 1);
    let (_, writer) = poll_with_new_wakers(|cx| dialled.poll_write(cx, &[7; 10]).is_pending());
    let mut buf = vec![0; 100_000];
    accepted.try_read(&mut buf).expect("something is there");
    assert_eq!(writer.count(), 1);
}

/// Polls with a hundred wakers, one after the other; returns the counts of the first and the last.
fn poll_with_new_wakers(
    mut is_pending: impl FnMut(&mut Context<'_>) -> bool,
) -> (std::sync::Arc<Counting>, std::sync::Arc<Counting>) {
    let counts: Vec<_> = (0..100)
        .map(|_| {
            let (count, waker) = counting();
            assert!(is_pending(&mut Context::from_waker(&waker)));
            count
        })
        .collect();
    (counts[0].clone(), counts[99].clone())
}

#[test]
fn a_rendezvous_write_polled_with_another_waker_is_another_write() {
    another_waker(heap_rendezvous());
    another_waker(fixed_rendezvous().subnetwork());
}

/// The documentation says so: nothing else tells one write from another.
fn another_waker<N: NetRef>(net: N) {
    let all = pair(net);
    let ((_, one), (_, two)) = (counting(), counting());
    let (mut one, mut two) = (Context::from_waker(&one), Context::from_waker(&two));
    assert!(all.dialled.poll_write(&mut one, b"abc").is_pending());
    assert!(all.dialled.poll_write(&mut two, b"abc").is_pending());
    let mut buf = [0; 8];
    assert_eq!(all.accepted.try_read(&mut buf), Ok(3));
    assert!(all.dialled.poll_write(&mut two, b"abc").is_pending());
    assert_eq!(all.accepted.try_read(&mut buf), Ok(3));
    // Both writes are done, independently.
    assert_eq!(all.dialled.poll_write(&mut one, b"abc"), Poll::Ready(Ok(3)));
    assert_eq!(all.dialled.poll_write(&mut two, b"abc"), Poll::Ready(Ok(3)));
}

#[test]
fn a_dropped_rendezvous_write_does_not_complete_the_next() {
    late_answer(heap_rendezvous());
    late_answer(fixed_rendezvous().subnetwork());
}

fn late_answer<N: NetRef>(net: N) {
    let all = pair(net);
    let ((_, one), (_, two)) = (counting(), counting());
    let (mut one, mut two) = (Context::from_waker(&one), Context::from_waker(&two));
    let mut buf = [0; 8];
    // The first task's bytes are read, but the task does not poll again for its count.
    assert!(all.dialled.poll_write(&mut one, b"abc").is_pending());
    assert_eq!(all.accepted.try_read(&mut buf), Ok(3));
    // The second task's write takes its place.
    assert!(all.dialled.poll_write(&mut two, b"123").is_pending());
    // Then the first task writes other bytes, which were not read.
    assert!(all.dialled.poll_write(&mut one, b"xyz").is_pending());
    assert_eq!(all.accepted.try_read(&mut buf).map(|count| buf[..count].to_vec()), Ok(b"123".to_vec()));
    assert!(all.dialled.poll_write(&mut one, b"xyz").is_pending());
    assert_eq!(all.accepted.try_read(&mut buf).map(|count| buf[..count].to_vec()), Ok(b"xyz".to_vec()));
    assert_eq!(all.dialled.poll_write(&mut one, b"xyz"), Poll::Ready(Ok(3)));
    assert_eq!(all.dialled.poll_write(&mut two, b"123"), Poll::Ready(Ok(3)));
}

#[test]
fn three_rendezvous_writers_polled_late_get_their_own_counts() {
    late_answers(heap_rendezvous());
    late_answers(fixed_rendezvous().subnetwork());
}

/// The tasks poll again in an order that frees one slot for a count while another count is still to be fetched.
fn late_answers<N: NetRef>(net: N) {
    let all = pair(net);
    let wakers = [(); 3].map(|()| counting().1);
    let write = |task: usize, bytes: &[u8]| all.dialled.poll_write(&mut Context::from_waker(&wakers[task]), bytes);
    let read = || {
        let mut buf = [0; 8];
        all.accepted.try_read(&mut buf).map(|count| buf[..count].to_vec())
    };
    for (task, byte) in [b"a", b"b", b"c"].into_iter().enumerate() {
        assert!(write(task, byte).is_pending());
        assert_eq!(read(), Ok(byte.to_vec()));
    }
    assert_eq!(write(1, b"b"), Poll::Ready(Ok(1)));
    assert!(write(1, b"d").is_pending());
    assert_eq!(read(), Ok(b"d".to_vec()));
    assert_eq!(write(2, b"c"), Poll::Ready(Ok(1)));
    assert_eq!(write(0, b"a"), Poll::Ready(Ok(1)));
    assert_eq!(write(1, b"d"), Poll::Ready(Ok(1)));
    assert!(read().is_err(), "each byte is read once");
}

#[test]
fn a_connection_inherits_nothing_with_its_reused_memory() {
    let all = pair(fixed_rendezvous().subnetwork());
    let mut buf = [0; 8];
    // A write is read, but its task does not poll again for its count.
    assert!(all.dialled.try_write(b"abc").is_err());
    assert_eq!(all.accepted.try_read(&mut buf), Ok(3));
    drop((all.dialled, all.accepted));
    // The same task writes the same bytes, which were not read.
    let (dialled, accepted) = connect(&all.b, &all.listener);
    assert_eq!(text(dialled.try_write(b"abc")), "write pipet b:1->a:2: would block");
    assert_eq!(accepted.try_read(&mut buf), Ok(3));
    assert_eq!(dialled.try_write(b"abc"), Ok(3));
}

#[test]
fn a_task_is_woken_where_another_task_has_waited() {
    another_waits(heap());
    another_waits(fixed().subnetwork());
}

fn another_waits<N: NetRef>(net: N) {
    let all = pair(net);
    let mut buf = vec![0; 100_000];
    for _ in 0..3 {
        let (reader, waker) = counting();
        assert!(all.accepted.poll_read(&mut Context::from_waker(&waker), &mut buf).is_pending());
        assert_eq!(all.dialled.try_write(b"x"), Ok(1));
        assert_eq!(reader.count(), 1);
        while all.dialled.try_write(&[7; 100]).is_ok() {}
        let (writer, waker) = counting();
        assert!(all.dialled.poll_write(&mut Context::from_waker(&waker), b"x").is_pending());
        assert!(all.accepted.try_read(&mut buf).is_ok());
        assert_eq!((reader.count(), writer.count()), (1, 1));
    }
}

#[test]
fn a_dropped_operation_takes_no_wake_up_from_another_of_its_task() {
    two_of_a_task(heap());
    two_of_a_task(fixed().subnetwork());
}

fn two_of_a_task<N: NetRef>(net: N) {
    let all = pair(net);
    let (count, waker) = counting();
    let mut cx = Context::from_waker(&waker);
    let (mut first, mut second) = (Box::pin(all.listener.accept()), Box::pin(all.listener.accept()));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    drop(first);
    // The dropped accept wakes its task, which otherwise would have to be woken when the dial arrives.
    assert_eq!(count.count(), 1);
    assert!(second.as_mut().poll(&mut cx).is_pending());
    let mut dial = pin!(all.b.dial("a:1"));
    assert!(dial.as_mut().try_wait().is_none());
    assert_eq!(count.count(), 2);
    assert!(second.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn an_executor_with_a_new_waker_for_each_poll_comes_to_rest() {
    polls_until_rest(heap());
    polls_until_rest(fixed().subnetwork());
}

/// Any of the wakers that a future was polled with causes its next poll, which has another one.
fn polls_until_rest<N: NetRef>(net: N) {
    let all = pair(net);
    let (mut accept, mut wakers) = (pin!(all.listener.accept()), vec![]);
    let woken = |wakers: &[(Arc<Counting>, Waker)]| wakers.iter().map(|(count, _)| count.count()).sum::<usize>();
    // The second poll, which is spurious, moves the accept to another task, and wakes the first one.
    for polls in 1..=3 {
        wakers.push(counting());
        let (_, waker) = &wakers[polls - 1];
        assert!(accept.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        assert_eq!(woken(&wakers), usize::from(polls > 1), "after poll {polls}");
    }
    let mut dial = pin!(all.b.dial("a:1"));
    assert!(dial.as_mut().try_wait().is_none());
    assert_eq!(wakers[2].0.count(), 1);
}

#[test]
fn futures_may_move_between_threads_and_wakers() {
    let all = pair(heap());
    let (listener, b) = (all.listener, all.b.clone());
    let accept = Box::pin(async move { listener.accept().await.map(|conn| (conn, listener)) });
    let dial = Box::pin(async move { b.dial("a:1").await });
    let (accept, dial) = (on_another_thread(accept), on_another_thread(dial));
    let Poll::Ready(Ok((accepted, listener))) = on_another_thread(accept.0).1 else { panic!("a dial waits") };
    let Poll::Ready(Ok(dialled)) = on_another_thread(dial.0).1 else { panic!("it was accepted") };
    assert_carries(&dialled, &accepted);
    drop((listener, dialled, accepted, all.dialled, all.accepted));
    assert_eq!((all.a.sockets(), all.b.sockets()), (0, 0));
}

/// Polls a future once, on another thread and with a new waker.
fn on_another_thread<F: Future<Output: Send> + Send + Unpin + 'static>(mut future: F) -> (F, Poll<F::Output>) {
    let poll = move || {
        let outcome = pin!(&mut future).poll(&mut Context::from_waker(&counting().1));
        (future, outcome)
    };
    thread::spawn(poll).join().expect("no panic")
}
