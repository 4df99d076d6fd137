//! Copying and comparing short byte strings without a function call.
//!
//! Subjects, sids and message heads are mostly under 33 bytes; for those a call
//! of `memcpy` or `memcmp` costs more than the bytes. Each length class is
//! handled by two overlapping moves of a fixed size, which the compiler turns
//! into plain loads and stores; longer strings go the usual way.

/// The first and the last `N` bytes, which overlap or meet.
#[inline]
fn ends<const N: usize>(bytes: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
    Some((bytes.first_chunk()?, bytes.last_chunk()?))
}

#[inline]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let Some((first, last)) = ends::<N>(from) {
        let start = to.len() - N;
        to[..N].copy_from_slice(first);
        to[start..].copy_from_slice(last);
    }
}

/// Copies bytes into a slice of the same length.
#[inline]
pub fn copy(to: &mut [u8], from: &[u8]) {
    assert_eq!(to.len(), from.len());
    match from.len() {
        0 => {}
        1..4 => {
            // One to three bytes: first, middle and last.
            let (len, middle) = (from.len(), from.len() / 2);
            to[0] = from[0];
            to[middle] = from[middle];
            to[len - 1] = from[len - 1];
        }
        4..8 => copy_ends::<4>(to, from),
        8..16 => copy_ends::<8>(to, from),
        16..=32 => copy_ends::<16>(to, from),
        _ => to.copy_from_slice(from),
    }
}

/// Whether two byte strings are the same.
#[inline]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        0 => true,
        1..4 => {
            let (len, middle) = (a.len(), a.len() / 2);
            a[0] == b[0] && a[middle] == b[middle] && a[len - 1] == b[len - 1]
        }
        4..8 => ends::<4>(a) == ends::<4>(b),
        8..16 => ends::<8>(a) == ends::<8>(b),
        16..=32 => ends::<16>(a) == ends::<16>(b),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agree_with_the_library() {
        for len in 0..70usize {
            let from: Vec<u8> = (1..=len as u8).collect();
            let mut to = vec![0; len];
            copy(&mut to, &from);
            assert_eq!(to, from);
            assert!(equal(&to, &from));
            for at in 0..len {
                to[at] ^= 0x80;
                assert!(!equal(&to, &from), "byte {at} of {len}");
                to[at] ^= 0x80;
            }
            assert!(!equal(&to, &[from.as_slice(), b"x"].concat()));
        }
    }
}
