//! Cuts what a server sends into protocol frames, so that a payload that looks like `PONG` is not one.

/// One protocol message from a server, with its exact bytes where the suites need them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Info(Vec<u8>),
    Ok,
    Ping,
    Pong,
    /// The text between the quotes.
    Error(Vec<u8>),
    Message(Message),
    /// A line that no server should send; kept for the report.
    Unknown(Vec<u8>),
}

/// `MSG` or `HMSG`: the words of the control line, and header plus body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub with_headers: bool,
    pub subject: Vec<u8>,
    pub sid: Vec<u8>,
    pub reply: Option<Vec<u8>>,
    /// The sizes as written on the wire, for example `5` or `12 17`.
    pub sizes: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Frame {
    /// Takes one whole frame off the front; `None` while it is incomplete.
    pub fn take(buffer: &mut Vec<u8>) -> Option<Frame> {
        let end = buffer.iter().position(|&byte| byte == b'\n')?;
        let line = &buffer[..end + 1];
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        if let Some((mut message, size)) = message_line(text) {
            let total = end + 1 + size + 2;
            if buffer.len() < total {
                return None;
            }
            message.payload = buffer[end + 1..end + 1 + size].to_vec();
            let sound = &buffer[total - 2..total] == b"\r\n";
            let taken: Vec<u8> = buffer.drain(..total).collect();
            return Some(if sound {
                Frame::Message(message)
            } else {
                Frame::Unknown(taken)
            });
        }
        let frame = match text {
            b"+OK" => Frame::Ok,
            b"PING" => Frame::Ping,
            b"PONG" => Frame::Pong,
            _ if text.starts_with(b"INFO ") => Frame::Info(text[5..].to_vec()),
            _ => match text
                .strip_prefix(b"-ERR '")
                .and_then(|rest| rest.strip_suffix(b"'"))
            {
                Some(inner) => Frame::Error(inner.to_vec()),
                None => Frame::Unknown(line.to_vec()),
            },
        };
        // A line that ends in a bare newline is a fault of the server, whatever it says.
        let sound = line.ends_with(b"\r\n");
        let taken: Vec<u8> = buffer.drain(..=end).collect();
        Some(if sound { frame } else { Frame::Unknown(taken) })
    }
}

fn message_line(line: &[u8]) -> Option<(Message, usize)> {
    let with_headers = line.starts_with(b"HMSG ");
    if !with_headers && !line.starts_with(b"MSG ") {
        return None;
    }
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').skip(1).collect();
    let size_words = if with_headers { 2 } else { 1 };
    let (head, sizes) = words.split_at_checked(words.len().checked_sub(size_words)?)?;
    let (subject, sid, reply) = match head {
        [subject, sid] => (subject, sid, None),
        [subject, sid, reply] => (subject, sid, Some(reply.to_vec())),
        _ => return None,
    };
    let size = std::str::from_utf8(sizes.last()?).ok()?.parse().ok()?;
    let message = Message {
        with_headers,
        subject: subject.to_vec(),
        sid: sid.to_vec(),
        reply,
        sizes: sizes.join(&b' '),
        payload: Vec::new(),
    };
    Some((message, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_looks_like_a_verb_stays_a_payload() {
        let mut buffer = b"MSG a 1 6\r\nPONG\r\n\r\nPONG\r\n+O".to_vec();
        assert!(matches!(Frame::take(&mut buffer), Some(Frame::Message(_))));
        assert_eq!(Frame::take(&mut buffer), Some(Frame::Pong));
        assert_eq!(Frame::take(&mut buffer), None);
    }

    #[test]
    fn an_incomplete_payload_waits() {
        let mut buffer = b"HMSG a 1 r 4 6\r\nabcd".to_vec();
        assert_eq!(Frame::take(&mut buffer), None);
        buffer.extend_from_slice(b"ef\r\n");
        let Some(Frame::Message(message)) = Frame::take(&mut buffer) else {
            panic!("a message");
        };
        assert_eq!(message.reply.as_deref(), Some(&b"r"[..]));
        assert_eq!(message.payload, b"abcdef");
    }
}
