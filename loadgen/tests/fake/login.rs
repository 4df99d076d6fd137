//! Who the fake server lets in.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};

/// What an nkey user signs.
pub const NONCE: &str = "Y7pQ-nonce";
/// The seed of the nkey user, from the documentation of nkeys.
pub const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const PUBLIC: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

/// User `u` with password `right`, the token `token`, and the nkey user.
pub fn is_known(options: &str) -> bool {
    let options: serde_json::Value = serde_json::from_str(options).unwrap();
    let text = |key: &str| options[key].as_str().unwrap_or("").to_string();
    (text("user"), text("pass")) == ("u".into(), "right".into())
        || text("auth_token") == "token"
        || (text("nkey") == PUBLIC && has_signed(&text("sig")))
}

fn has_signed(signature: &str) -> bool {
    let bits: String = PUBLIC
        .bytes()
        .map(|letter| match letter {
            b'A'..=b'Z' => letter - b'A',
            _ => letter - b'2' + 26,
        })
        .map(|value| format!("{value:05b}"))
        .collect();
    let bytes: Vec<u8> = (0..33)
        .map(|index| u8::from_str_radix(&bits[index * 8..index * 8 + 8], 2).unwrap())
        .collect();
    let key = VerifyingKey::from_bytes(bytes[1..].try_into().unwrap()).unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let signature = Signature::from_slice(&signature).unwrap();
    key.verify_strict(NONCE.as_bytes(), &signature).is_ok()
}
