//! Every bound of the core in one place, with what happens at it.
//!
//! [`Limits`] holds those that a user configures; the constants are fixed and
//! related to each other by the assertions at the end.

/// Executors in one process. More are refused at start.
pub const CORES_MAX: usize = 128;

/// Largest payload (header block and body) that can be configured, in bytes.
pub const MAX_PAYLOAD_MAX: u32 = 64 << 20;

/// Bytes read from one socket before its messages are delivered: the size of a
/// core's shared receive buffer, which should stay in the second-level cache
/// together with what is made of it.
pub const RECEIVE_BUFFER_BYTES: usize = 128 << 10;

/// Bytes read in one turn over all sockets before outboxes are flushed. The
/// rest waits for the next turn.
pub const TURN_INPUT_BYTES: usize = 512 << 10;

/// A payload of at least this size that has not arrived whole gets a buffer of
/// its own, which the socket is then read into directly.
pub const OWN_BUFFER_PAYLOAD_BYTES: usize = 16 << 10;

/// Most room that such a buffer offers to one read.
pub const LARGE_READ_BYTES: usize = 256 << 10;

/// A message of at least this size, its subject not counted, is shared by the
/// outboxes of its receivers instead of being copied into each. A piece of its
/// own costs a send more than a copy of fewer bytes would.
pub const SHARED_TAIL_BYTES: usize = 16 << 10;

/// First block of an outbox, in bytes: most connections never need a second.
pub const OUTBOX_SMALL_BLOCK_BYTES: usize = 4 << 10;

/// Second block of an outbox, in bytes.
pub const OUTBOX_BLOCK_BYTES: usize = 64 << 10;

/// Further blocks of an outbox, in bytes.
pub const OUTBOX_LARGE_BLOCK_BYTES: usize = 256 << 10;

/// Unused blocks that a busy core keeps for reuse, in bytes; beyond, they are
/// freed. Enough for several receivers that are [`STALL_PENDING_BYTES`] behind.
pub const OUTBOX_POOL_BYTES: usize = 32 << 20;

/// The same for an idle core.
pub const OUTBOX_POOL_IDLE_BYTES: usize = 1 << 20;

/// Blocks offered to the kernel in one vectored send.
pub const SEND_BLOCKS_MAX: usize = 16;

/// Pending bytes of a subscriber at which its publishers are held back (not
/// read from) until it has caught up to half of it or [`STALL_MAX_NS`] is over.
pub const STALL_PENDING_BYTES: u64 = 2 << 20;

/// Pending bytes of all receivers of one wide fan-out together at which its
/// publisher is held back, if each has its share of them...
pub const BULK_PENDING_BYTES: u64 = 64 << 20;

/// ...but not below this share.
pub const BULK_PENDING_BYTES_MIN: u64 = 32 << 10;

/// Longest time that one slow subscriber holds a publisher back per read.
pub const STALL_MAX_NS: u64 = 5_000_000;

/// A publisher is held back only after a read of at least this size: one that
/// sends little can not hurt, so a slow subscriber must not hurt it.
pub const STALL_READ_BYTES: usize = 8 << 10;

/// Publishers remembered per slow subscriber for an early release; the others
/// are released by [`STALL_MAX_NS`].
pub const STALL_WAITERS_MAX: usize = 64;

/// Bytes of messages on their way to one other core. Beyond, publishers that
/// send there wait: their sockets are not read.
pub const LINK_BYTES_MAX: usize = 1 << 20;

/// Bytes of changes of interest on their way to one other core. Beyond, clients that
/// change interest wait, and so do subscriptions that end: the other core applies all
/// that it sees at once.
pub const LINK_CONTROL_BYTES_MAX: usize = 16 << 10;

/// Bytes of the names of queue groups in one message between cores; the others
/// follow with another copy of it.
pub const FRAME_QUEUES_BYTES_MAX: usize = 16 << 20;

/// Batches on their way to one other core: the capacity of a ring. While it is
/// full, the open batch grows instead (its messages are bounded by
/// [`LINK_BYTES_MAX`], its interest changes by the number of subscriptions).
pub const LINK_BATCHES_MAX: usize = 64;

/// Emptied batches that a link keeps for reuse...
pub const LINK_SPARE_BATCHES_MAX: usize = 4;

/// ...and the bytes of each of their two buffers that are kept.
pub const LINK_SPARE_BYTES_MAX: usize = 256 << 10;

/// Memory of the routes that a core remembers for all its accounts, unless
/// configured otherwise; at it, those that were not looked up lately go. Enough
/// for some hundred thousand subjects with few receivers each.
pub const ROUTE_CACHE_BYTES: usize = 32 << 20;

