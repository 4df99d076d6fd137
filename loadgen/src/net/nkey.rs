//! NKeys: an Ed25519 seed in NATS's base32 form, with which the nonce of INFO is signed.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// First byte of a seed: 18 (shows as `S`), in its upper five bits.
const PREFIX_SEED: u8 = 18 << 3;
/// Prefix of a user: 20 (shows as `U`).
const PREFIX_USER: u8 = 20 << 3;

/// The key pair of a user.
#[derive(Clone)]
pub struct NkeyUser(SigningKey);

impl std::fmt::Debug for NkeyUser {
    /// Never shows the seed.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "NkeyUser({})", self.public())
    }
}

impl NkeyUser {
    /// From the text of a seed file: the first word that begins with `SU`, as the official tools write it.
    pub fn from_seed_text(text: &str) -> Result<Self, String> {
        let word = text
            .split_whitespace()
            .find(|word| word.starts_with("SU"))
            .ok_or("it holds no user seed (a word that begins with SU)")?;
        let bytes = decode(word).ok_or("the seed is not base32")?;
        let (body, sum) = bytes
            .split_last_chunk::<2>()
            .ok_or("the seed is too short")?;
        if crc16(body) != u16::from_le_bytes(*sum) {
            return Err("the seed is damaged: its checksum is wrong".into());
        }
        let ([first, second], secret) = body
            .split_first_chunk::<2>()
            .ok_or("the seed is too short")?;
        let kind = (first & 7) << 5 | (second & 0xF8) >> 3;
        if first & 0xF8 != PREFIX_SEED || kind != PREFIX_USER {
            return Err("the seed is not one of a user".into());
        }
        let secret: &[u8; 32] = secret
            .try_into()
            .map_err(|_| "the seed has a wrong length")?;
        Ok(NkeyUser(SigningKey::from_bytes(secret)))
    }

    /// A key pair made of `secret`, for configurations that are written here.
    #[cfg(test)]
    pub fn from_secret(secret: [u8; 32]) -> Self {
        NkeyUser(SigningKey::from_bytes(&secret))
    }

    /// The public key as text, `U…`.
    pub fn public(&self) -> String {
        let mut bytes = vec![PREFIX_USER];
        bytes.extend_from_slice(self.0.verifying_key().as_bytes());
        bytes.extend_from_slice(&crc16(&bytes).to_le_bytes());
        encode(&bytes)
    }

    /// The signature of `nonce` for CONNECT.
    pub fn sign(&self, nonce: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0.sign(nonce.as_bytes()).to_bytes())
    }
}

/// CRC-16/XMODEM, as nkeys use it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte) << 8, |sum, _| {
            if sum & 0x8000 == 0 {
                sum << 1
            } else {
                sum << 1 ^ 0x1021
            }
        })
    })
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = (bits << 5 | value as u32) & 0xFFF;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

fn encode(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut count) = (String::new(), 0u32, 0);
    for byte in bytes {
        bits = (bits << 8 | u32::from(*byte)) & 0xFFF;
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(ALPHABET[(bits >> count) as usize & 31]));
        }
    }
    if count > 0 {
        text.push(char::from(ALPHABET[(bits << (5 - count)) as usize & 31]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // From the documentation of nkeys.
    const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    const PUBLIC: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

    #[test]
    fn a_seed_gives_its_public_key_and_signatures_that_hold() {
        let text = format!("-----BEGIN USER NKEY SEED-----\n{SEED}\n------END------\n");
        let user = NkeyUser::from_seed_text(&text).unwrap();
        assert_eq!(user.public(), PUBLIC);
        let signature = BASE64_URL_SAFE_NO_PAD.decode(user.sign("nonce")).unwrap();
        let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
        assert!(
            user.0
                .verifying_key()
                .verify_strict(b"nonce", &signature)
                .is_ok()
        );
        assert!(!format!("{user:?}").contains(SEED));
    }

    #[test]
    fn mistakes_are_told() {
        let damaged = SEED.replace("HUD", "HUE");
        for (text, expected) in [
            ("", "no user seed"),
            ("SUa1", "base32"),
            ("SU", "short"),
            (damaged.as_str(), "checksum"),
        ] {
            let error = NkeyUser::from_seed_text(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn base32_goes_both_ways() {
        let user = NkeyUser::from_secret([7; 32]);
        let bytes = decode(&user.public()).unwrap();
        assert_eq!((bytes.len(), bytes[0]), (35, PREFIX_USER));
        assert_eq!(encode(&bytes), user.public());
    }
}
