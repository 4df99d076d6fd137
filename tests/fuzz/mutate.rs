//! Changes inputs at random, from a seed: bytes, pieces of the protocol, and parts of other inputs.

use trunkline_core::base::rng::Rng;

/// What the protocol is made of; blind bytes would seldom hit on it.
const WORDS: &[&[u8]] = &[
    b"PUB ",
    b"HPUB ",
    b"SUB ",
    b"UNSUB ",
    b"PING\r\n",
    b"PONG\r\n",
    b"+OK\r\n",
    b"-ERR ",
    b"INFO ",
    b"CONNECT ",
    b"MSG ",
    b"HMSG ",
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"  ",
    b".",
    b"..",
    b"*",
    b">",
    b".*",
    b".>",
    b"+",
    b"0",
    b"00",
    b"1",
    b"12",
    b"999999999",
    b"9999999999",
    b"-1",
    b"NATS/1.0\r\n\r\n",
    b"{",
    b"}",
    b"{}",
    b"null",
    b"true",
    b"false",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"\\u0000",
    b"1e999",
    b"\"verbose\":",
    b"\"pedantic\":",
    b"\"headers\":true",
    b"\"echo\":false",
    b"\"no_responders\":true",
    b"\"protocol\":",
    b"\"user\":",
    b"\"auth_token\":\"s3cret\"",
    b"work",
    b"group",
    b"$SYS.",
    b"_GR_.",
    b"_INBOX.",
    b"\x82\x80",
    b"\x89\x80",
    b"\x88\x82",
    b"\xc2\xfe",
    b"\x00\xff",
    b"\r\nOrigin: http://localhost\r\n",
    b"\r\nCookie: u=s3cret; p=s3cret\r\n",
    b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
    b"PROXY ",
    b"TCP4 ",
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b"\xe2\x80\xa8",
];

/// Makes inputs from seeds.
pub struct Mutator<'a> {
    rng: Rng,
    seeds: &'a [Vec<u8>],
}

impl<'a> Mutator<'a> {
    /// All inputs follow from the seed and the seeds.
    pub fn new(seed: u64, seeds: &'a [Vec<u8>]) -> Self {
        Self {
            rng: Rng::new(seed),
            seeds,
        }
    }

    /// A seed with one to eight changes.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.pick_seed().to_vec();
        for _ in 0..1 << self.rng.below(4) {
            self.change(&mut input);
        }
        input
    }

    fn pick_seed(&mut self) -> &'a [u8] {
        &self.seeds[self.rng.below(self.seeds.len() as u64) as usize]
    }

    fn place(&mut self, len: usize) -> usize {
        self.rng.below(len as u64 + 1) as usize
    }

    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let start = self.place(len);
        let longest = (len - start).min(40);
        let len = self.place(longest);
        start..start + len
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.place(input.len());
        match self.rng.below(9) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.rng.below(8);
                }
            }
            1 => input.insert(at, self.rng.below(256) as u8),
            2 => {
                let range = self.range(input.len());
                input.drain(range);
            }
            3 | 4 => {
                let word = WORDS[self.rng.below(WORDS.len() as u64) as usize];
                input.splice(at..at, word.iter().copied());
            }
            5 => {
                let range = self.range(input.len());
                let copy = input[range].to_vec();
                input.splice(at..at, copy);
            }
            6 => {
                let other = self.pick_seed();
                let range = self.range(other.len());
                input.splice(at..at, other[range].iter().copied());
            }
            7 => {
                let byte = b" a1.*>\r\n"[self.rng.below(8) as usize];
                let count = 1 + self.rng.below(60) as usize;
                input.splice(at..at, std::iter::repeat_n(byte, count));
            }
            _ => input.truncate(at.max(2)),
        }
    }
}
