//! An empty library: this package exists for the tests of published protocol crates, which it builds over virtnet.
