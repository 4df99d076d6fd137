//! Conversions between widths of numbers that lose nothing, and that the
//! standard library has only with a way to fail.

/// The server runs on processors with addresses of 64 bits only.
const _: () = assert!(size_of::<usize>() == size_of::<u64>());

/// A number of 64 bits as a size.
#[must_use]
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "both have 64 bits, see above"
)]
pub const fn size(number: u64) -> usize {
    number as usize
}
