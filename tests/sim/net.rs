//! Fake sockets: two byte streams with bounded kernel buffers, readiness that
//! is reported on its edges, and ends that close cleanly or not.

use std::collections::VecDeque;

use crate::bytes::ByteQueue;

/// What the poller has noticed of a socket since it was last asked.
#[derive(Clone, Copy, Default)]
pub struct Ready {
    pub is_readable: bool,
    pub is_writable: bool,
    pub is_ending: bool,
}

/// How a client ends its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It sends everything, then closes its side.
    Orderly,
    /// It dies: the kernel resets the connection.
    Reset,
}

/// One connection's socket pair.
pub struct Wire {
    /// The core that owns it.
    pub core: usize,
    /// Written by the client, not yet at the server.
    pub outgoing: ByteQueue,
    /// The client writes no more.
    pub ending: Option<Ending>,
    /// In the server's kernel, not yet read.
    pub arrived: ByteQueue,
    /// Bytes that the server has read.
    pub received: u64,
    /// The end has arrived at the server.
    pub end_arrived: bool,
    /// In the kernels towards the client.
    pub towards_client: ByteQueue,
    /// The server has closed its side.
    pub server_closed: bool,
    /// Most bytes in `arrived`, and in `towards_client`.
    pub capacity: usize,
    /// Largest piece that arrives at once, and that is read at once.
    pub piece_max: u64,
    /// An event that moves bytes is already due.
    pub is_moving: bool,
    pub is_being_read: bool,
    /// The server's last send was not taken whole.
    is_refusing: bool,
    ready: Ready,
    is_in_poller: bool,
}

impl Wire {
    pub fn new(core: usize, capacity: usize, piece_max: u64) -> Self {
        Self {
            core,
            outgoing: ByteQueue::default(),
            ending: None,
            arrived: ByteQueue::default(),
            received: 0,
            end_arrived: false,
            towards_client: ByteQueue::default(),
            server_closed: false,
            capacity,
            piece_max,
            is_moving: false,
            is_being_read: false,
            is_refusing: false,
            ready: Ready::default(),
            is_in_poller: false,
        }
    }

    fn is_dead(&self) -> bool {
        self.end_arrived && self.ending == Some(Ending::Reset)
    }
}

/// What came of a read by the server.
pub enum Received {
    Bytes(usize),
    WouldBlock,
    End,
    Failed,
}

/// All sockets, and one poller per core.
pub struct Net {
    pub wires: Vec<Wire>,
    pollers: Vec<VecDeque<usize>>,
}

impl Net {
    pub fn new(cores: usize) -> Self {
        Self {
            wires: Vec::new(),
            pollers: (0..cores).map(|_| VecDeque::new()).collect(),
        }
    }

    /// The server begins to watch a socket: what is there counts as an edge.
    pub fn register(&mut self, wire: usize) {
        let here = &self.wires[wire];
        let ready = Ready {
            is_readable: !here.arrived.is_empty() || here.end_arrived,
            is_writable: true,
            is_ending: here.end_arrived,
        };
        self.wires[wire].is_in_poller = true;
        self.note(wire, ready);
    }

    /// Something waits in a core's poller.
    pub fn has_events(&self, core: usize) -> bool {
        !self.pollers[core].is_empty()
    }

    /// Takes one socket that is ready.
    pub fn take_event(&mut self, core: usize) -> Option<(usize, Ready)> {
        let wire = self.pollers[core].pop_front()?;
        Some((wire, std::mem::take(&mut self.wires[wire].ready)))
    }

    /// An edge; returns whether the core's poller has something new.
    fn note(&mut self, wire: usize, ready: Ready) -> bool {
        let here = &mut self.wires[wire];
        if !here.is_in_poller || here.server_closed {
            return false;
        }
        let was_quiet = !(here.ready.is_readable || here.ready.is_writable || here.ready.is_ending);
        here.ready.is_readable |= ready.is_readable;
        here.ready.is_writable |= ready.is_writable;
        here.ready.is_ending |= ready.is_ending;
        if was_quiet {
            self.pollers[here.core].push_back(wire);
        }
        was_quiet
    }

    /// Moves bytes of the client to the server's kernel, at most so many;
    /// returns whether its core must look.
    pub fn arrive(&mut self, wire: usize, len_max: usize) -> bool {
        let here = &mut self.wires[wire];
        if here.end_arrived {
            return false;
        }
        let room = here.capacity.saturating_sub(here.arrived.len());
        let len = here.outgoing.len().min(room).min(len_max);
        if here.server_closed {
            let all = here.outgoing.len();
            here.outgoing.consume(all);
        } else {
            here.outgoing.move_to(&mut here.arrived, len);
        }
        let ends = here.outgoing.is_empty() && here.ending.is_some();
        here.end_arrived = ends;
        if here.is_dead() {
            let (unread, unsent) = (here.arrived.len(), here.towards_client.len());
            here.arrived.consume(unread);
            here.towards_client.consume(unsent);
        }
        if len == 0 && !ends {
            return false;
        }
        self.note(
            wire,
            Ready {
                is_readable: true,
                is_writable: !self.wires[wire].is_refusing,
                is_ending: ends,
            },
        )
    }

    /// The server reads.
    pub fn receive(&mut self, wire: usize, buffer: &mut [u8]) -> Received {
        let here = &mut self.wires[wire];
        if here.is_dead() {
            return Received::Failed;
        }
        let len = here.arrived.len().min(buffer.len());
        if len > 0 {
            buffer[..len].copy_from_slice(&here.arrived.as_slice()[..len]);
            here.arrived.consume(len);
            here.received += len as u64;
            return Received::Bytes(len);
        }
        if here.end_arrived {
            Received::End
        } else {
            Received::WouldBlock
        }
    }

    /// The server sends: what the kernel takes, or `None` if the client is gone.
    pub fn send(&mut self, wire: usize, slices: &[std::io::IoSlice<'_>]) -> Option<usize> {
        let here = &mut self.wires[wire];
        if here.is_dead() {
            return None;
        }
        let mut room = here.capacity.saturating_sub(here.towards_client.len());
        let mut sent = 0;
        for slice in slices {
            let len = slice.len().min(room);
            here.towards_client.push(&slice[..len]);
            room -= len;
            sent += len;
            here.is_refusing |= len < slice.len();
        }
        Some(sent)
    }

    /// The client has read: perhaps there is room again. Returns whether the
    /// core must look.
    pub fn has_read(&mut self, wire: usize) -> bool {
        let here = &mut self.wires[wire];
        // As in Linux, a socket is writable again once a third is free.
        if !here.is_refusing || here.towards_client.len() * 3 > here.capacity * 2 {
            return false;
        }
        here.is_refusing = false;
        let writable = Ready {
            is_writable: true,
            ..Ready::default()
        };
        self.note(wire, writable)
    }
}
