//! Traces as JSON lines: random ones are read as they were written, and damaged ones do no harm.

use virtnet::trace::{CoreEvent, Event, How, Observer, RawEvent, Trace};
use virtnet::{Addr, Cause, Error, Operation};

use crate::random::Random;

/// Writes a random trace, reads it, damages it, and reads and merges what is left.
///
/// # Panics
///
/// If what was read is not what was written, or reading panics.
pub fn json(data: &[u8]) {
    let mut random = Random::new(data.iter().fold(0, |seed, &byte| seed.wrapping_mul(31).wrapping_add(byte.into())));
    let trace = Trace::builder().head(2).events(random.below(60) as u64).bytes(random.below(9) as u32).build();
    let network = trace.for_network();
    for _ in 0..random.below(80) {
        act(&network, &mut random);
    }
    let text = written(&trace);
    let read = Trace::from_json(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(events(&read), events(&trace), "{text}");
    assert_eq!(written(&read), text);
    let mut bytes = text.into_bytes();
    for &byte in data.iter().take(8) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        match byte % 4 {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, byte),
            2 => bytes[at] = b'0' + byte % 10,
            _ => bytes.truncate(at),
        }
    }
    damaged(&String::from_utf8_lossy(&bytes));
    damaged(&format!("{{\"virtnet_trace\":1}}\n{}", String::from_utf8_lossy(data)));
}

/// Whatever is read can be written and looked at.
fn damaged(text: &str) {
    if let Ok(read) = Trace::from_json(text) {
        let text = written(&read);
        let again = Trace::from_json(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(events(&again), events(&read), "{text}");
        let _ = (read.races(), read.view().merged().same("x"));
    }
    let _ = Trace::merge_json(&[("a", text), ("b", text)]).map(|merged| written(&merged));
}

fn written(trace: &Trace) -> String {
    let mut text = String::new();
    trace.view().reads(true).write_json(&mut text).expect("a string takes all");
    text
}

fn events(trace: &Trace) -> Vec<Event> {
    trace.view().reads(true).events().collect()
}

fn act(network: &Trace, random: &mut Random) {
    const HOSTS: [&str; 5] = ["a", "b", "γ", "a:b", "\u{202e}\"\\x"];
    let host = HOSTS[random.below(HOSTS.len())];
    let [x, y] = [0; 2].map(|_| {
        let port = random.below(4) as u16;
        Addr::new("t", HOSTS[random.below(HOSTS.len())], port).expect("valid")
    });
    let (conn, end) = (random.below(4) as u32, random.below(8) as u32);
    let (len, flag) = (random.below(40), random.below(2) == 0);
    let bytes = random.bytes(len);
    let of = bytes.len() + random.below(2);
    let core = |event: CoreEvent<'_>| network.now(&RawEvent::Core(&event, Some(end)));
    match random.below(16) {
        0 => core(CoreEvent::HostMade { host }),
        1 => core(CoreEvent::HostClosed { host }),
        2 => core(CoreEvent::HostDied { host, power_off: flag }),
        3 => core(CoreEvent::Listened { addr: &x }),
        4 => core(CoreEvent::ListenerClosed { addr: &x, dropped: flag }),
        5 => {
            core(CoreEvent::Dialled { src: &x, dst: &y });
            network.now(&RawEvent::Opened { conn, src: &x, dst: &y });
        }
        6 => core(CoreEvent::Withdrawn { src: &x, dst: &y }),
        7 => core(CoreEvent::Accepted { listener: &Addr::new("t", x.host(), 9).expect("valid"), local: &x, peer: &y }),
        8 => core(CoreEvent::Connected { dialled: &x, peer: &y }),
        9 => network.now(&RawEvent::Wrote { end, bytes: &bytes, of }),
        10 => network.now(&RawEvent::Read { end, bytes: &bytes }),
        11 => network.now(&RawEvent::Taken { end, count: bytes.len(), of }),
        12 => core(CoreEvent::Ended),
        13 => {
            let all = [How::Shutdown, How::ShutdownRead, How::Close, How::Abort, How::Drop];
            core(CoreEvent::Shut(all[random.below(5)], flag));
        }
        14 => {
            let operation = [Operation::Dial, Operation::Listen, Operation::Read, Operation::Write][random.below(4)];
            let cause = [Cause::ConnectionRefused, Cause::ConnectionReset, Cause::BrokenPipe][random.below(3)];
            core(CoreEvent::Failed(&Error::new(operation, "t", Some(x), flag.then_some(y), cause)));
        }
        _ if flag => network.join(network.token()),
        _ => network.note(String::from_utf8_lossy(&bytes)),
    }
}
