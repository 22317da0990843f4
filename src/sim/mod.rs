//! Faults.
#[cfg(feature = "alloc")]
mod conn;
#[cfg(feature = "alloc")]
mod dial;
#[cfg(feature = "alloc")]
mod direction;
#[cfg(feature = "alloc")]
mod draw;
#[cfg(feature = "alloc")]
mod engine;
#[cfg(feature = "alloc")]
mod faults;
#[cfg(feature = "alloc")]
mod faulty;
#[cfg(feature = "alloc")]
mod letter;
#[cfg(feature = "alloc")]
mod letters;
#[cfg(feature = "alloc")]
mod links;
#[cfg(feature = "alloc")]
mod route;
#[cfg(feature = "alloc")]
mod rule;
#[cfg(feature = "alloc")]
mod setting;
#[cfg(feature = "alloc")]
mod shared;
#[cfg(feature = "alloc")]
mod voyage;
#[cfg(feature = "alloc")]
mod world;

#[cfg(feature = "alloc")]
pub use faults::Faults;
#[cfg(feature = "alloc")]
pub use faulty::{Faulty, FaultyLink};
#[cfg(feature = "alloc")]
pub use route::Route;
#[cfg(feature = "alloc")]
pub use rule::{Traffic, Verdict};
#[cfg(feature = "alloc")]
pub use setting::{Cut, Limit};
