//! Equality of addresses and names, for every type that they are compared with: an equivalence that agrees with order
//! and hash.

#![allow(clippy::op_ref, clippy::nonminimal_bool, reason = "each way to compare is an implementation of its own")]

use std::cmp::Ordering;
use std::fmt::Debug;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use virtnet::{Addr, ErrorText, HostName};

use crate::random::Random;

/// A value that an address or a name is compared with.
#[derive(Clone, Debug)]
enum Value {
    Addr(Addr),
    Text(String),
    Pair(String, u16),
}

/// Compares addresses that `random` makes, texts that look like them and pairs.
///
/// # Panics
///
/// If equality is not an equivalence, or order, hash or printed text disagrees with it.
pub fn addresses(random: &mut Random) {
    let values: Vec<_> = (0..12).map(|_| value(random)).collect();
    for a in &values {
        assert!(equal(a, a), "{a:?} does not equal itself");
        for b in &values {
            assert_eq!(equal(a, b), equal(b, a), "{a:?} and {b:?}, one way and the other");
            assert_eq!(equal(a, b), printed(a) == printed(b), "{a:?} and {b:?}, and what they print");
            for c in values.iter().filter(|c| equal(a, b) && equal(b, c)) {
                assert!(equal(a, c), "{a:?} equals {b:?}, that equals {c:?}");
            }
            if let (Value::Addr(a), Value::Addr(b)) = (a, b) {
                ordered(a, b);
                assert_eq!(a.cmp(b), (a.host(), a.port()).cmp(&(b.host(), b.port())), "{a:?} and {b:?}");
            }
        }
    }
}

/// Compares names of hosts that `random` makes, the truncated names that errors keep, and strings.
///
/// # Panics
///
/// As [`addresses`].
pub fn names(random: &mut Random) {
    let texts: Vec<_> = (0..12).map(|_| host(random)).collect();
    for a in &texts {
        for b in &texts {
            let (x, y) = (ErrorText::from(&**a), ErrorText::from(&**b));
            let (whole, same) = (a == b && !x.is_cut(), (x.as_str(), x.is_cut()) == (y.as_str(), y.is_cut()));
            assert_eq!(
                [x == **b, x == &**b, x == *b, **b == x, &**b == x, *b == x],
                [whole; 6],
                "{a:?}, {b:?} as texts"
            );
            assert_eq!([x == y, y == x, hash(&x) == hash(&y)], [same; 3], "{a:?} and {b:?} as texts");
            if let (Some(x), Some(y)) = (name(a), name(b)) {
                ordered(&x, &y);
                assert_eq!((x == y, x.cmp(&y), hash(&x)), (a == b, a.cmp(b), hash(&**a)), "{a:?} and {b:?}");
                assert_eq!([x == **b, x == &**b, x == *b, **b == x, &**b == x, *b == x], [a == b; 6], "{a:?}, {b:?}");
            }
        }
    }
}

/// Asserts that order, hash and debug output agree with equality.
fn ordered<T: Ord + Hash + Debug>(a: &T, b: &T) {
    assert_eq!(a.cmp(b) == Ordering::Equal, a == b, "{a:?} and {b:?}, in order");
    assert_eq!((a.partial_cmp(b), a.cmp(b)), (Some(a.cmp(b)), b.cmp(a).reverse()), "{a:?} and {b:?}, in order");
    assert_eq!(hash(a) == hash(b), a == b, "{a:?} and {b:?}, hashed");
    assert_eq!(format!("{a:?}") == format!("{b:?}"), a == b, "{a:?} and {b:?}, shown");
}

/// The hash of a value. Two of some hundred values do not have the same hash by chance.
fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

/// Whether two values are equal, in each way in which they can be compared.
fn equal(a: &Value, b: &Value) -> bool {
    let answers = match (a, b) {
        (Value::Addr(a), Value::Addr(b)) => vec![a == b, !(a != b)],
        (Value::Addr(a), Value::Text(b)) => vec![*a == **b, *a == &**b, *a == *b, format!("{a:?}") == format!("{b:?}")],
        (Value::Text(a), Value::Addr(b)) => vec![**a == *b, &**a == *b, *a == *b],
        (Value::Addr(a), Value::Pair(b, port)) => vec![*a == (b.clone(), *port), *a == (&**b, *port)],
        (Value::Pair(a, port), Value::Addr(b)) => vec![(a.clone(), *port) == *b, (&**a, *port) == *b],
        // These values can be compared only by their printed text.
        _ => vec![printed(a) == printed(b)],
    };
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{a:?} and {b:?}: {answers:?}");
    answers[0]
}

fn printed(value: &Value) -> String {
    match value {
        Value::Addr(addr) => addr.to_string(),
        Value::Text(text) => text.clone(),
        Value::Pair(host, port) if host.contains(':') => format!("[{host}]:{port}"),
        Value::Pair(host, port) => format!("{host}:{port}"),
    }
}

/// Makes a value from few hosts and ports, so that many values are equal or almost equal.
fn value(random: &mut Random) -> Value {
    let (host, port) = (host(random), [0, 1, 10, 65535][random.below(4)]);
    match random.below(4) {
        0 => {
            let bracketed = [&*host, &format!("[{host}]")][random.below(2)].to_owned();
            let zeros = ["", "", "0", "+", " "][random.below(5)];
            Value::Text(format!("{bracketed}:{zeros}{port}"))
        }
        1 => Value::Pair(host, port),
        _ => match Addr::new(["", "pipet", "lab"][random.below(3)], &host, port) {
            Ok(addr) => Value::Addr(addr),
            Err(_) => Value::Pair(host, port),
        },
    }
}

fn host(random: &mut Random) -> String {
    let pieces = ["a", "b", ":", "1", "α", "\"", "\\", "é", "'"];
    match random.below(8) {
        // Names of the maximum length, and longer ones.
        0 => "h".repeat(62 + random.below(3)),
        1 => format!("{}α", "h".repeat(61 + random.below(3))),
        _ => (0..random.below(4)).map(|_| pieces[random.below(pieces.len())]).collect(),
    }
}

/// The name of a host made with this name.
fn name(text: &str) -> Option<HostName> {
    virtnet::pipenet::Network::new("t").host(text).ok().map(|host| host.name())
}
