//! Ports, and those that belong to protocols.

/// The ports that a dial takes first, and that Wireshark has a protocol for: `tshark -G decodes`, below 1024.
pub(super) const DISSECTED: [u16; 68] = [
    7, 13, 19, 20, 21, 22, 23, 25, 37, 42, 43, 49, 53, 70, 79, 80, 88, 102, 104, 110, 111, 119, 123, 139, 143, 161,
    162, 179, 199, 210, 323, 324, 389, 427, 443, 445, 464, 465, 473, 500, 502, 512, 513, 514, 515, 524, 547, 548, 554,
    564, 587, 631, 636, 639, 646, 647, 674, 705, 802, 829, 853, 854, 862, 873, 925, 988, 993, 995,
];

/// A port plus an offset, if that is a port.
pub(super) fn shifted(port: u16, offset: u16) -> u16 {
    port.checked_add(offset).unwrap_or(port)
}
