//! Single protocol operations in all their spellings. Broken ones are in `malformed.rs`.

use super::session::Variant;
use trunkline_tests::Random;

/// Names that a connection uses: ids that it has subscribed with, and its own queue groups.
pub struct Names {
    connection: usize,
    ids: Vec<String>,
    counter: usize,
}

impl Names {
    pub fn new(connection: usize) -> Self {
        Self {
            connection,
            ids: Vec::new(),
            counter: 0,
        }
    }
}

pub struct Lines<'a> {
    pub random: &'a mut Random,
    pub names: &'a mut Names,
    pub variant: &'static Variant,
}

const TOKENS: [&str; 6] = ["a", "b", "c", "dd", "e5", "inbox"];
/// Tokens that look special and are not, or that are special only in some places.
const ODD_TOKENS: [&[u8]; 13] = [
    b"",
    b"*",
    b">",
    b"a*",
    b"*a",
    b">>",
    b"\xc3\xa9",
    b"\xff",
    b"$SYS",
    b"_R_",
    b"$JS",
    b"\"",
    b"\x01",
];
const LONGEST_BODY: usize = 40_000;
/// Whole subjects that the server reserves.
const RESERVED: [&str; 7] = [
    "_GR_.x",
    "$GR.y",
    "$NRG.z",
    "$NRG.",
    "_R_.a",
    "$JS.ACK.b",
    "_GR_.",
];

