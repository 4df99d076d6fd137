//! Connections by slot; every slot remembers how often it was used, so that a late
//! event for a closed connection never reaches its successor.

use crate::base::id::ConnectionKey;
use crate::base::slab::Slab;
use crate::session::connection::Connection;

/// The table.
#[derive(Default)]
pub(super) struct Table {
    slots: Slab<Connection>,
    generations: Vec<u32>,
}

impl Table {
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn insert(&mut self, make: impl FnOnce(u32) -> Connection) -> u32 {
        // The slot is known only after the insertion, its generation follows.
        let index = self.slots.insert(make(0));
        if self.generations.len() <= index as usize {
            self.generations.push(0);
        }
        self.slots[index].generation = self.generations[index as usize];
        index
    }

    pub fn remove(&mut self, key: ConnectionKey) {
        assert!(self.find(key).is_some(), "closed once");
        self.slots.remove(key.index);
        let generation = &mut self.generations[key.index as usize];
        *generation = generation.wrapping_add(1);
    }

    pub fn slots(&self) -> u32 {
        self.slots.slots()
    }

    pub fn get(&self, index: u32) -> Option<&Connection> {
        self.slots.get(index)
    }

    pub fn get_mut(&mut self, index: u32) -> Option<&mut Connection> {
        self.slots.get_mut(index)
    }

    /// The slot of a key that is still valid.
    pub fn find(&self, key: ConnectionKey) -> Option<u32> {
        let connection = self.slots.get(key.index)?;
        (connection.generation == key.generation).then_some(key.index)
    }

    pub fn keys(&self) -> impl Iterator<Item = ConnectionKey> {
        self.slots.iter().map(|(index, connection)| ConnectionKey {
            index,
            generation: connection.generation,
        })
    }
}

impl std::ops::Index<u32> for Table {
    type Output = Connection;

    #[inline]
    fn index(&self, index: u32) -> &Connection {
        &self.slots[index]
    }
}

impl std::ops::IndexMut<u32> for Table {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut Connection {
        &mut self.slots[index]
    }
}
