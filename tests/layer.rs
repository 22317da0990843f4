//! Layers around the engine of a network.
#![cfg(all(feature = "pipenet", feature = "std"))]

mod counting;

use std::pin::pin;

use counting::Calls;
use virtnet::{Bare, Layer, pipenet};

/// One dial, a byte each way, and all handles dropped.
fn exchange<L: Layer>(net: &pipenet::Network<L>) -> Result<(), Box<dyn std::error::Error>> {
    let (a, b) = (net.host("a")?, net.host("b")?);
    let listener: pipenet::Listener<L> = a.listen(":1")?;
    let mut dialling = pin!(b.dial("a:1"));
    assert!(dialling.as_mut().try_wait().is_none());
    let accepted: pipenet::Conn<L> = listener.try_accept()?;
    let dialled = dialling.try_wait().expect("the dial is accepted")?;
    assert_eq!((dialled.try_write(b"x")?, accepted.try_read(&mut [0; 2])?), (1, 1));
    assert_eq!((accepted.try_write(b"y")?, dialled.try_read(&mut [0; 2])?), (1, 1));
    assert_eq!([&dialled, &accepted].map(|end| end.number().map(|number| number.get())), [Some(1); 2]);
    Ok(())
}

const METHODS: [&str; 6] = ["dial", "poll_read", "poll_write", "shutdown", "release", "close"];

#[test]
fn a_layer_sees_each_call_of_the_engine() -> Result<(), Box<dyn std::error::Error>> {
    let calls = Calls::default();
    let net: pipenet::Network<(Calls, Bare)> = pipenet::Network::builder("t").layer(calls.clone()).build()?;
    exchange(&net)?;
    assert_eq!(calls.of(METHODS), [1, 2, 2, 2, 2, 0]);
    net.close()?;
    assert_eq!(calls.of(METHODS), [1, 2, 2, 2, 2, 1]);
    Ok(())
}

#[test]
fn a_later_layer_is_around_an_earlier_one() -> Result<(), Box<dyn std::error::Error>> {
    let (inner, outer) = (Calls::default(), Calls::default());
    let net = pipenet::Network::builder("t").layer(inner.clone()).layer(outer.clone()).build()?;
    exchange(&net)?;
    drop(net);
    let expected = [1, 2, 2, 2, 2, 1];
    assert_eq!((inner.of(METHODS), outer.of(METHODS)), (expected, expected));
    Ok(())
}

#[test]
fn options_count_within_layers() -> Result<(), Box<dyn std::error::Error>> {
    let net = pipenet::Network::builder("t").rendezvous(true).layer(Calls::default()).share_port(true).build()?;
    let (a, b) = (net.host("a")?, net.host("b")?);
    let listener = a.listen(":1")?;
    let mut dialling = pin!(b.dial("a:1"));
    assert!(dialling.as_mut().try_wait().is_none());
    let accepted = listener.try_accept()?;
    let dialled = dialling.try_wait().expect("the dial is accepted")?;
    assert_eq!(accepted.local_addr(), "a:1");
    assert_eq!(dialled.try_write(b"x").unwrap_err().to_string(), "write pipet b:1->a:1: would block");
    Ok(())
}

/// The engine within two layers that pass each call on.
#[cfg(feature = "testing")]
fn layered() -> virtnet::testing::Setup<pipenet::NetHandle<(Calls, (Calls, Bare))>> {
    let builder = pipenet::Network::builder("t").layer(Calls::default()).layer(Calls::default());
    let net = builder.build().expect("valid options");
    let setup = virtnet::testing::Setup::new(net.subnetwork().clone());
    setup.restarts().links(virtnet::testing::links_by_dial).resets_unread()
}

#[cfg(feature = "testing")]
virtnet::conformance!(layered_on_threads, layered, [buffered, unread_resets, fresh_port, death, links]);

#[cfg(all(feature = "testing", feature = "trace"))]
#[path = "layer/traced.rs"]
mod traced;
