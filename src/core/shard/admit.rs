//! Checks of messages that most publishers never meet: pedantic ones, confirmed
//! ones, and subjects that belong to the server.

use super::Shard;
use crate::subject::pattern::is_literal;
use crate::wire::encode;
use crate::wire::parse::Publish;

impl Shard {
    /// Cold checks of a message; false if it must not be published.
    #[cold]
    pub(super) fn admit(&mut self, index: u32, message: &Publish<'_>) -> bool {
        let connection = &self.connections[index];
        let (pedantic, verbose) = (connection.options.pedantic, connection.options.verbose);
        if pedantic && !is_literal(message.subject) {
            self.send_error(index, b"Invalid Publish Subject");
        }
        let refusal: Option<(&[u8], &[u8])> = if is_reserved_subject(message.subject) {
            Some((b"Permissions Violation for Publish to ", message.subject))
        } else if is_reserved_reply(message.reply) {
            Some((
                b"Permissions Violation for Publish with Reply of ",
                message.reply,
            ))
        } else {
            None
        };
        if let Some((text, subject)) = refusal {
            let mut text = text.to_vec();
            encode::quoted(subject, &mut text);
            self.log_error(index, &String::from_utf8_lossy(&text));
            self.send_error(index, &text);
            return false;
        }
        if verbose {
            self.send(index, encode::OK);
        }
        true
    }
}

/// Whether a subject or reply begins like one of the reserved ones.
#[inline]
pub(super) fn is_reserved(message: &Publish<'_>) -> bool {
    let suspicious = |text: &[u8]| matches!(text.first(), Some(b'_' | b'$'));
    (suspicious(message.subject) && is_reserved_subject(message.subject))
        || (suspicious(message.reply) && is_reserved_reply(message.reply))
}

fn begins_with_more(text: &[u8], prefix: &[u8]) -> bool {
    text.len() > prefix.len() && text.starts_with(prefix)
}

fn is_gateway_reply(text: &[u8]) -> bool {
    begins_with_more(text, b"_GR_.") || begins_with_more(text, b"$GR.")
}

/// Subjects that clients may not publish to (NATS 2.15).
fn is_reserved_subject(subject: &[u8]) -> bool {
    is_gateway_reply(subject) || subject.starts_with(b"$NRG.")
}

/// Replies that clients may not ask for (NATS 2.15).
fn is_reserved_reply(reply: &[u8]) -> bool {
    is_gateway_reply(reply) || reply.starts_with(b"_R_.") || begins_with_more(reply, b"$JS.ACK.")
}
