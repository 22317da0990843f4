//! Fixed-size networks are placed where they are declared: no operation has a buffer on its stack.
#![cfg(all(feature = "std", feature = "pipenet"))]

use std::io::{Read, Write};
use std::pin::pin;
use std::thread;

use virtnet::pipenet::fixed::Network;

/// The size of a buffer, which is far larger than the stack.
const SIZE: usize = 1 << 20;

static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 2, SIZE);

#[test]
fn large_buffers_need_no_large_stack() {
    let outcome = thread::Builder::new().stack_size(64 << 10).spawn(|| {
        let (a, b) = (NET.host("a")?, NET.host("b")?);
        let listener = a.listen(":1")?;
        let (from, mut to) = (vec![7; SIZE], vec![0; SIZE]);
        // Each pipe is used more than once.
        for _ in 0..3 {
            let mut dial = pin!(b.dial("a:1"));
            assert!(dial.as_mut().try_wait().is_none());
            let mut accepted = listener.try_accept()?;
            let mut dialled = dial.try_wait().expect("it is accepted")?;
            dialled.write_all(&from)?;
            accepted.read_exact(&mut to)?;
            assert!(from == to, "what was sent is not what came");
            to.fill(0);
        }
        Ok::<_, std::io::Error>(())
    });
    outcome.expect("there is room for a thread").join().expect("no panic").expect("nothing fails");
}
