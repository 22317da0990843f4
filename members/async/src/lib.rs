//! Nothing: this package is there for the tests and examples of the feature `tokio`, which it builds with the libraries
//! that they need.
