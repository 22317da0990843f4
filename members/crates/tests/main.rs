//! Published protocol crates over virtual networks, unmodified: each is given a connection, and nothing else.

mod mail;
mod mux;
mod rpc;
mod shell;
mod support;
