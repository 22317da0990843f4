//! The work of a firmware with a network: two hosts, a connection, and bytes in both directions.

use core::hint::black_box;
use core::pin::pin;

use embedded_io::{Read as _, Write as _};
use virtnet::pipenet::fixed::Network;
use virtnet::{Engine, Error};

/// With `try_` calls and the blocking traits.
#[inline(never)]
pub fn blocking<E>(net: &'static Network<'static, E>) -> Result<(), Error>
where
    E: Engine<Data = &'static str>,
{
    let (a, b) = (net.host("a")?, net.host("b")?);
    let listener = a.listen(":10")?;
    let mut dial = pin!(b.dial("a:10"));
    let _ = dial.as_mut().try_wait();
    let mut server = listener.try_accept()?;
    let Some(client) = dial.try_wait() else { return Ok(()) };
    let mut client = client?;
    let mut buf = [0; 8];
    client.write_all(b"ping")?;
    let count = server.read(&mut buf)?;
    server.write_all(black_box(buf.get(..count).unwrap_or_default()))?;
    server.close_write()?;
    black_box(client.read(&mut buf)?);
    Ok(())
}
