//! An empty library: this package exists for the tests and examples of the feature `tokio`, which it builds with the
//! libraries that they need.
