//! The exports of traces, read by the programs that they are for: Chromium, tshark, and the parsers of others.
//!
//! A test whose program is not installed is skipped, and says so. With `VIRTNET_REAL=1`, it fails.

mod capture;
mod page;
mod storm;
mod text;
mod tool;
mod traffic;
