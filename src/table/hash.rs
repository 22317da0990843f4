//! The hash of the tables that grow.

/// A hash of short names and ports that nobody has reason to choose badly: eight bytes at a time.
#[inline]
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let hash = words.iter().fold(bytes.len() as u64, |hash, &word| mix(hash ^ u64::from_le_bytes(word)));
    mix(rest.iter().fold(hash, |hash, &byte| hash.rotate_left(8) ^ u64::from(byte)))
}

/// Both halves of a product, in which each bit of `word` counts: by 2 to the power of 64 over the golden ratio.
fn mix(word: u64) -> u64 {
    let product = u128::from(word) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64) as u64 ^ product as u64
}
