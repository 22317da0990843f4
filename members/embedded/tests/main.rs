//! Embedded software, unmodified, over networks of a fixed size that use no heap.

mod http;
mod ip;
mod mqtt;
