//! Keys in the text form of NATS (56 characters: base32 of a prefix byte, 32
//! bytes and a CRC-16): the name of a server (`N…`), users that sign (`U…`),
//! accounts (`A…`).

const SERVER_PREFIX: u8 = 13 << 3;
const USER_PREFIX: u8 = 20 << 3;
const ACCOUNT_PREFIX: u8 = 0;
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

/// The Ed25519 public key of a user key, if the text is one.
#[must_use]
pub fn user_key(text: &str) -> Option<[u8; 32]> {
    public_key(USER_PREFIX, text)
}

/// Whether a text is the public key of an account.
#[must_use]
pub fn is_account_key(text: &str) -> bool {
    public_key(ACCOUNT_PREFIX, text).is_some()
}

fn public_key(kind: u8, text: &str) -> Option<[u8; 32]> {
    let raw = from_base32(text)?;
    let (body, checksum) = raw.split_last_chunk::<2>()?;
    let (prefix, key) = body.split_first()?;
    let is_sound = *prefix == kind && crc16(body) == u16::from_le_bytes(*checksum);
    key.try_into().ok().filter(|_| is_sound)
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

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut count) = (0u32, 0);
    for letter in text.bytes() {
        let mut values = (0u32..).zip(ALPHABET);
        let (value, _) = values.find(|&(_, &known)| known == letter)?;
        bits = (bits & 0xff) << 5 | value;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_keys_are_read_and_mistakes_found() {
        let key = "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR";
        assert!(user_key(key).is_some());
        assert_eq!(user_key(&key.replace('W', "X")), None);
        assert_eq!(user_key(&server_id(&[1; 32])), None);
        assert_eq!(user_key(""), None);
        assert_eq!(user_key("é"), None);
        let account = "AC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL";
        assert!(is_account_key(account) && !is_account_key(key));
        assert_eq!(user_key(account), None);
    }

    #[test]
    fn base32_is_undone() {
        for len in 0..40 {
            let bytes: Vec<u8> = (0..len).map(|at: u8| at.wrapping_mul(97)).collect();
            assert_eq!(from_base32(&base32(&bytes)), Some(bytes));
        }
    }

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
