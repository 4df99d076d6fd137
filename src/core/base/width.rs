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

/// A length or a position as the number of 32 bits that tables and messages
/// between cores keep of it.
///
/// # Panics
/// If there are 2³² or more: what is counted so is bounded far below, by
/// `limits` or by memory.
#[must_use]
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "what does not fit is noticed, see above"
)]
pub const fn short(length: usize) -> u32 {
    assert!(length <= u32::MAX as usize, "a length of 32 bits");
    length as u32
}
