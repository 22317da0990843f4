//! Embedded software, unmodified, over fixed-size networks that use no heap.

mod http;
mod ip;
mod mqtt;
