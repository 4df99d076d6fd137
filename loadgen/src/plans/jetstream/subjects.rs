//! Which subject each message of a publisher goes to.

use crate::random::Random;
use crate::wire::encode;

/// Subjects of streams, or keys of a bucket.
pub enum Subjects {
    /// One per stream. Publishers share the streams out: each has its own ones in turn, or one with others.
    Streams(Vec<String>),
    /// Keys of a bucket, each in turn: publishers share them out.
    KeysInTurn(Keys),
    /// Keys of a bucket, drawn.
    KeysDrawn(Keys),
}

/// The keys of a bucket: numbers behind a prefix.
#[derive(Clone)]
pub struct Keys {
    /// What subjects of keys begin with, with the `k` of the key.
    pub prefix: String,
    /// How many there are.
    pub count: u64,
}

impl Keys {
    /// Appends the subject of a key.
    pub fn write(&self, key: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix.as_bytes());
        encode::decimal(out, key);
    }

    /// The key that somebody draws as the `number`th.
    pub fn drawn(&self, who: u32, number: u64) -> u64 {
        Random::new(u64::from(who) << 44 ^ number).below(self.count)
    }
}

impl Subjects {
    /// Which stream or key message `sequence` of a publisher goes to, where there are so many `publishers`.
    pub fn index(&self, publisher: u32, publishers: u32, sequence: u64) -> u64 {
        let in_turn = |count: u64| {
            let (first, step) = (u64::from(publisher), u64::from(publishers));
            match count.saturating_sub(first).div_ceil(step) {
                0 => first % count,
                own => first + step * (sequence % own),
            }
        };
        match self {
            Subjects::Streams(subjects) => in_turn(subjects.len() as u64),
            Subjects::KeysInTurn(keys) => in_turn(keys.count),
            Subjects::KeysDrawn(keys) => keys.drawn(publisher, sequence),
        }
    }

    /// Appends the subject of a stream or key.
    pub fn write(&self, index: u64, out: &mut Vec<u8>) {
        match self {
            Subjects::Streams(subjects) => {
                out.extend_from_slice(subjects[index as usize].as_bytes())
            }
            Subjects::KeysInTurn(keys) | Subjects::KeysDrawn(keys) => keys.write(index, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_share_streams_out() {
        let indices = |streams: usize, publishers: u32| -> Vec<Vec<u64>> {
            let subjects = Subjects::Streams(vec![String::new(); streams]);
            let of = |publisher| (0..3).map(move |k| (publisher, k));
            (0..publishers)
                .map(|publisher| {
                    of(publisher)
                        .map(|(publisher, k)| subjects.index(publisher, publishers, k))
                        .collect()
                })
                .collect()
        };
        assert_eq!(indices(3, 3), [[0, 0, 0], [1, 1, 1], [2, 2, 2]]);
        assert_eq!(indices(5, 2), [[0, 2, 4], [1, 3, 1]]);
        assert_eq!(indices(2, 3), [[0, 0, 0], [1, 1, 1], [0, 0, 0]]);
        assert_eq!(indices(1, 1), [[0, 0, 0]]);
    }

    #[test]
    fn keys_are_drawn_again_alike() {
        let keys = Keys {
            prefix: "$KV.b.k".into(),
            count: 10,
        };
        let subjects = Subjects::KeysDrawn(keys.clone());
        let mut seen = [false; 10];
        for number in 0..200 {
            let key = subjects.index(1, 2, number);
            assert_eq!(key, keys.drawn(1, number));
            seen[key as usize] = true;
        }
        assert_eq!(seen, [true; 10]);
        let mut out = Vec::new();
        subjects.write(7, &mut out);
        assert_eq!(out, b"$KV.b.k7");
    }
}
