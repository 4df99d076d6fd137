//! L1: how what is stored looks in files, and nothing else: functions over bytes.
//!
//! Numbers are little-endian. What is read is checked before it is used: whoever
//! decodes gets a [`Flaw`] for anything that was not written so.
//!
//! * [`record`]: one durable fact, of whatever kind;
//! * [`group`]: records that become durable together, as the journal writes them.
//!
//! Not here: when what is written, and what it means.

pub mod group;
pub mod record;

/// Why bytes are not what they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// They end too early.
    Short,
    /// They were never written by this program, or not here.
    Strange,
    /// Their checksum is that of other bytes.
    Checksum,
    /// Their lengths contradict each other.
    Lengths,
}

/// Reads a number at a place; the bytes are known to be there.
macro_rules! number_at {
    ($name:ident, $type:ty) => {
        fn $name(bytes: &[u8], at: usize) -> $type {
            let mut number = [0; size_of::<$type>()];
            number.copy_from_slice(&bytes[at..at + size_of::<$type>()]);
            <$type>::from_le_bytes(number)
        }
    };
}

number_at!(u16_at, u16);
number_at!(u32_at, u32);
number_at!(u64_at, u64);
