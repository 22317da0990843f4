//! As `blocking`, and again with futures, concurrently with embassy's `join`.

#![no_std]
#![no_main]

use core::future::poll_fn;
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Waker};

use embassy_futures::join::join;
use virtnet::Error;
use virtnet::pipenet::fixed::{Conn, Host, Network};

mod chip;
mod program;

static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 1, 64);

async fn write(conn: &Conn, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        let count = poll_fn(|cx| conn.poll_write(cx, bytes)).await?;
        bytes = bytes.get(count..).unwrap_or_default();
    }
    Ok(())
}

async fn serve(host: Host) -> Result<(), Error> {
    let conn = host.listen(":20")?.accept().await?;
    let mut buf = [0; 8];
    let count = poll_fn(|cx| conn.poll_read(cx, &mut buf)).await?;
    write(&conn, buf.get(..count).unwrap_or_default()).await
}

async fn ask(host: Host) -> Result<(), Error> {
    let conn = host.dial("a:20").await?;
    write(&conn, b"ping").await?;
    let mut buf = [0; 8];
    black_box(poll_fn(|cx| conn.poll_read(cx, &mut buf)).await?);
    Ok(())
}

fn futures() -> Result<(), Error> {
    let mut both = pin!(join(serve(NET.host("a")?), ask(NET.host("b")?)));
    let mut cx = Context::from_waker(Waker::noop());
    while both.as_mut().poll(&mut cx).is_pending() {}
    Ok(())
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let _ = black_box((program::blocking(&NET), futures()));
    chip::sleep()
}
