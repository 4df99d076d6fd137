//! The public name of a server: a server key in the text form of NATS keys
//! (`N…`, 56 characters: base32 of a prefix byte, 32 bytes and a CRC-16).

const SERVER_PREFIX: u8 = 13 << 3;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Turns 32 random bytes into a server id.
#[must_use]
pub fn server_id(random: &[u8; 32]) -> String {
    let mut raw = Vec::with_capacity(35);
    raw.push(SERVER_PREFIX);
    raw.extend_from_slice(random);
    let checksum = crc16(&raw);
    raw.extend_from_slice(&checksum.to_le_bytes());
    base32(&raw)
}

/// CRC-16/XMODEM, which NATS keys use.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0u16, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x1021
            }
        })
    })
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut bits, mut count) = (0u32, 0);
    for &byte in bytes {
        bits = bits << 8 | u32::from(byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(ALPHABET[(bits >> count & 31) as usize]));
        }
    }
    if count > 0 {
        text.push(char::from(ALPHABET[(bits << (5 - count) & 31) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_form_of_a_server_key() {
        let id = server_id(&[0xa5; 32]);
        assert_eq!(id.len(), 56);
        assert!(id.starts_with('N'));
    }

    #[test]
    fn checksum_is_xmodem() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }
}
