//! Operations that are wrong, or might be.

use super::lines::Lines;

impl Lines<'_> {
    /// Something that is wrong, or might be.
    pub fn malformed(&mut self) -> Vec<u8> {
        match self.random.below(16) {
            0 => self.random_bytes(),
            1 => self.mutated(),
            2 => self.mutated(),
            3 => self.bad_arguments("PUB"),
            4 => self.bad_arguments("SUB"),
            5 => self.bad_arguments("UNSUB"),
            6 => self.bad_arguments("HPUB"),
            7 => self.bad_size(),
            8 => self.long_line(),
            9 => self.wrong_payload_length(),
            10 => self.connect(false),
            11 => self.bad_json(),
            12 => b"-ERR 'x'\r\n".to_vec(),
            13 => self.foreign_verb(),
            14 => b"\r\n".to_vec(),
            _ => self.too_large(),
        }
    }

    fn random_bytes(&mut self) -> Vec<u8> {
        let length = self.random.between(1, 40);
        // Never a newline or a letter that could begin a real operation by accident.
        self.random
            .bytes(length)
            .into_iter()
            .map(|byte| byte | 0x80)
            .collect()
    }

    /// A valid line with one byte changed, doubled or lost. Only lines whose change cannot create a queue
    /// member or a lone CR.
    fn mutated(&mut self) -> Vec<u8> {
        let mut line = match self.random.below(4) {
            0 => b"PING\r\n".to_vec(),
            1 => b"PUB a.b 5\r\nhello\r\n".to_vec(),
            2 => b"UNSUB 1 2\r\n".to_vec(),
            _ => b"SUB a.b 4711\r\n".to_vec(),
        };
        let at = self.random.below(line.len());
        let near_the_end = line[at] == b'\r' || line[at] == b'\n';
        match self.random.below(3) {
            0 if !near_the_end => line[at] = *self.random.pick(b"zZ09*>.+-\0\x80"),
            1 if !near_the_end => line.insert(at, line[at]),
            _ if line[at] != b'\n' => drop(line.remove(at)),
            _ => {}
        }
        line
    }

    fn bad_arguments(&mut self, verb: &str) -> Vec<u8> {
        const WORDS: [&str; 6] = ["a", "5", "x", "-1", "0", "99999999999"];
        let count = *self.random.pick(&[0, 0, 1, 4, 5, 6]);
        let words: Vec<Vec<u8>> = (0..count)
            .map(|_| self.random.pick(&WORDS).as_bytes().to_vec())
            .collect();
        let mut line = self.line(verb, &words);
        if count == 0 && self.random.chance(50) {
            line = format!("{verb} \r\n").into_bytes();
        }
        line
    }

    fn bad_size(&mut self) -> Vec<u8> {
        const SIZES: [&str; 8] = [
            "-1",
            "+1",
            "1x",
            "0x1",
            "1.0",
            "0000000001",
            "1234567890",
            "é",
        ];
        let size = self.random.pick(&SIZES).as_bytes().to_vec();
        if self.random.chance(50) {
            self.line("PUB", &[b"a".to_vec(), size])
        } else {
            self.line("HPUB", &[b"a".to_vec(), size.clone(), size])
        }
    }

    /// Around the limit of a control line, on both sides.
    fn long_line(&mut self) -> Vec<u8> {
        let length = self.variant.max_control_line + self.random.between(0, 8) - 4;
        let verb = *self
            .random
            .pick(&["SUB", "UNSUB", "PUB", "CONNECT", "INFO"]);
        let argument = match verb {
            "SUB" => [b"a".repeat(length - 3), b" 77".to_vec()].concat(),
            "PUB" => [b"a".repeat(length - 2), b" 0".to_vec()].concat(),
            "CONNECT" | "INFO" => {
                let frame = "{\"name\":\"\"}".len();
                format!("{{\"name\":\"{}\"}}", "n".repeat(length - frame)).into_bytes()
            }
            _ => b"9".repeat(length),
        };
        let mut bytes = [verb.as_bytes(), b" ", &argument, b"\r\n"].concat();
        if verb == "PUB" {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }

    fn wrong_payload_length(&mut self) -> Vec<u8> {
        match self.random.below(5) {
            0 => b"PUB a 5\r\nhello!\r\n".to_vec(),
            1 => b"PUB a 5\r\nhell\r\n".to_vec(),
            2 => b"PUB a 5\r\nhello\n".to_vec(),
            3 => b"PUB a 0\r\nx\r\n".to_vec(),
            _ => b"PUB a 5\r\n\r\n".to_vec(),
        }
    }

    fn bad_json(&mut self) -> Vec<u8> {
        const TEXTS: [&str; 12] = [
            "{",
            "}",
            "[]",
            "5",
            "\"x\"",
            "{} x",
            "{\"a\"}",
            "{\"verbose\":tru}",
            "{'verbose':true}",
            "{\"name\":\"\\x\"}",
            "{\"name\":\"unfinished}",
            "{\"a\":1,}",
        ];
        let text = self.random.pick(&TEXTS).as_bytes().to_vec();
        self.line("CONNECT", &[text])
    }

    fn foreign_verb(&mut self) -> Vec<u8> {
        const VERBS: [&str; 9] = [
            "MSG a 1 0\r\n\r\n",
            "RS+ $G a\r\n",
            "RS- $G a\r\n",
            "LS+ a\r\n",
            "A+ x\r\n",
            "RMSG a 0\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "QUIT\r\n",
            "LMSG a 0\r\n\r\n",
        ];
        self.random.pick(&VERBS).as_bytes().to_vec()
    }

    fn too_large(&mut self) -> Vec<u8> {
        let size = self.variant.max_payload + self.random.between(1, 3);
        if self.random.chance(50) {
            self.line("PUB", &[b"a".to_vec(), size.to_string().into_bytes()])
        } else {
            let words = [b"a".to_vec(), b"12".to_vec(), size.to_string().into_bytes()];
            self.line("HPUB", &words)
        }
    }
}
