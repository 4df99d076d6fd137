//! Letters to a core from other threads, as `src/server/turn/letters.rs` reads
//! them: one per turn.

use trunkline_core::base::id::AccountId;
use trunkline_core::shard::Ask;
use trunkline_core::shard::login::PasswordCheck;
use trunkline_core::shard::reload::Settings;
use trunkline_core::shard::system::{ServerMessage, SystemRequest};

use super::Core;

/// Something that another thread wants of a core.
pub enum Letter {
    /// Go over to this policy.
    Reconfigure(usize, Box<Settings>),
    /// Say whether all connections are in order.
    AskRevising,
    /// Close up to so many connections of an account.
    CloseSurplus(AccountId, usize),
    /// A password was checked.
    Password {
        wire: usize,
        check: PasswordCheck,
        fits: bool,
    },
    /// The server itself says something.
    Say {
        account: AccountId,
        subject: Vec<u8>,
        payload: Vec<u8>,
    },
}

/// What came of letters, and what a core wants of other threads.
#[derive(Default)]
pub struct Post {
    pub reconfigured: Option<usize>,
    pub is_revising: Option<bool>,
    /// Connections that were closed for a lowered limit.
    pub surplus: Option<Vec<usize>>,
    /// A connection's check: its number, and whether it ended the connection.
    pub checked: Option<(usize, u64, bool)>,
    pub checks: Vec<(usize, PasswordCheck)>,
    pub requests: Vec<SystemRequest>,
    /// Connections that it has taken over.
    pub opened: Vec<usize>,
}

impl Core {
    pub(super) fn read_letter(&mut self, post: &mut Post) {
        let letter = self.letters.pop_front();
        let shard = &mut self.shard;
        match letter {
            Some(Letter::Reconfigure(version, settings)) => {
                shard.reconfigure(*settings);
                post.reconfigured = Some(version);
            }
            Some(Letter::AskRevising) => post.is_revising = Some(!shard.has_reloaded()),
            Some(Letter::CloseSurplus(account, count)) => {
                let open = |core: &Self| -> Vec<usize> {
                    let sockets = core.open_sockets();
                    let open = sockets.filter(|&(_, key)| !core.shard.is_closing(key));
                    open.map(|(wire, _)| wire).collect()
                };
                let before = open(self);
                let closed = self.shard.close_surplus(Some(account), count);
                let after = open(self);
                let gone = before.into_iter().filter(|wire| !after.contains(wire));
                let gone: Vec<usize> = gone.collect();
                assert_eq!(closed, gone.len(), "it says how many it has closed");
                post.surplus = Some(gone);
            }
            Some(Letter::Password { wire, check, fits }) => {
                shard.on_password_checked(&check, fits);
                post.checked = Some((wire, check.number, shard.is_closing(check.key)));
            }
            Some(Letter::Say {
                account,
                subject,
                payload,
            }) => {
                let message = ServerMessage {
                    account,
                    subject: &subject,
                    reply: b"",
                    header: b"",
                    payload: &payload,
                };
                if !shard.publish_as_server(&message) {
                    self.letters.push_back(Letter::Say {
                        account,
                        subject,
                        payload,
                    });
                }
            }
            None => {}
        }
    }

    /// Passes on what the core wants of other threads.
    pub(super) fn post(&mut self, ask: Ask, post: &mut Post) {
        match ask {
            Ask::Password(check) => {
                let mut sockets = self.open_sockets();
                // One that has just ended has no socket any more.
                if let Some((wire, _)) = sockets.find(|&(_, key)| key == check.key) {
                    drop(sockets);
                    post.checks.push((wire, check));
                }
            }
            Ask::Request(request) => post.requests.push(request),
            Ask::Event(_) | Ask::LostEvents(_) | Ask::Trace(_) => {}
        }
    }
}
