//! Virtual networks under async software: tokio's read and write functions, and published servers and clients.

mod bridge;
mod cancel;
#[path = "../../../examples/grpc/chat.rs"]
mod chat;
mod clock;
mod executor;
mod fairness;
mod faults;
mod gate;
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
// This module reads the table of sockets of Linux.
#[cfg(target_os = "linux")]
mod tcp_table;
mod timeout;
mod tls;
mod trace;
mod websocket;
