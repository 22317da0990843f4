//! An empty library: this package exists for the example `quickstart`, which it builds with the libraries that it
//! needs.
