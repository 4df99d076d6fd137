//! Proves that nothing is allocated per message on the way from a publisher to its subscribers.
//!
//! Every allocation of the thread that drives the shards is counted. After a warm-up, in which buffers
//! find their sizes, 100,000 messages must pass without one, on one core and over the mesh.

#[path = "shards/mod.rs"]
mod shards;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use shards::{QUIET, QUIET_WITHOUT_HEADERS, Shards};
use trunkline_core::base::limits::Limits;

const MESSAGES: usize = 100_000;
/// Messages that arrive in one read.
const MESSAGES_PER_READ: usize = 200;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator with a count per thread: tests run side by side.
struct Counting;

fn count() {
    // A thread that is just ending has no counter any more, and no test either.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Subscribers as their cores and what they say after CONNECT; the first half understands headers.
struct Scene<'a> {
    cores: usize,
    subscribers: Vec<(usize, &'a str)>,
    message: &'a [u8],
    /// How many messages `message` is, if they are several with different subjects.
    messages: usize,
    /// Deliveries of one message.
    deliveries: usize,
}

impl Scene<'_> {
    /// Publishes from core 0; returns the allocations in the steady state.
    fn allocations(&self) -> u64 {
        let mut shards = Shards::new(self.cores, &Limits::default(), false);
        let half = self.subscribers.len().div_ceil(2);
        let mut peers = Vec::new();
        for (number, &(core, subscribe)) in self.subscribers.iter().enumerate() {
            let peer = shards.connect(core);
            let hello = if number < half {
                QUIET
            } else {
                QUIET_WITHOUT_HEADERS
            };
            shards.send(peer, &[hello, subscribe.as_bytes(), b"PING\r\n"].concat());
            peers.push(peer);
        }
        let publisher = shards.connect(0);
        shards.send(publisher, QUIET);
        let read = self.message.repeat(MESSAGES_PER_READ / self.messages);
        // Enough reads for every batch between the cores to have been used.
        for _ in 0..200 {
            shards.send(publisher, &read);
        }
        for &peer in &peers {
            shards.forget_output(peer);
        }
        let before = ALLOCATIONS.get();
        for _ in 0..MESSAGES / MESSAGES_PER_READ {
            shards.send(publisher, &read);
        }
        let allocations = ALLOCATIONS.get() - before;
        assert!(shards.peer(publisher).is_open);
        let received: u64 = peers
            .iter()
            .map(|&peer| shards.peer(peer).output_bytes)
            .sum();
        let payload = (self.deliveries * MESSAGES * PAYLOAD.len()) as u64;
        assert!(received >= payload, "everything is delivered");
        allocations
    }
}

const PAYLOAD: &str = "0123456789abcdef";

fn message(line: &str) -> Vec<u8> {
    format!("{line}{PAYLOAD}\r\n").into_bytes()
}

fn everybody(core: usize, count: usize, subscribe: &str) -> Vec<(usize, &str)> {
    vec![(core, subscribe); count]
}

#[test]
fn the_counter_counts() {
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(vec![1u8; 100]));
    assert_eq!(ALLOCATIONS.get() - before, 1);
}

#[test]
fn publishing_to_nobody_allocates_nothing() {
    let scene = Scene {
        cores: 1,
        subscribers: Vec::new(),
        message: &message("PUB a.b 16\r\n"),
        messages: 1,
        deliveries: 0,
    };
    assert_eq!(scene.allocations(), 0);
}

#[test]
fn one_to_one_allocates_nothing() {
    let scene = Scene {
        cores: 1,
        subscribers: everybody(0, 1, "SUB a.b 1\r\n"),
        message: &message("PUB a.b 16\r\n"),
        messages: 1,
        deliveries: 1,
    };
    assert_eq!(scene.allocations(), 0);
}

#[test]
fn one_to_eight_with_reply_and_headers_allocates_nothing() {
    let scene = Scene {
        cores: 1,
        subscribers: everybody(0, 8, "SUB a.* 17\r\n"),
        message: &message("HPUB a.b reply.1 18 34\r\nNATS/1.0\r\nA: b\r\n\r\n"),
        messages: 1,
        deliveries: 8,
    };
    assert_eq!(scene.allocations(), 0);
}

#[test]
fn odd_lines_allocate_nothing() {
    let scene = Scene {
        cores: 1,
        subscribers: everybody(0, 2, "SUB a.> a-sid-that-is-longer-than-usual\r\n"),
        message: &message("hpub\ta.b \t reply.1  018 34\nNATS/1.0\r\nA: b\r\n\r\n"),
        messages: 1,
        deliveries: 2,
    };
    assert_eq!(scene.allocations(), 0);
}

#[test]
fn a_queue_group_allocates_nothing() {
    let scene = Scene {
        cores: 1,
        subscribers: everybody(0, 8, "SUB a.b workers 1\r\n"),
        message: &message("PUB a.b reply.1 16\r\n"),
        messages: 1,
        deliveries: 1,
    };
    assert_eq!(scene.allocations(), 0);
}

#[test]
fn many_subjects_in_turn_allocate_nothing() {
    let subjects: Vec<u8> = (0..50)
        .flat_map(|number| message(&format!("PUB a.{number} 16\r\n")))
        .collect();
    let scene = Scene {
        cores: 1,
        subscribers: everybody(0, 1, "SUB a.* 1\r\n"),
        message: &subjects,
        messages: 50,
        deliveries: 1,
    };
    assert_eq!(scene.allocations(), 0);
}

#[test]
fn two_cores_allocate_nothing() {
    let scene = Scene {
        cores: 2,
        subscribers: everybody(1, 8, "SUB a.b 1\r\n"),
        message: &message("HPUB a.b reply.1 18 34\r\nNATS/1.0\r\nA: b\r\n\r\n"),
        messages: 1,
        deliveries: 8,
    };
    assert_eq!(scene.allocations(), 0);
}

#[test]
fn a_queue_group_over_two_cores_allocates_nothing() {
    let mut subscribers = everybody(0, 4, "SUB a.b workers 1\r\n");
    subscribers.extend(everybody(1, 4, "SUB a.b workers 1\r\n"));
    let scene = Scene {
        cores: 2,
        subscribers,
        message: &message("PUB a.b reply.1 16\r\n"),
        messages: 1,
        deliveries: 1,
    };
    let allocations = scene.allocations();
    // How many of a read's messages go to the other core is a matter of chance, so a batch may still
    // grow now and then; never per message.
    assert!(allocations <= 10, "{allocations} allocations");
}
