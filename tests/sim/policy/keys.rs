//! Key pairs of the users that sign.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};

/// Key pairs that there are.
pub const KEYS: usize = 2;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

struct Pair {
    secret: SigningKey,
    public: String,
}

fn pairs() -> &'static [Pair; KEYS] {
    static PAIRS: OnceLock<[Pair; KEYS]> = OnceLock::new();
    PAIRS.get_or_init(|| {
        std::array::from_fn(|number| {
            let secret = SigningKey::from_bytes(&[number as u8 + 1; 32]);
            let public = text_of(&secret.verifying_key().to_bytes());
            Pair { secret, public }
        })
    })
}

/// The public key of a pair, as users are named by it.
pub fn public(key: usize) -> &'static str {
    &pairs()[key].public
}

/// The random bytes that a connection is given, and the nonce that they become.
pub fn nonce(conn: usize) -> ([u8; 11], String) {
    let bytes = [conn as u8 ^ 0x5a; 11];
    (bytes, URL_SAFE_NO_PAD.encode(bytes))
}

/// The signature of a connection's nonce, or of something else.
pub fn signature(key: usize, conn: usize, is_good: bool) -> String {
    let text = nonce(conn).1 + if is_good { "" } else { "!" };
    let signature = pairs()[key].secret.sign(text.as_bytes());
    URL_SAFE_NO_PAD.encode(signature.to_bytes())
}

/// A public key as text: base32 of a prefix, the key and a CRC-16.
fn text_of(key: &[u8; 32]) -> String {
    let mut raw = vec![20 << 3];
    raw.extend_from_slice(key);
    let mut crc = 0u16;
    for &byte in &raw {
        crc ^= u16::from(byte) << 8;
        for _ in 0..8 {
            crc = (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 };
        }
    }
    raw.extend_from_slice(&crc.to_le_bytes());
    // 35 bytes are 56 letters of five bits.
    let bit = |at: usize| usize::from(raw[at / 8] >> (7 - at % 8) & 1);
    let letter = |at: usize| (0..5).fold(0, |value, next| value * 2 + bit(at * 5 + next));
    (0..56).map(|at| char::from(ALPHABET[letter(at)])).collect()
}