/// Least that can be configured for them...
pub const ROUTE_CACHE_BYTES_MIN: usize = 1 << 20;

/// ...and most.
pub const ROUTE_CACHE_BYTES_MAX: usize = 64 << 30;

/// Subjects that a core has seen once and would know again; beyond, they replace
/// each other. Two bytes each.
pub const ROUTE_SIGHTS_MAX: usize = 128 << 10;

/// Routes that are looked at when a new one finds the budget used up...
pub const ROUTE_EVICTION_STEPS_MIN: usize = 8;

/// ...and one more for so many bytes of the new one.
pub const ROUTE_EVICTION_BYTES_PER_STEP: usize = 128;

/// Places of routes that a core looks at per turn while their budget is nearly
/// used up.
pub const ROUTE_SWEEP_PLACES_PER_TURN: u32 = 256;

/// The same of a core that has nothing else to do, before it sleeps.
pub const ROUTE_TRIM_PLACES_MAX: u32 = 16 << 10;

/// Subscriptions that have ended together from which on it is worth the time to give
/// what they took back to the system.
pub const ENDED_WORTH_GIVING_BACK: usize = 100_000;

/// Free slots of each table that an idle core gives up before it sleeps.
pub const TRIMMED_SLOTS_MAX: usize = 1 << 20;

/// Accounts of a configuration; one with more is refused.
pub const ACCOUNTS_MAX: usize = 1 << 20;

/// Users of a configuration; one with more is refused.
pub const USERS_MAX: usize = 1 << 24;

/// How long a closing connection may take to accept its last bytes.
pub const CLOSE_LINGER_NS: u64 = 1_000_000_000;

/// The first PING of the server follows the connection after at most this
/// long, as a probe of the round-trip time (NATS 2.14 `firstPingInterval`).
pub const FIRST_PING_NS: u64 = 2_000_000_000;

/// The round-trip time is measured again after this long.
pub const RTT_INTERVAL_NS: u64 = 3_600_000_000_000;

/// Longest round trip of an authentication attempt with no configured limit.
pub const AUTH_TIMEOUT_NS: u64 = 2_000_000_000;

/// Connections that one turn revises after a reload at most.
pub const REVISIONS_PER_TURN: usize = 64;

/// Connections that are closed at once because a reload leaves no room for them, or
/// does not accept their certificates; then others have their turn.
pub const CLOSED_AT_ONCE_MAX: usize = 128;

/// What one letter of monitoring may look at: slots of connections, subscriptions
/// (see [`REPORT_WORK_PER_CONNECTION`]); it ends a part of a table that it has
/// begun. Whoever wants to see more sends another letter.
pub const REPORT_WORK_MAX: usize = 512;

/// How much a connection that is shown counts for.
pub const REPORT_WORK_PER_CONNECTION: usize = 4;

/// Subscriptions that are remembered of a connection that has ended; others are
/// not.
pub const CLOSED_SUBSCRIPTIONS_MAX: usize = 64;

/// Passwords of one core's clients that wait for their check or are in it;
/// further clients ask again after [`PASSWORD_CHECK_RETRY_NS`].
pub const PASSWORD_CHECKS_MAX: usize = 4096;

/// The same for clients of one source, so that no source keeps out others.
pub const PASSWORD_CHECKS_SOURCE_MAX: u32 = 1024;

/// After how long a client asks again for whose password there was no room.
pub const PASSWORD_CHECK_RETRY_NS: u64 = 500_000_000;

/// Failed log-in tries of one source (an IPv4 address, or the upper 64 bits of
/// an IPv6 address) on one core that have no consequence; beyond, the answers to
/// its failures wait for their turn. Client libraries and their tests fail some
/// tens of times within seconds.
pub const FAILED_TRIES_FREE: u32 = 100;

/// A failed try is forgotten after this long, one after the other.
pub const FAILED_TRY_FORGOTTEN_NS: u64 = 100_000_000;

/// Between two answers to failures of a source that has failed too often.
pub const FAILED_TRY_PAUSE_NS: u64 = 100_000_000;

/// Answers to failures of one source that stand in line; those beyond wait as
/// long as the last one.
pub const FAILED_TRIES_WAITING_MAX: u32 = 32;

/// Sources with failed tries that a core remembers; beyond, the half that failed
/// longest ago is forgotten.
pub const FAILED_TRY_SOURCES_MAX: usize = 16 << 10;

/// Between two log lines about one source that fails too often.
pub const FAILED_TRIES_LOG_NS: u64 = 60_000_000_000;

/// Requests that one connection may still answer by `allow_responses`; beyond,
/// the oldest ones cannot be answered any more.
pub const RESPONSES_MAX: usize = 65_536;

