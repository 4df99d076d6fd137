//! Why the system refused something, in nats-server's words.

/// The reason of an I/O error in nats-server's spelling: lower case, no number.
pub fn describe(error: &std::io::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" (os error").next().unwrap_or_default();
    reason.to_lowercase()
}
