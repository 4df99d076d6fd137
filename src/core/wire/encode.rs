//! Lines that the server writes, other than messages and INFO.

/// `+OK`.
pub const OK: &[u8] = b"+OK\r\n";
/// `PING`.
pub const PING: &[u8] = b"PING\r\n";
/// `PONG`.
pub const PONG: &[u8] = b"PONG\r\n";

/// What is written before a text in `-ERR`, and after it.
const ERR: (&[u8], &[u8]) = (b"-ERR '", b"'\r\n");

/// Appends `-ERR 'text'`.
pub fn err(text: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(ERR.0);
    into.extend_from_slice(text);
    into.extend_from_slice(ERR.1);
}

const DIGITS: &[u8; 10] = b"0123456789";

/// Appends a decimal number.
pub fn decimal(mut number: usize, into: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = DIGITS[number % 10];
        number /= 10;
        if number == 0 {
            break;
        }
    }
    into.extend_from_slice(&digits[at..]);
}

/// Appends the message that tells a requester that nobody listens: a status
/// 503 with the subject that was asked (NATS 2.12).
pub fn no_responders(reply: &[u8], sid: &[u8], subject: &[u8], into: &mut Vec<u8>) {
    const STATUS: &[u8] = b"NATS/1.0 503\r\nNats-Subject: ";
    let header_len = STATUS.len() + subject.len() + 4;
    into.extend_from_slice(b"HMSG ");
    into.extend_from_slice(reply);
    into.push(b' ');
    into.extend_from_slice(sid);
    into.push(b' ');
    decimal(header_len, into);
    into.push(b' ');
    decimal(header_len, into);
    into.extend_from_slice(b"\r\n");
    into.extend_from_slice(STATUS);
    into.extend_from_slice(subject);
    into.extend_from_slice(b"\r\n\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_counts_its_bytes() {
        let mut line = Vec::new();
        no_responders(b"r", b"7", b"svc", &mut line);
        assert_eq!(
            line,
            b"HMSG r 7 35 35\r\nNATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\n"
        );
    }

    #[test]
    fn numbers() {
        let mut text = Vec::new();
        decimal(0, &mut text);
        decimal(1_048_576, &mut text);
        assert_eq!(text, b"01048576");
    }
}
