//! A session as data: what is sent, on which connection, cut where.

use std::fmt;
use trunkline_tests::harness::text::show_short;

/// A configuration that both servers run with.
pub struct Variant {
    pub name: &'static str,
    pub config: &'static str,
    /// Members to put into a CONNECT that shall be accepted.
    pub credentials: &'static str,
    pub max_payload: usize,
    pub max_control_line: usize,
}

/// Seeds are dealt round-robin over these.
pub const VARIANTS: [Variant; 4] = [
    Variant {
        name: "default limits",
        config: "",
        credentials: "",
        max_payload: 1_048_576,
        max_control_line: 4096,
    },
    Variant {
        name: "small limits",
        config: "max_payload: 64\nmax_control_line: 128\nmax_subscriptions: 6\nmax_sub_tokens: 4\n",
        credentials: "",
        max_payload: 64,
        max_control_line: 128,
    },
    Variant {
        name: "token",
        config: "authorization { token: \"secret\" }\n",
        credentials: "\"auth_token\":\"secret\"",
        max_payload: 1_048_576,
        max_control_line: 4096,
    },
    Variant {
        name: "user and password, 1 KiB payload",
        config: "authorization { user: \"u\", password: \"p\" }\nmax_payload: 1024\n",
        credentials: "\"user\":\"u\",\"pass\":\"p\"",
        max_payload: 1024,
        max_control_line: 4096,
    },
];

#[derive(Clone, Debug)]
pub struct Session {
    pub seed: u64,
    pub variant: usize,
    pub steps: Vec<Step>,
}

impl Session {
    pub fn variant(&self) -> &'static Variant {
        &VARIANTS[self.variant]
    }
}

#[derive(Clone, Debug)]
pub enum Step {
    /// Connects; a connection of that number that still lives is finished first.
    Open(usize),
    Close(usize),
    Send(Send),
}

#[derive(Clone, Debug)]
pub struct Send {
    pub connection: usize,
    /// One operation each, so that shrinking can drop them.
    pub operations: Vec<Vec<u8>>,
    /// Places in the joined bytes where the server must have read everything before more is sent.
    pub cuts: Vec<usize>,
    /// The last operation is unfinished: the connection cannot be settled until it goes on.
    pub midway: bool,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Open(connection) => write!(formatter, "{connection} open"),
            Step::Close(connection) => write!(formatter, "{connection} close"),
            Step::Send(send) => {
                write!(
                    formatter,
                    "{}> {}",
                    send.connection,
                    show_short(&send.operations.concat())
                )?;
                if !send.cuts.is_empty() {
                    write!(formatter, "   (cut at {:?})", send.cuts)?;
                }
                if send.midway {
                    write!(formatter, "   (to be continued)")?;
                }
                Ok(())
            }
        }
    }
}
