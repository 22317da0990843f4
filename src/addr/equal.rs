//! Comparisons of addresses, names and texts with strings. Each equals the string that it prints, on either side of
//! `==`.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

use crate::addr::Addr;
use crate::addr::name::{ErrorText, Name};
use crate::addr::text::write_host_port;

/// Compares host and port; see [`Addr::network_name`] for the network.
impl PartialEq for Addr {
    fn eq(&self, other: &Self) -> bool {
        self.host == other.host && self.port == other.port
    }
}

impl Eq for Addr {}

impl PartialOrd for Addr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Addr {
    fn cmp(&self, other: &Self) -> Ordering {
        self.host.cmp(&other.host).then(self.port.cmp(&other.port))
    }
}

impl Hash for Addr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.host.hash(state);
        self.port.hash(state);
    }
}

/// Whether the address prints as this string.
impl PartialEq<str> for Addr {
    fn eq(&self, other: &str) -> bool {
        let mut rest = Rest(other);
        write_host_port(&mut rest, &self.host, "", self.port).is_ok() && rest.0.is_empty()
    }
}

/// Compares host and port.
impl<S: AsRef<str>> PartialEq<(S, u16)> for Addr {
    fn eq(&self, (host, port): &(S, u16)) -> bool {
        self.host == *host.as_ref() && self.port == *port
    }
}

/// Compares host and port.
impl<S: AsRef<str>> PartialEq<Addr> for (S, u16) {
    fn eq(&self, other: &Addr) -> bool {
        other == self
    }
}

/// Whether the string is the name.
impl<const N: usize> PartialEq<str> for Name<N> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

/// Whether the text is this string. A cut text equals no string, because its rest is not known.
impl PartialEq<str> for ErrorText {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other && !self.is_cut()
    }
}

/// The same comparisons for `&str` and `String`, and with the string on the left.
macro_rules! equal_strings {
    ($([$($generic:tt)*] $type:ty,)*) => {
        $(
            impl<$($generic)*> PartialEq<&str> for $type {
                fn eq(&self, other: &&str) -> bool {
                    *self == **other
                }
            }

            impl<$($generic)*> PartialEq<$type> for str {
                fn eq(&self, other: &$type) -> bool {
                    *other == *self
                }
            }

            impl<$($generic)*> PartialEq<$type> for &str {
                fn eq(&self, other: &$type) -> bool {
                    *other == **self
                }
            }

            #[cfg(feature = "alloc")]
            impl<$($generic)*> PartialEq<alloc::string::String> for $type {
                fn eq(&self, other: &alloc::string::String) -> bool {
                    *self == **other
                }
            }

            #[cfg(feature = "alloc")]
            impl<$($generic)*> PartialEq<$type> for alloc::string::String {
                fn eq(&self, other: &$type) -> bool {
                    *other == **self
                }
            }
        )*
    };
}

equal_strings! {
    [] Addr,
    [const N: usize] Name<N>,
    [] ErrorText,
}

/// A string that each write shortens by the written text; a write fails if the string does not begin with it.
struct Rest<'a>(&'a str);

impl fmt::Write for Rest<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}
