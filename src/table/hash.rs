//! The hash of the growable tables.

/// Hashes short names and ports, eight bytes at a time. It has no key, so it does not resist chosen collisions.
#[inline]
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let hash = words.iter().fold(bytes.len() as u64, |hash, &word| mix(hash ^ u64::from_le_bytes(word)));
    mix(rest.iter().fold(hash, |hash, &byte| hash.rotate_left(8) ^ u64::from(byte)))
}

/// Multiplies by 2 to the power of 64 over the golden ratio and folds both halves of the product, so that each bit of
/// `word` counts.
fn mix(word: u64) -> u64 {
    let product = u128::from(word) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64) as u64 ^ product as u64
}
