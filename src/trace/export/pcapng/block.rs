//! The blocks of a pcapng file.
//!
//! A block is its type, its length, its content in whole words of four bytes, and its length again. Numbers are in the
//! byte order of the section header, here little endian.

use std::format;
use std::io::{self, Write};
use std::string::String;
use std::vec::Vec;

/// Writes blocks.
pub(super) struct Blocks<W> {
    to: W,
    /// The content of the block that is being made.
    content: Vec<u8>,
}

impl<W: Write> Blocks<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, content: Vec::new() }
    }

    /// The start of the file, with the name of the program that wrote it.
    pub(super) fn section(&mut self, program: &str) -> io::Result<()> {
        // The byte order, version 1.0, and a length that is not known.
        self.content.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
        self.content.extend_from_slice(&[1, 0, 0, 0]);
        self.content.extend_from_slice(&[0xff; 8]);
        self.option(4, program.as_bytes());
        self.end_options();
        self.write(0x0a0d_0d0a)
    }

    /// An interface for Ethernet, with times in nanoseconds. Interfaces are counted from 0.
    pub(super) fn interface(&mut self, name: &str) -> io::Result<()> {
        self.content.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
        if !name.is_empty() {
            self.option(2, name.as_bytes());
        }
        self.option(9, &[9]);
        self.end_options();
        self.write(1)
    }

    /// The names of hosts.
    pub(super) fn names(&mut self, names: impl Iterator<Item = ([u8; 4], String)>) -> io::Result<()> {
        for (ip, name) in names {
            let value = [&ip[..], name.as_bytes(), b"\0"].concat();
            self.option(1, &value);
        }
        self.end_options();
        self.write(4)
    }

    /// Keys of TLS, as the lines of an `SSLKEYLOGFILE`.
    pub(super) fn keys(&mut self, keys: &str) -> io::Result<()> {
        self.content.extend_from_slice(&0x544c_534b_u32.to_le_bytes());
        self.content.extend_from_slice(&(keys.len() as u32).to_le_bytes());
        self.content.extend_from_slice(keys.as_bytes());
        self.write(10)
    }

    /// A packet: the interface, its time in nanoseconds, the bytes that are kept of `len`, and a comment.
    pub(super) fn packet(
        &mut self,
        interface: u32,
        at: u64,
        bytes: &[u8],
        len: usize,
        comment: &str,
    ) -> io::Result<()> {
        let words = [interface, (at >> 32) as u32, at as u32, bytes.len() as u32, len as u32];
        words.iter().for_each(|word| self.content.extend_from_slice(&word.to_le_bytes()));
        self.content.extend_from_slice(bytes);
        self.pad();
        if !comment.is_empty() {
            self.option(1, comment.as_bytes());
            self.end_options();
        }
        self.write(6)
    }

    /// An entry of systemd's journal, which Wireshark shows as a row between packets.
    pub(super) fn journal(&mut self, at: u64, message: &str) -> io::Result<()> {
        let entry = format!("__REALTIME_TIMESTAMP={}\nMESSAGE={message}\n", at / 1000);
        self.content.extend_from_slice(entry.as_bytes());
        self.write(9)
    }

    /// An option of the block; a value that is too long is cut.
    fn option(&mut self, code: u16, value: &[u8]) {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        self.content.extend_from_slice(&code.to_le_bytes());
        self.content.extend_from_slice(&(value.len() as u16).to_le_bytes());
        self.content.extend_from_slice(value);
        self.pad();
    }

    fn end_options(&mut self) {
        self.content.extend_from_slice(&[0; 4]);
    }

    fn pad(&mut self) {
        self.content.resize(self.content.len().next_multiple_of(4), 0);
    }

    fn write(&mut self, kind: u32) -> io::Result<()> {
        self.pad();
        let len = (self.content.len() as u32 + 12).to_le_bytes();
        self.to.write_all(&kind.to_le_bytes())?;
        self.to.write_all(&len)?;
        self.to.write_all(&self.content)?;
        self.content.clear();
        self.to.write_all(&len)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