/// Bytes of their reply subjects; beyond, the same.
pub const RESPONSES_BYTES_MAX: usize = 16 << 20;

/// Receivers of a traced message that one core writes down; further ones are left
/// out of the account.
pub const TRACED_EGRESSES_MAX: usize = 64 << 10;

/// Written receivers that wait for the shell; what comes beyond goes untraced.
pub const TRACED_EGRESSES_WAITING_MAX: usize = 128 << 10;

/// Requests to the server that one turn of a core may leave for the shell, and
/// as many events; those beyond are dropped, events not without being counted.
pub const SYSTEM_NOTES_MAX: usize = 1024;

/// Bytes of messages that wait for a stream that is being purged; those beyond are refused
/// (429).
pub const WAITING_BYTES_MAX: usize = 32 << 20;

/// Work that parsing and executing a command costs, in nominal nanoseconds (see
/// `budget`): what a fast core needs on average, receivers not counted.
pub const COMMAND_WORK_NS: u64 = 30;

/// The same for a delivery: the copy, and what it touches of its receiver.
pub const DELIVERY_WORK_NS: u64 = 60;

/// Bytes that are copied in one nominal nanosecond.
pub const COPIED_BYTES_PER_NS: u64 = 16;

/// The same for writing down a traced delivery.
pub const TRACED_DELIVERY_WORK_NS: u64 = 1_000;

/// The same for sending once to a connection: the system call.
pub const SEND_WORK_NS: u64 = 4_000;

/// The same for reading a socket once, beside what is done with the bytes.
pub const READ_WORK_NS: u64 = 1_500;

/// The same for ending a connection, and once more for closing its socket.
pub const CLOSE_WORK_NS: u64 = 10_000;

/// Bytes that the kernel takes over in one nominal nanosecond.
pub const SENT_BYTES_PER_NS: u64 = 4;

/// Work of making or ending a subscription, on this core or on another one.
pub const SUBSCRIPTION_WORK_NS: u64 = 1_000;

/// Work of inflating a message, per byte that comes out.
pub const INFLATED_BYTE_WORK_NS: u64 = 2;

/// Work that storing a message costs, and telling what became of it, each.
pub const STORE_WORK_NS: u64 = 400;

/// Work that a request to JetStream costs beside what it does to messages.
pub const REQUEST_WORK_NS: u64 = 10_000;

/// Messages that a consumer sends before others have their turn.
pub const DELIVERIES_AT_ONCE: usize = 256;

/// Sequences and subjects that a request for messages looks at in a turn.
pub const GET_STEPS_MAX: usize = 8 << 10;

/// Bytes of a message that are written down per nanosecond, checksum included.
pub const STORED_BYTES_PER_NS: u64 = 4;

/// Work of looking at a node of the trie or collecting a receiver.
pub const MATCH_WORK_NS: u64 = 30;

/// What a turn may cost, part by part, in nominal nanoseconds. All parts together
/// are the longest turn: half of the 10 ms that a client may have to wait for
/// others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorkLimits {
    /// Messages and changes of interest of other cores; beyond, they wait.
    pub mesh_ns: u64,
    /// Reading sockets; beyond, the other sockets are read in the next turn.
    pub input_ns: u64,
    /// One connection's commands at a time; beyond, it goes on in turn with
    /// others that have much to do.
    pub slice_ns: u64,
    /// Connections that have much to do, fan-outs over thousands and
    /// subscriptions that end, together.
    pub backlog_ns: u64,
    /// What stores have left, and telling what they have done; beyond, it is the next
    /// turn's.
    pub store_ns: u64,
    /// Sending to receivers of wide fan-outs, and as much again for closing
    /// sockets; beyond, it is the next turn's.
    pub send_ns: u64,
    /// Receivers of a message on this core beyond which it may be delivered in
    /// several turns; only one such fan-out is under way at a time.
    pub fan_out_receivers: usize,
    /// Receivers beyond which their sends may wait for a later turn.
    pub bulk_receivers: usize,
    /// Subscriptions of a connection that are ended at once when it ends; those of
    /// one with more end piece by piece.
    pub withdrawn_at_once: usize,
    /// Receivers, or subscriptions that end, between two looks at the budget.
    pub step: usize,
    /// Bytes that wait for such sends; beyond, publishers to that many receivers
    /// wait.
    pub unsent_bytes_max: u64,
}

impl Default for WorkLimits {
    fn default() -> Self {
        Self {
            mesh_ns: 1_000_000,
            input_ns: 2_000_000,
            slice_ns: 500_000,
            backlog_ns: 1_000_000,
            store_ns: 1_000_000,
            send_ns: 1_000_000,
            fan_out_receivers: 4_096,
            bulk_receivers: 64,
            withdrawn_at_once: 64,
            step: 64,
            unsent_bytes_max: 16 << 20,
        }
    }
}

