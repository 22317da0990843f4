//! Which ports listeners and connections get, and when they are free again.

use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

use super::setup::{Setup, text};
use crate::addr::Addr;
use crate::cause::{Cause, Table};
use crate::host::Host;
use crate::listener::Listener;
use crate::subnet::Handle;

/// Listens, and gives the address that it became.
#[track_caller]
fn listen<N: Handle>(host: &Host<N>, addr: &str) -> (Listener<N>, String) {
    let listener = host.listen(addr).expect("listening");
    let local = listener.local_addr().to_string();
    (listener, local)
}

pub(super) fn listen_takes_the_lowest_free_port<N: Handle + 'static>(net: &Setup<N>) {
    let (n, a) = (net.name(), net.host("a"));
    let mut listeners = Vec::new();
    for (addr, want) in [("", "a:1"), (":0", "a:2"), (":5", "a:5"), ("a:0", "a:3"), ("", "a:4"), ("", "a:6")] {
        let (listener, local) = listen(&a, addr);
        assert_eq!(local, want, "{addr:?}");
        listeners.push(listener);
    }
    assert_eq!(text(a.listen("a:5")), format!("listen {n} a:5: address already in use"));
    assert_eq!(text(a.listen("b:1")), format!("listen {n} b:1: cannot listen on requested address"));
    listeners.remove(1).close();
    assert_eq!(listen(&a, "").1, "a:2");
}
