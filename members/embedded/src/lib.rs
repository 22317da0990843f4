//! An empty library: this package exists for the tests of the features `embedded-nal-async` and `edge-nal`, which it
//! builds with the libraries that they need.
