//! `{{account-hash()}}` in a mapping (NATS 2.15.3): a token that stands for the account, so that one file, and permissions that
//! name the token, fit every account. It is replaced once, when the mapping is read.

use sha2::{Digest, Sha256};

use super::transform::{TransformError, function};

/// Letters of a hash.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many of them.
const HASH_LETTERS: usize = 8;

/// A source or destination of a mapping of an account without functions of accounts.
///
/// # Errors
/// As [`TransformError`] says.
pub fn with_account_hash(subject: &str, account: &str) -> Result<String, TransformError> {
    let mut parts = Vec::new();
    for token in subject.split('.') {
        let (name, arguments) = function(token).unwrap_or_default();
        let has_arguments = arguments.iter().any(|argument| !argument.trim().is_empty());
        parts.push(match name {
            name if !name.starts_with("account-hash") => token.to_owned(),
            _ if has_arguments || arguments.len() > 1 => {
                return Err(TransformError::TooManyArguments(token.to_owned()));
            }
            "account-hash" => hash(account),
            // Of imports and of leaf nodes.
            _ => return Err(TransformError::NotAvailable(token.to_owned())),
        });
    }
    Ok(parts.join("."))
}

/// What stands for an account.
fn hash(account: &str) -> String {
    let digest = Sha256::digest(account);
    let digits = digest.iter().take(HASH_LETTERS);
    digits
        .map(|byte| char::from(DIGITS[usize::from(*byte) % DIGITS.len()]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_put_in_where_it_is_a_token() {
        for (given, expected) in [
            ("a.*", "a.*"),
            ("a.{{account-hash()}}.>", "a.NUmM6cRx.>"),
            ("{{ Account-Hash( ) }}", "NUmM6cRx"),
            (
                "{{account-hash()}}.{{wildcard(1)}}.{{account-hash()}}",
                "NUmM6cRx.{{wildcard(1)}}.NUmM6cRx",
            ),
            ("x{{account-hash()}}", "x{{account-hash()}}"),
            ("x{{account-hash(1)}}", "x{{account-hash(1)}}"),
            ("{{ACCOUNT-HASH()}}", "{{ACCOUNT-HASH()}}"),
            ("{{account-hash}}", "{{account-hash}}"),
        ] {
            assert_eq!(with_account_hash(given, "A").as_deref(), Ok(expected));
        }
        assert_eq!(hash("$G"), "szMpdrwD");
    }

    #[test]
    fn other_accounts_are_not_known_here() {
        for (given, text) in [
            (
                "{{account-hash(1)}}",
                "invalid mapping destination: too many arguments passed to the function in {{account-hash(1)}}",
            ),
            (
                "a.{{account-hash(,)}}",
                "invalid mapping destination: too many arguments passed to the function in {{account-hash(,)}}",
            ),
            (
                "{{account-hash-import()}}",
                "invalid mapping destination: function is not available in this context in {{account-hash-import()}}",
            ),
            (
                "{{account-hash-leaf-remote(1)}}",
                "invalid mapping destination: too many arguments passed to the function in {{account-hash-leaf-remote(1)}}",
            ),
        ] {
            let error = with_account_hash(given, "A").expect_err("not valid");
            assert_eq!(error.to_string(), text);
        }
    }
}