/// The bounds that a user can configure, with the defaults of NATS 2.15.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Header block plus body, in bytes; beyond: `Maximum Payload Violation`
    /// and close.
    pub max_payload: u32,
    /// Clients are told that there is no such limit.
    pub has_no_payload_limit: bool,
    /// Arguments of a control line, in bytes; beyond: `maximum control line
    /// exceeded` and close.
    pub max_control_line: u32,
    /// Bytes waiting for one connection; beyond, it is closed as a slow
    /// consumer, without a word.
    pub max_pending_bytes: u64,
    /// Subscriptions of one connection, zero for no limit; beyond: `maximum
    /// subscriptions exceeded`, the connection stays.
    pub max_subscriptions: u32,
    /// Tokens in the subject of a subscription, zero for no limit.
    pub max_subscription_tokens: u32,
    /// Silence after which the server sends PING, in nanoseconds.
    pub ping_interval_ns: u64,
    /// The same for clients over WebSocket.
    pub websocket_ping_interval_ns: u64,
    /// Unanswered PINGs after which a connection is stale and closed.
    pub ping_max: u32,
    /// Time for a socket to accept what was pending, in nanoseconds; beyond,
    /// the connection is closed as a slow consumer.
    pub write_deadline_ns: u64,
    /// Time for a valid CONNECT where credentials are required.
    pub auth_timeout_ns: u64,
    /// The same for clients over WebSocket.
    pub websocket_auth_timeout_ns: u64,
    /// Ended connections that are remembered, over all cores.
    pub max_closed_connections: usize,
    /// A socket that accepts something, but not all by the write deadline, is
    /// given another one instead of being closed (`write_timeout: retry`).
    pub retries_writes: bool,
    /// Publishers wait for receivers that have fallen behind. If not, a
    /// receiver with three quarters of its `max_pending_bytes` waiting misses
    /// messages instead (`no_fast_producer_stall`).
    pub stalls_publishers: bool,
    /// Memory of the routes that one core remembers, in bytes.
    pub route_cache_bytes_max: usize,
    /// What traces show.
    pub tracing: Tracing,
    /// What a turn may cost.
    pub work: WorkLimits,
}

/// What traces of the protocol show of a message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tracing {
    /// Bytes of its payload; zero: all of them.
    pub payload_bytes_max: usize,
    /// Its headers alone.
    pub only_headers: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_payload: 1 << 20,
            has_no_payload_limit: false,
            max_control_line: 4096,
            max_pending_bytes: 64 << 20,
            max_subscriptions: 0,
            max_subscription_tokens: 0,
            ping_interval_ns: 120_000_000_000,
            websocket_ping_interval_ns: 120_000_000_000,
            ping_max: 2,
            write_deadline_ns: 10_000_000_000,
            auth_timeout_ns: AUTH_TIMEOUT_NS,
            websocket_auth_timeout_ns: AUTH_TIMEOUT_NS,
            max_closed_connections: 10_000,
            retries_writes: false,
            stalls_publishers: true,
            route_cache_bytes_max: ROUTE_CACHE_BYTES,
            tracing: Tracing::default(),
            work: WorkLimits::default(),
        }
    }
}

const _: () = {
    assert!(ROUTE_CACHE_BYTES_MIN <= ROUTE_CACHE_BYTES);
    assert!(ROUTE_CACHE_BYTES <= ROUTE_CACHE_BYTES_MAX);
    assert!(OUTBOX_SMALL_BLOCK_BYTES < OUTBOX_BLOCK_BYTES);
    assert!(OUTBOX_BLOCK_BYTES < OUTBOX_LARGE_BLOCK_BYTES);
    assert!(OUTBOX_POOL_IDLE_BYTES < OUTBOX_POOL_BYTES);
    assert!(OWN_BUFFER_PAYLOAD_BYTES * 2 <= RECEIVE_BUFFER_BYTES);
    assert!(STALL_READ_BYTES < RECEIVE_BUFFER_BYTES);
    assert!(RECEIVE_BUFFER_BYTES <= TURN_INPUT_BYTES);
    assert!(LINK_BATCHES_MAX >= 2);
    assert!(ROUTE_SIGHTS_MAX.is_power_of_two());
    // Those that are gone keep their places for a reload.
    assert!(2 * ACCOUNTS_MAX < u32::MAX as usize);
    // Each may have a set of rights, and so may those before and before them.
    assert!(4 * USERS_MAX < u32::MAX as usize);
    assert!(PASSWORD_CHECKS_SOURCE_MAX as usize <= PASSWORD_CHECKS_MAX / 2);
};
