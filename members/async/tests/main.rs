//! Virtual networks under async software: tokio's own ways to read and write, and servers and clients as they are
//! published.

mod cancel;
#[path = "../../../examples/grpc/chat.rs"]
mod chat;
mod executor;
mod fairness;
mod grpc;
mod half;
mod http1;
mod http2;
mod networker;
mod parity;
mod proxy;
mod rendezvous;
mod routes;
mod spare;
mod storm;
mod stream;
mod support;
// It reads the table of sockets of Linux.
#[cfg(target_os = "linux")]
mod tcp_table;
mod timeout;
mod tls;
mod websocket;
