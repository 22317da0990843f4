//! As `both`, with a client that uses only the traits of embedded-nal-async.

#![no_std]
#![no_main]

use core::hint::black_box;
use core::net::SocketAddr;
use core::pin::pin;
use core::task::{Context, Waker};

use embassy_futures::join::join;
use embedded_io_async::{Read as _, Write as _};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use virtnet::Error;
use virtnet::pipenet::fixed::{Host, Network};

mod chip;
mod program;

static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 1, 64);

async fn serve(host: Host) -> Result<(), Error> {
    let mut conn = host.listen(":20")?.accept().await?;
    let mut buf = [0; 8];
    let count = conn.read(&mut buf).await?;
    conn.write_all(buf.get(..count).unwrap_or_default()).await
}

/// A generic embedded client: it looks up a name, and connects to an IP address.
async fn ask<S, E>(stack: S) -> Result<(), E>
where
    S: TcpConnect<Error = E> + Dns<Error = E>,
    E: embedded_io_async::Error,
{
    let ip = stack.get_host_by_name("a", AddrType::IPv4).await?;
    let mut conn = stack.connect(SocketAddr::new(ip, 20)).await?;
    conn.write_all(b"ping").await?;
    let mut buf = [0; 8];
    black_box(conn.read(&mut buf).await?);
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
