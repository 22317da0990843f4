//! An empty library: this package exists for the tests of bridges with real servers and clients, which it builds with the
//! libraries that they need.
