//! A single test, to be run with each of the four combinations of this package's features.
//!
//! The code that `thiserror-no-std` derives depends on its feature `std`. virtnet leaves it off, and any other crate in
//! the same build can turn it on.

#[cfg(test)]
mod tests {
    use virtnet::pipenet::fixed::Network;

    static NET: Network<'static> = virtnet::fixed!("t", 1, 2, 1, 8);

    #[test]
    fn errors_are_errors_and_print() {
        fn prints<E: std::error::Error + embedded_io::Error>(error: &E) -> String {
            error.to_string()
        }

        let host = NET.host("a").expect("a valid name");
        let error = host.listen("a:b").unwrap_err();
        assert_eq!(prints(&error), "listen pipet: address a:b: invalid port");
        assert_eq!(error.cause().to_string(), "address a:b: invalid port");
        #[cfg(feature = "std")]
        assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::InvalidInput);
    }
}
