//! Pipes whose bytes and ends reach the peer later than they were sent.

use core::task::{Context, Poll};

use super::Pipes;
use super::memory::PipeMemory;
use super::pipe::Failure;
use crate::contract::engine::{DelayIo, Shutdown};
use crate::error::cause::Cause;
use crate::wait::waker::{Wakers, poll_locked};

impl<M: PipeMemory> DelayIo<M::Link> for Pipes<M> {
    fn peer(&self, link: &M::Link) -> M::Link {
        self.memory.peer(link)
    }

    fn hold(&self, link: &M::Link, on: bool) -> bool {
        self.memory.outgoing(link, |direction| direction.is_some_and(|direction| direction.hold(on)))
    }

    fn poll_write_held(&self, link: &M::Link, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<(usize, bool), Cause>> {
        poll_locked(cx.waker(), |registration| {
            let (moved, held, woken) = self.memory.outgoing(link, |direction| match direction {
                Some(direction) => direction.write_held(registration, buf),
                None => (Poll::Ready(Err(Failure::Down)), false, Default::default()),
            });
            woken.wake();
            moved.map_ok(|count| (count, held)).map_err(Cause::from)
        })
    }

    fn show(&self, link: &M::Link, count: usize) {
        self.memory
            .outgoing(link, |direction| direction.map(|direction| direction.show(count)))
            .into_iter()
            .for_each(Wakers::wake);
    }

    fn hidden(&self, link: &M::Link) -> usize {
        self.memory.outgoing(link, |direction| direction.map_or(0, |direction| direction.hidden()))
    }

    fn drop_hidden(&self, link: &M::Link) {
        self.memory.outgoing(link, |direction| direction.into_iter().for_each(|direction| direction.drop_hidden()));
    }

    fn leave(&self, link: &M::Link, how: Shutdown) -> Shutdown {
        let mut how = match how {
            Shutdown::CloseOrReset if self.rendezvous || !self.reset_unread => Shutdown::Close,
            how => how,
        };
        let incoming = match how {
            Shutdown::Write => None,
            _ => self.memory.incoming(link, |direction| Some(direction?.leave_reader(&mut how))),
        };
        let outgoing = self.memory.outgoing(link, |direction| Some(direction?.leave_writer(how)));
        outgoing.into_iter().chain(incoming).for_each(Wakers::wake);
        how
    }

    fn break_off(&self, link: &M::Link) {
        let incoming = self.memory.incoming(link, |direction| Some(direction?.break_off()));
        let outgoing = self.memory.outgoing(link, |direction| Some(direction?.break_off()));
        for (readers, writers) in outgoing.into_iter().chain(incoming) {
            readers.wake();
            writers.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::task::{Context, Poll, Waker};

    use super::*;
    use crate::contract::engine::{Engine as _, FastIo as _, FastPath};
    use crate::pipenet::HeapPipes;
    use crate::wait::ClockSlot;

    type Engine = Pipes<HeapPipes>;
    type Link = <HeapPipes as PipeMemory>::Link;

    fn pipe(buffer: usize) -> (Engine, Link, Link) {
        let engine =
            Pipes { memory: HeapPipes::new(buffer), rendezvous: false, reset_unread: true, clock: ClockSlot::EMPTY };
        let (near, far) = engine.memory.open("a", false).expect("the heap has room");
        (engine, near, far)
    }

    fn cx() -> Context<'static> {
        Context::from_waker(crate::wait::waker::noop_waker())
    }

    fn write(engine: &Engine, link: &Link, bytes: &[u8]) -> Poll<Result<(usize, bool), Cause>> {
        engine.poll_write_held(link, &mut cx(), bytes)
    }

    /// What a read returns, and the bytes.
    fn read(engine: &Engine, link: &Link) -> Result<std::vec::Vec<u8>, Option<Cause>> {
        let mut buf = [0; 9];
        match engine.poll_read(link, &mut cx(), &mut buf) {
            Poll::Ready(Ok(count)) => Ok(buf[..count].to_vec()),
            Poll::Ready(Err(cause)) => Err(Some(cause)),
            Poll::Pending => Err(None),
        }
    }

    #[test]
    fn held_bytes_are_read_once_they_are_shown() {
        let (engine, near, far) = pipe(4);
        assert_eq!(write(&engine, &near, b"12"), Poll::Ready(Ok((2, false))));
        assert!(engine.hold(&near, true));
        assert_eq!(engine.fast_io().unwrap().fast_write(&near, Waker::noop(), b"x"), FastPath::Fallback);
        assert_eq!(write(&engine, &near, b"345"), Poll::Ready(Ok((2, true))));
        assert_eq!((write(&engine, &near, b"5"), engine.hidden(&near)), (Poll::Pending, 2));
        assert_eq!((engine.status(&far).to_read, engine.status(&near).to_write), (2, 4));
        assert!(engine.poll_writable(&near, &mut cx()).is_pending());
        assert_eq!(read(&engine, &far), Ok(b"12".to_vec()));
        assert_eq!(read(&engine, &far), Err(None));
        assert_eq!(engine.fast_io().unwrap().fast_read(&far, Waker::noop(), &mut [0; 9]), FastPath::Fallback);
        engine.show(&near, 1);
        assert_eq!(read(&engine, &far), Ok(b"3".to_vec()));
        assert!(engine.hold(&near, false), "a byte still waits");
        engine.show(&near, 7);
        assert!(!engine.hold(&near, false));
        assert_eq!(read(&engine, &far), Ok(b"4".to_vec()));
        assert_eq!(engine.fast_io().unwrap().fast_write(&near, Waker::noop(), b"x"), FastPath::Done(1));
        // The other direction was never held.
        assert_eq!(write(&engine, &far, b"6"), Poll::Ready(Ok((1, false))));
    }

    #[test]
    fn the_peer_of_an_end_that_left_sees_it_once_it_is_shut_down() {
        for (unread, how) in [(false, Shutdown::Close), (true, Shutdown::Reset)] {
            let (engine, near, far) = pipe(8);
            assert!(engine.hold(&near, true));
            assert_eq!(write(&engine, &near, b"12"), Poll::Ready(Ok((2, true))));
            assert_eq!(
                write(&engine, &far, if unread { b"3" } else { b"" }).map_ok(|(count, _)| count > 0),
                match unread {
                    true => Poll::Ready(Ok(true)),
                    false => Poll::Pending,
                }
            );
            assert_eq!(engine.leave(&near, Shutdown::CloseOrReset), how);
            assert_eq!(write(&engine, &near, b"x"), Poll::Ready(Err(Cause::SocketDown)));
            assert_eq!(read(&engine, &near), Err(Some(Cause::SocketDown)));
            assert_eq!(write(&engine, &far, b"void"), Poll::Ready(Ok((4, false))));
            assert_eq!(read(&engine, &far), Err(None));
            engine.show(&near, 2);
            assert_eq!((read(&engine, &far), read(&engine, &far)), (Ok(b"12".to_vec()), Err(None)));
            // Closed by the guard of a dial, for one: the engine was told how already.
            assert!(!engine.shutdown(&near, Shutdown::CloseOrReset));
            assert_eq!(read(&engine, &far), Err(None));
            engine.shutdown(&near, how);
            let (read_of, write_of) = match how {
                Shutdown::Close => (Ok(std::vec![]), Cause::BrokenPipe),
                _ => (Err(Some(Cause::ConnectionReset)), Cause::ConnectionReset),
            };
            assert_eq!(read(&engine, &far), read_of);
            assert_eq!(write(&engine, &far, b"x"), Poll::Ready(Err(write_of)));
        }
    }

    #[test]
    fn the_end_of_a_stream_that_left_comes_after_its_bytes() {
        let (engine, near, far) = pipe(8);
        assert!(engine.hold(&near, true));
        assert_eq!(write(&engine, &near, b"12"), Poll::Ready(Ok((2, true))));
        assert_eq!(engine.leave(&near, Shutdown::Write), Shutdown::Write);
        assert_eq!(write(&engine, &near, b"x"), Poll::Ready(Err(Cause::BrokenPipe)));
        engine.shutdown(&near, Shutdown::Write);
        assert_eq!(read(&engine, &far), Err(None), "bytes are hidden");
        engine.show(&near, 2);
        assert_eq!((read(&engine, &far), read(&engine, &far)), (Ok(b"12".to_vec()), Ok(std::vec![])));
    }

    #[test]
    fn both_ends_of_a_connection_that_was_broken_off_are_reset_until_they_are_closed() {
        let (engine, near, far) = pipe(8);
        assert!(engine.hold(&near, true));
        assert_eq!(write(&engine, &near, b"12"), Poll::Ready(Ok((2, true))));
        engine.show(&near, 1);
        engine.break_off(&far);
        for end in [&near, &far] {
            assert_eq!(read(&engine, end), Err(Some(Cause::ConnectionReset)));
            assert_eq!(write(&engine, end, b"x"), Poll::Ready(Err(Cause::ConnectionReset)));
        }
        engine.shutdown(&near, Shutdown::CloseOrReset);
        assert_eq!(read(&engine, &near), Err(Some(Cause::SocketDown)));
        assert_eq!(write(&engine, &near, b"x"), Poll::Ready(Err(Cause::SocketDown)));
        assert_eq!(read(&engine, &far), Err(Some(Cause::ConnectionReset)));
        assert_eq!(write(&engine, &far, b"x"), Poll::Ready(Err(Cause::ConnectionReset)));
    }
}
