//! Common calls on tokio's TCP exist here with the same name and meaning. The test is that this compiles.
//!
//! A call differs where a virtual network does: names and ports replace socket addresses, and are always known; accept
//! returns the connection, which knows its peer; errors are [`virtnet::Error`], and `?` converts them to
//! `std::io::Error`.

#![allow(dead_code, reason = "compiled, never run")]

use std::io::{self, IoSlice, IoSliceMut};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, Ready};
use tokio::net::{TcpListener, TcpStream, tcp};
use virtnet::pipenet::{self, Conn, Host, Listener};
use virtnet::{Addr, Networker};

/// Calls that are identical on both.
macro_rules! of_streams {
    ($name:ident, $Stream:ty) => {
        async fn $name(mut stream: $Stream, mut other: $Stream, cx: &mut Context<'_>) -> io::Result<()> {
            let mut buf = [0; 8];
            let bufs = &[IoSlice::new(&[])];
            let _: usize = stream.peek(&mut buf).await?;
            let () = stream.readable().await?;
            let () = stream.writable().await?;
            let _: Ready = stream.ready(Interest::READABLE | Interest::WRITABLE).await?;
            let _: usize = stream.try_read(&mut buf)?;
            let _: usize = stream.try_read_vectored(&mut [IoSliceMut::new(&mut buf)])?;
            let _: usize = stream.try_write(&buf)?;
            let _: usize = stream.try_write_vectored(bufs)?;
            let _: bool = stream.poll_read_ready(cx).is_ready();
            let _: bool = stream.poll_write_ready(cx).is_ready();
            let () = stream.set_nodelay(true)?;
            let _: bool = stream.nodelay()?;
            let _: Option<io::Error> = stream.take_error()?;

            // Calls through tokio's traits.
            let _: usize = stream.read(&mut buf).await?;
            let _: usize = stream.read_exact(&mut buf).await?;
            let _: usize = stream.read_buf(&mut Vec::new()).await?;
            let _: usize = stream.read_to_end(&mut Vec::new()).await?;
            let _: u8 = stream.read_u8().await?;
            let _: usize = stream.write(&buf).await?;
            let _: usize = stream.write_vectored(bufs).await?;
            let _: bool = stream.is_write_vectored();
            let () = stream.write_all(&buf).await?;
            let () = stream.flush().await?;
            let _: (u64, u64) = tokio::io::copy_bidirectional(&mut stream, &mut other).await?;
            let () = stream.shutdown().await?;

            {
                let (mut read, mut write) = stream.split();
                let _: usize = read.peek(&mut buf).await?;
                let () = read.readable().await?;
                let _: Ready = read.ready(Interest::READABLE).await?;
                let _: usize = read.try_read(&mut buf)?;
                let _: usize = read.try_read_vectored(&mut [IoSliceMut::new(&mut buf)])?;
                let _: usize = read.read(&mut buf).await?;
                let () = write.writable().await?;
                let _: Ready = write.ready(Interest::WRITABLE).await?;
                let _: usize = write.try_write(&buf)?;
                let _: usize = write.try_write_vectored(bufs)?;
                let () = write.write_all(&buf).await?;
                let () = write.shutdown().await?;
                let _: &$Stream = read.as_ref();
                let _: &$Stream = write.as_ref();
            }

            let (mut read, mut write) = stream.into_split();
            let _: usize = read.peek(&mut buf).await?;
            let () = read.readable().await?;
            let _: Ready = read.ready(Interest::READABLE).await?;
            let _: usize = read.try_read(&mut buf)?;
            let _: usize = read.try_read_vectored(&mut [IoSliceMut::new(&mut buf)])?;
            let _: usize = read.read(&mut buf).await?;
            let () = write.writable().await?;
            let _: Ready = write.ready(Interest::WRITABLE).await?;
            let _: usize = write.try_write(&buf)?;
            let _: usize = write.try_write_vectored(bufs)?;
            let () = write.write_all(&buf).await?;
            let () = write.shutdown().await?;
            let _: &$Stream = read.as_ref();
            let _: &$Stream = write.as_ref();
            let stream: $Stream = match read.reunite(write) {
                Ok(stream) => stream,
                Err(error) => {
                    let _: &dyn std::error::Error = &error;
                    let (read, write) = (error.0, error.1);
                    write.forget();
                    drop(read);
                    return Ok(());
                }
            };
            let (read, write) = stream.into_split();
            let _: $Stream = write.reunite(read).map_err(io::Error::other)?;
            Ok(())
        }
    };
}

of_streams!(of_tcp_streams, TcpStream);
of_streams!(of_conns, Conn);

