//! The clients' own reader of the protocol: written anew and plainly, so that
//! it cannot share a mistake with the server's.

/// Something that a server says.
#[derive(Debug)]
pub enum Heard {
    Info,
    Ping,
    Pong,
    Ok,
    Err(String),
    Message(Message),
}

/// A delivered message.
#[derive(Debug)]
pub struct Message {
    pub subject: String,
    pub sid: String,
    pub reply: String,
    /// The header block, if it came as HMSG.
    pub header: Option<Vec<u8>>,
    pub payload: Vec<u8>,
}

/// Takes the first thing from the front; `None` if it has not arrived whole.
pub fn hear(bytes: &[u8]) -> Result<Option<(Heard, usize)>, String> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let line = std::str::from_utf8(&bytes[..end]).map_err(|_| "a line that is not text")?;
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let heard = match verb {
        "INFO" => Heard::Info,
        "PING" => Heard::Ping,
        "PONG" => Heard::Pong,
        "+OK" => Heard::Ok,
        "-ERR" => Heard::Err(rest.into()),
        "MSG" | "HMSG" => return message(verb == "HMSG", rest, bytes, end + 2),
        _ => return Err(format!("a line that nobody knows: {line:?}")),
    };
    Ok(Some((heard, end + 2)))
}

fn message(
    with_header: bool,
    arguments: &str,
    bytes: &[u8],
    begin: usize,
) -> Result<Option<(Heard, usize)>, String> {
    let words: Vec<&str> = arguments.split(' ').collect();
    let numbers = if with_header { 2 } else { 1 };
    let wrong = || format!("bad arguments of a message: {arguments:?}");
    let (reply, sizes) = match words.len().checked_sub(2 + numbers) {
        Some(0) => ("", &words[2..]),
        Some(1) => (words[2], &words[3..]),
        _ => return Err(wrong()),
    };
    let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
    let size = number(sizes[numbers - 1])?;
    let header_len = if with_header { number(sizes[0])? } else { 0 };
    if header_len > size || words[0].is_empty() || words[1].is_empty() {
        return Err(wrong());
    }
    let end = begin + size;
    if bytes.len() < end + 2 {
        return Ok(None);
    }
    if &bytes[end..end + 2] != b"\r\n" {
        return Err("a message that does not end where it says".into());
    }
    let message = Message {
        subject: words[0].into(),
        sid: words[1].into(),
        reply: reply.into(),
        header: with_header.then(|| bytes[begin..begin + header_len].to_vec()),
        payload: bytes[begin + header_len..end].to_vec(),
    };
    Ok(Some((Heard::Message(message), end + 2)))
}

/// Whether a pattern matches a subject; the checkers' own idea of it.
pub fn reaches(pattern: &str, subject: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('.').collect();
    let subject: Vec<&str> = subject.split('.').collect();
    if pattern.last() == Some(&">") {
        let fixed = pattern.len() - 1;
        return subject.len() > fixed && all_fit(&pattern[..fixed], &subject[..fixed]);
    }
    pattern.len() == subject.len() && all_fit(&pattern, &subject)
}

fn all_fit(pattern: &[&str], subject: &[&str]) -> bool {
    let mut pairs = pattern.iter().zip(subject);
    pairs.all(|(want, have)| *want == "*" || want == have)
}