impl Lines<'_> {
    pub fn valid(&mut self) -> Vec<u8> {
        match self.random.below(100) {
            0..=24 => self.subscribe(),
            25..=34 => self.unsubscribe(),
            35..=64 => self.publish(),
            65..=79 => self.publish_headers(),
            80..=86 => self.line("PING", &[]),
            87..=89 => self.filler("PING"),
            90..=91 => self.filler("PONG"),
            92 => self.filler("+OK"),
            93 => self.info(),
            94..=95 => {
                let sound = self.random.chance(80);
                self.connect(sound)
            }
            _ => self.publish(),
        }
    }

    /// A CONNECT with random options; not `sound` means a member of the wrong kind or value.
    pub fn connect(&mut self, sound: bool) -> Vec<u8> {
        let mut members: Vec<String> = Vec::new();
        for name in ["verbose", "pedantic", "echo", "headers", "no_responders"] {
            let percent_true = match name {
                "verbose" | "pedantic" => 30,
                "headers" => 85,
                _ => 70,
            };
            if self.random.chance(85) {
                let value = self.random.chance(percent_true);
                members.push(format!("\"{name}\":{value}"));
            }
        }
        if self.random.chance(60) {
            members.push(format!("\"protocol\":{}", self.random.below(2)));
        }
        if !self.variant.credentials.is_empty() && self.random.chance(92) {
            members.push(self.variant.credentials.to_owned());
        }
        if self.random.chance(30) {
            members.push(
                "\"lang\":\"rust\",\"version\":\"1\",\"name\":\"é \\\"quoted\\\" \\u00e9\""
                    .to_owned(),
            );
        }
        if !sound {
            const ODD: [&str; 16] = [
                "\"protocol\":2",
                "\"protocol\":-1",
                "\"protocol\":\"1\"",
                "\"protocol\":1.5",
                "\"verbose\":1",
                "\"echo\":null",
                "\"Verbose\":false",
                "\"ECHO\":false",
                "\"unknown\":{\"a\":[1,2,{}]}",
                "\"account\":\"x\"",
                "\"new_account\":true",
                "\"name\":7",
                "\"verbose\":true,\"verbose\":false",
                "\"auth_token\":\"wrong\"",
                "\"user\":\"u\",\"pass\":\"wrong\"",
                "",
            ];
            members.push((*self.random.pick(&ODD)).to_owned());
        }
        let json = format!("{{{}}}", members.join(","));
        self.line("CONNECT", &[json.into_bytes()])
    }

    fn subscribe(&mut self) -> Vec<u8> {
        let subject = self.pattern();
        let reuse = !self.names.ids.is_empty() && self.random.chance(10);
        if self.random.chance(25) {
            // One-letter suffix: all members of a group have ids of one length, and none gets a maximum.
            let id = format!("q{}", char::from(b'a' + self.random.below(6) as u8));
            let queue = format!("g{}{}", self.names.connection, self.random.below(2));
            return self.line("SUB", &[subject, queue.into_bytes(), id.into_bytes()]);
        }
        let id = if reuse {
            self.random.pick(&self.names.ids).clone()
        } else {
            self.names.counter += 1;
            let id = match self.random.below(10) {
                0 => format!("id.{}>*", self.names.counter),
                1 => format!("{:0>12}", self.names.counter),
                _ => self.names.counter.to_string(),
            };
            self.names.ids.push(id.clone());
            id
        };
        self.line("SUB", &[subject, id.into_bytes()])
    }

    fn unsubscribe(&mut self) -> Vec<u8> {
        if self.random.chance(15) {
            let id = format!("q{}", char::from(b'a' + self.random.below(6) as u8));
            return self.line("UNSUB", &[id.into_bytes()]);
        }
        let id = if self.names.ids.is_empty() || self.random.chance(10) {
            "unknown".to_owned()
        } else {
            self.random.pick(&self.names.ids).clone()
        };
        let mut words = vec![id.into_bytes()];
        if self.random.chance(60) {
            let maximum = match self.random.below(12) {
                0 => "0".to_owned(),
                1 => "x".to_owned(),
                2 => "-3".to_owned(),
                3 => "0000000004".to_owned(),
                4 => "003".to_owned(),
                _ => self.random.between(1, 6).to_string(),
            };
            words.push(maximum.into_bytes());
        }
        self.line("UNSUB", &words)
    }

    fn publish(&mut self) -> Vec<u8> {
        let body = self.body(self.variant.max_payload);
        let mut words = vec![self.subject()];
        if self.random.chance(35) {
            words.push(self.subject());
        }
        words.push(self.size(body.len()));
        let mut bytes = self.line("PUB", &words);
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    fn publish_headers(&mut self) -> Vec<u8> {
        let header = self.header();
        let room = self.variant.max_payload.saturating_sub(header.len());
        let body = self.body(room);
        let mut words = vec![self.subject()];
        if self.random.chance(35) {
            words.push(self.subject());
        }
        words.push(self.size(header.len()));
        words.push(self.size(header.len() + body.len()));
        let mut bytes = self.line("HPUB", &words);
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    fn header(&mut self) -> Vec<u8> {
        match self.random.below(8) {
            0 => Vec::new(),
            1 => b"\r\n".to_vec(),
            2 => b"NATS/1.0\r\nno colon\r\n\r\n".to_vec(),
            3 => self.random.bytes(9),
            4 => b"NATS/1.0 503\r\n\r\n".to_vec(),
            5 => b"NATS/1.0\r\nX: 1\r\nx: 2\r\nX: 3\r\n\r\n".to_vec(),
            _ => b"NATS/1.0\r\nKey: value\r\n\r\n".to_vec(),
        }
    }

    fn info(&mut self) -> Vec<u8> {
        let text = *self.random.pick(&[
            "{}",
            "{\"max_payload\":5}",
            "{\"connect_urls\":[\"x\"]}",
            "null",
        ]);
        self.line("INFO", &[text.as_bytes().to_vec()])
    }

    /// A verb that ignores what follows it.
    fn filler(&mut self, verb: &str) -> Vec<u8> {
        let filler = *self
            .random
            .pick(&["x", " y", "\t\t", " PING", "\0\0", " 5 \r", "é"]);
        let mut bytes = self.spell(verb);
        bytes.extend_from_slice(filler.as_bytes());
        bytes.extend_from_slice(self.ending().as_bytes());
        bytes
    }

    fn body(&mut self, limit: usize) -> Vec<u8> {
        let length = match self.random.below(40) {
            0..=5 => 0,
            6..=8 => 1,
            9..=10 => 2,
            11..=25 => self.random.between(3, 30),
            26..=32 => self.random.between(31, 600),
            33..=36 => self.random.between(600, 6_000),
            37 => self.random.between(6_000, 40_000),
            38 => limit,
            _ => limit.saturating_sub(1),
        };
        // Output that no receive buffer can take would be lost when the server closes; payloads of a
        // megabyte have their transcripts.
        let length = length.min(limit).min(LONGEST_BODY);
        match self.random.below(4) {
            0 => b"\r\nPING\r\n+OK\r\n"
                .iter()
                .copied()
                .cycle()
                .take(length)
                .collect(),
            1 if length < 2_000 => self.random.bytes(length),
            _ => b"0123456789".iter().copied().cycle().take(length).collect(),
        }
    }

    /// The size as people write it, now and then with leading zeros.
    fn size(&mut self, length: usize) -> Vec<u8> {
        let text = if self.random.chance(8) {
            format!("{length:0>7}")
        } else {
            length.to_string()
        };
        text.into_bytes()
    }

    /// For PUB: mostly plain, so that messages meet subscriptions.
    fn subject(&mut self) -> Vec<u8> {
        match self.random.below(100) {
            0..=3 => self.random.pick(&RESERVED).as_bytes().to_vec(),
            4..=13 => self.joined(true, false),
            _ => self.joined(false, false),
        }
    }

    /// For SUB.
    fn pattern(&mut self) -> Vec<u8> {
        let odd = self.random.chance(12);
        self.joined(odd, true)
    }

    fn joined(&mut self, odd: bool, wildcards: bool) -> Vec<u8> {
        let count = match self.random.below(20) {
            0..=8 => 1,
            9..=15 => 2,
            16..=18 => 3,
            _ => self.random.between(4, 40),
        };
        let mut tokens: Vec<&[u8]> = Vec::new();
        for position in 0..count {
            let token: &'static [u8] = if odd && self.random.chance(40) {
                ODD_TOKENS[self.random.below(ODD_TOKENS.len())]
            } else if wildcards && self.random.chance(25) {
                b"*"
            } else if wildcards && position + 1 == count && self.random.chance(15) {
                b">"
            } else {
                self.random.pick(&TOKENS).as_bytes()
            };
            tokens.push(token);
        }
        if wildcards && hears_authentication_errors(&tokens) && !self.variant.credentials.is_empty()
        {
            tokens.insert(0, b"a");
        }
        let joined = tokens.join(&b'.');
        // A subject of nothing would shift the arguments, and with them a queue group's name.
        if joined.is_empty() {
            b".".to_vec()
        } else {
            joined
        }
    }

    /// A control line in one of its spellings.
    pub fn line(&mut self, verb: &str, words: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.spell(verb);
        for word in words {
            bytes.extend_from_slice(self.blank().as_bytes());
            bytes.extend_from_slice(word);
        }
        if self.random.chance(6) {
            bytes.extend_from_slice(self.blank().as_bytes());
        }
        bytes.extend_from_slice(self.ending().as_bytes());
        bytes
    }

    fn spell(&mut self, verb: &str) -> Vec<u8> {
        match self.random.below(12) {
            0 => verb.to_lowercase().into_bytes(),
            1 => verb
                .bytes()
                .map(|byte| {
                    if self.random.chance(50) {
                        byte.to_ascii_lowercase()
                    } else {
                        byte
                    }
                })
                .collect(),
            _ => verb.as_bytes().to_vec(),
        }
    }

    fn blank(&mut self) -> &'static str {
        match self.random.below(20) {
            0 => "\t",
            1 => "  ",
            2 => " \t ",
            _ => " ",
        }
    }

    fn ending(&mut self) -> &'static str {
        if self.random.chance(8) { "\n" } else { "\r\n" }
    }
}

/// The reference tells `$SYS.ACCOUNT.CLIENT.AUTH.ERR` about every refused client, to whoever listens in
/// the account, with times and server names in it.
fn hears_authentication_errors(pattern: &[&[u8]]) -> bool {
    const SUBJECT: [&[u8]; 5] = [b"$SYS", b"ACCOUNT", b"CLIENT", b"AUTH", b"ERR"];
    for (position, token) in pattern.iter().enumerate() {
        match (*token, SUBJECT.get(position)) {
            (b">", Some(_)) => return true,
            (b"*", Some(_)) => {}
            (token, Some(wanted)) if token == *wanted => {}
            _ => return false,
        }
    }
    pattern.len() == SUBJECT.len()
}
