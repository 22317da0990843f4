//! Nothing: this package is there for the example `quickstart`, which it builds with the libraries that it needs.
