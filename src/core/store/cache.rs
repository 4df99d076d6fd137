//! Parts of the journal that are in memory: groups that were written lately, and what was
//! read of older ones.
//!
//! Bounds: so many bytes; those that came first go first. What comes from a device has its
//! checksum looked at whenever it is used (`Record::decode`).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::base::pages::Pages;
use crate::journal::bytes_from;

/// Parts of a journal by where they begin.
#[derive(Debug)]
pub(super) struct Cache {
    parts: BTreeMap<u64, Arc<Pages>>,
    /// Where they begin, in the order in which they came.
    order: VecDeque<u64>,
    bytes: usize,
    bytes_max: usize,
}

impl Cache {
    /// Nothing; it may take so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            parts: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Takes a part; returns a buffer that nobody needs any more.
    pub fn add(&mut self, begin: u64, pages: Arc<Pages>) -> Option<Pages> {
        self.bytes += pages.len();
        if let Some(before) = self.parts.insert(begin, pages) {
            self.bytes -= before.len();
            self.order.retain(|other| *other != begin);
        }
        self.order.push_back(begin);
        let mut freed = None;
        while self.bytes > self.bytes_max
            && self.order.len() > 1
            && let Some(oldest) = self.order.pop_front()
        {
            freed = self.forget(oldest).or(freed);
        }
        freed
    }

    fn forget(&mut self, begin: u64) -> Option<Pages> {
        let pages = self.parts.remove(&begin)?;
        self.bytes -= pages.len();
        Arc::try_unwrap(pages).ok()
    }

    /// What is here from a position on, if that is so many bytes at least.
    pub fn find(&self, position: u64, len: usize) -> Option<&[u8]> {
        let (&begin, pages) = self.parts.range(..=position).next_back()?;
        bytes_from(begin, pages.bytes(), position).filter(|bytes| bytes.len() >= len)
    }

    /// Bytes of all parts.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(byte: u8, len: usize) -> Arc<Pages> {
        let mut pages = Pages::zeroed(len);
        pages.bytes_mut().fill(byte);
        Arc::new(pages)
    }

    #[test]
    fn the_first_ones_go_first() {
        let mut cache = Cache::new(10_000);
        for part in 0..5_u8 {
            cache.add(u64::from(part) * 4096, pages(part, 4096));
        }
        assert_eq!(cache.bytes(), 8192);
        assert_eq!(cache.find(2 * 4096, 1), None);
        assert_eq!(cache.find(4 * 4096 - 2, 2), Some(&[3, 3][..]));
        assert_eq!(cache.find(4 * 4096 - 2, 3), None, "it goes on elsewhere");
        assert_eq!(cache.find(5 * 4096, 1), None);
        cache.add(3 * 4096, pages(9, 8192));
        assert_eq!(cache.find(3 * 4096 + 1, 1).map(|bytes| bytes[0]), Some(9));
        assert_eq!(cache.bytes(), 8192, "what is there twice is kept once");
    }
}
