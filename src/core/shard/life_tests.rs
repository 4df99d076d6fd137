//! Tests of the end of connections.

use std::io::IoSlice;

use super::{Opening, Shard};
use crate::base::id::CoreId;
use crate::base::limits::{Limits, SEND_BLOCKS_MAX};
use crate::session::authority::Authority;
use crate::session::close_reason::CloseReason;
use crate::shard::ShardConfig;
use crate::wire::info::ServerInfo;

fn shard() -> Shard {
    Shard::new(ShardConfig {
        core: CoreId(0),
        cores: 1,
        limits: Limits::default(),
        server: ServerInfo::default(),
        authority: Authority::open().into(),
        seed: 1,
        trace: false,
    })
}

#[test]
fn a_connection_ends_once_however_the_shell_goes_on_flushing() {
    let mut shard = shard();
    let peer = "127.0.0.1:1".parse().expect("an address");
    let key = shard.open(Opening::client(1, peer));
    shard.on_hangup(key, CloseReason::ClientClosed);
    // It was dirty before; a layer below may have sent bytes of its own.
    assert_eq!(shard.next_to_send(), Some(key));
    let mut slices = [IoSlice::new(&[]); SEND_BLOCKS_MAX];
    assert!(shard.pending_slices(key, &mut slices).is_empty());
    shard.on_sent(key, 0, false);
    shard.on_sent(key, 0, true);
    assert_eq!(shard.next_closed(), Some((key, CloseReason::ClientClosed)));
    assert_eq!(shard.next_closed(), None);
}