async fn of_tcp_listener(listener: TcpListener, cx: &mut Context<'_>) -> io::Result<()> {
    let _: std::net::SocketAddr = listener.local_addr()?;
    let (stream, _): (TcpStream, std::net::SocketAddr) = listener.accept().await?;
    let _: Poll<io::Result<(TcpStream, std::net::SocketAddr)>> = listener.poll_accept(cx);
    let _: [std::net::SocketAddr; 2] = [stream.local_addr()?, stream.peer_addr()?];
    let (read, write): (tcp::OwnedReadHalf, tcp::OwnedWriteHalf) = stream.into_split();
    let _: [std::net::SocketAddr; 4] = [read.local_addr()?, read.peer_addr()?, write.local_addr()?, write.peer_addr()?];
    Ok(())
}

async fn of_listener(listener: Listener, cx: &mut Context<'_>) -> io::Result<()> {
    let _: Addr = listener.local_addr();
    let conn: Conn = listener.accept().await?;
    let _: Poll<Result<Conn, virtnet::Error>> = listener.poll_accept(cx);
    let _: [Addr; 2] = [conn.local_addr(), conn.peer_addr()];
    let (read, write): (virtnet::OwnedReadHalf<_>, virtnet::OwnedWriteHalf<_>) = conn.into_split();
    let _: [Addr; 4] = [read.local_addr(), read.peer_addr(), write.local_addr(), write.peer_addr()];
    Ok(())
}

async fn of_binding_and_connecting(host: Host) -> io::Result<()> {
    let _: TcpListener = TcpListener::bind("127.0.0.1:80").await?;
    let _: Listener = host.listen("a:80")?;
    let _: TcpStream = TcpStream::connect(("127.0.0.1", 80)).await?;
    let _: Conn = host.dial(("a", 80)).await?;
    Ok(())
}

fn is_static<T: Send + Sync + Unpin + 'static>() {}

fn reads<T: AsyncRead + Send + Sync + Unpin>() {}

fn writes<T: AsyncWrite + Send + Sync + Unpin>() {}

fn all_is_send_and_sync_and_unpin() {
    type NetRef = pipenet::NetHandle;
    is_static::<Conn>();
    is_static::<Listener>();
    is_static::<Host>();
    is_static::<virtnet::OwnedReadHalf<NetRef>>();
    is_static::<virtnet::OwnedWriteHalf<NetRef>>();
    is_static::<virtnet::ReuniteError<NetRef>>();
    is_static::<virtnet::IncomingStream<NetRef>>();
    is_static::<virtnet::Connector<NetRef>>();
    is_static::<virtnet::Error>();
    is_static::<virtnet::TokioTcp>();
    is_static::<virtnet::TokioTcpListener>();
    is_static::<virtnet::TokioTcpStream>();
    reads::<Conn>();
    reads::<&'static Conn>();
    reads::<virtnet::OwnedReadHalf<NetRef>>();
    reads::<virtnet::ReadHalf<'static, NetRef>>();
    reads::<virtnet::TokioTcpStream>();
    writes::<Conn>();
    writes::<&'static Conn>();
    writes::<virtnet::OwnedWriteHalf<NetRef>>();
    writes::<virtnet::WriteHalf<'static, NetRef>>();
    writes::<virtnet::TokioTcpStream>();
    // The same on a fixed-size network, which never allocates.
    is_static::<pipenet::fixed::Conn>();
    is_static::<pipenet::fixed::Listener>();
    reads::<pipenet::fixed::Conn>();
    writes::<pipenet::fixed::Conn>();
}

/// Every operation can be part of a spawned task, on any network.
fn operations_are_spawned<N>(host: N)
where
    N: Networker<Conn: AsyncRead + AsyncWrite + Unpin + 'static, Listener: 'static> + Clone + 'static,
{
    use virtnet::{NetListener, NetStream};

    tokio::spawn({
        let host = host.clone();
        async move {
            let mut conn = host.dial("a:1").await?;
            conn.write_all(conn.peer_addr().to_string().as_bytes()).await?;
            conn.close_write()?;
            host.close().await?;
            io::Result::Ok(())
        }
    });
    tokio::spawn(async move {
        let listener = host.listen(1)?;
        loop {
            let mut conn = listener.accept().await?;
            tokio::spawn(async move { conn.read_u8().await });
            if listener.local_addr().port() == 0 {
                return io::Result::Ok(());
            }
        }
    });
}

/// So can the operations of a virtual network used directly.
fn operations_are_send(host: &Host, listener: &Listener, conn: &Conn) {
    fn is_send<T: Send>(_: T) {}

    is_send(host.dial("a:1"));
    is_send(host.close());
    is_send(listener.accept());
    is_send(conn.peek(&mut []));
    is_send(conn.readable());
    is_send(conn.writable());
}
