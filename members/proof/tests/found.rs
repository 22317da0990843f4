//! Programs that once differed from the model: each of them has found a defect.

use virtnet_proof::machine::{Report, run};
use virtnet_proof::op::{Kind, Mode, Op, Program, Word};
use virtnet_proof::shrink::explain;

/// An operation on the socket or pending operation with that index, and with an argument.
fn op(kind: Kind, on: u8, with: u8, mode: Mode) -> Word {
    Op { kind, on, with, mode, task: 0 }.encode()
}

fn agrees(config: Word, ops: &[Word]) {
    let program = Program { config, ops: ops.to_vec() };
    let mut report = Report::default();
    if let Err(failure) = run(&program, &mut report) {
        panic!("{}", explain(&program, &failure));
    }
    assert_eq!(report.ops, ops.len() as u64, "every operation has something to do");
}

/// An acknowledging backend, on the heap and in fixed memory.
const RELAYS: [Word; 2] = [[6, 0, 0, 0], [7, 0, 0, 3]];
/// A rendezvous network with buffers of 1 byte, on the heap; and one with buffers of 7, in fixed memory.
const RENDEZVOUS: [Word; 2] = [[0, 1, 0, 0], [3, 1, 0, 3]];

/// The waker of `try_accept` was not recognized as a no-op waker when two codegen units had one each.
#[test]
fn an_accept_that_does_not_wait_takes_no_place_in_the_queue() {
    for config in RELAYS {
        agrees(
            config,
            &[
                op(Kind::Dial, 0, 4, Mode::Later),
                op(Kind::Dial, 0, 0, Mode::Later),
                op(Kind::Accept, 0, 0, Mode::Now),
                op(Kind::Poll, 0, 0, Mode::Later),
                op(Kind::Accept, 0, 0, Mode::Now),
                op(Kind::Settle, 0, 0, Mode::Later),
            ],
        );
    }
}

/// An accept that was polled again was counted twice, and claimed a port for a second connection.
#[test]
fn an_accept_that_is_polled_again_claims_no_second_connection() {
    for config in RELAYS {
        agrees(
            config,
            &[
                op(Kind::Accept, 0, 0, Mode::Later),
                op(Kind::Dial, 0, 4, Mode::Later),
                op(Kind::Dial, 0, 0, Mode::Later),
                op(Kind::Poll, 0, 0, Mode::Later),
                op(Kind::Poll, 0, 0, Mode::Later),
                op(Kind::Settle, 0, 0, Mode::Later),
            ],
        );
    }
}

/// A task dropped a write and then wrote other bytes. The new write got the count of the dropped one, and its bytes
/// were lost.
#[test]
fn a_write_does_not_get_the_count_of_other_bytes() {
    for config in RENDEZVOUS {
        agrees(
            config,
            &[
                op(Kind::Connect, 0, 0, Mode::Later),
                op(Kind::Write, 1, 1, Mode::Now),
                op(Kind::Read, 0, 2, Mode::Later),
                op(Kind::Write, 1, 1, Mode::Later),
                op(Kind::Write, 1, 1, Mode::Now),
            ],
        );
    }
}

/// The same defect, with the connection closed in between.
#[test]
fn a_write_of_other_bytes_to_a_closed_connection_fails() {
    for config in RENDEZVOUS {
        agrees(
            config,
            &[
                op(Kind::Connect, 0, 0, Mode::Later),
                op(Kind::Write, 0, 2, Mode::Later),
                op(Kind::Read, 1, 1, Mode::Later),
                op(Kind::Close, 0, 0, Mode::Later),
                op(Kind::Rewrite, 0, 2, Mode::Later),
            ],
        );
    }
}

/// The count of a write whose task polled late was dropped although there was room for it: its bytes were read twice.
#[test]
fn three_tasks_polled_late_each_get_their_own_count() {
    let write = |task| Op { kind: Kind::Write, on: 0, with: 1, mode: Mode::Later, task }.encode();
    let read = op(Kind::Read, 1, 1, Mode::Later);
    let poll = |wait| op(Kind::Poll, wait, 0, Mode::Later);
    for config in RENDEZVOUS {
        agrees(
            config,
            &[
                op(Kind::Connect, 0, 0, Mode::Later),
                write(0),
                read,
                write(1),
                read,
                write(2),
                read,
                // The second task gets its count, writes again and is late again. Then the third task gets its count,
                // and the first one last.
                poll(1),
                write(1),
                read,
                poll(1),
                poll(0),
            ],
        );
    }
}
