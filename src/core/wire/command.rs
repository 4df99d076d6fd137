//! What a client can say, as the parser hands it on: commands that borrow from the input, and the
//! violations in their place. How bytes become them is in `parse`.

/// What the parser needs to know of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// Longest argument of a control line, in bytes.
    pub max_control_line: usize,
    /// Largest payload, header block included, in bytes.
    pub max_payload: usize,
    /// Whether `HPUB` was agreed on.
    pub headers: bool,
    /// Whether nothing but CONNECT is acceptable yet.
    pub awaiting_credentials: bool,
}

/// A message to publish, borrowed from the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Publish<'a> {
    /// The subject as it was sent: not validated, as in the reference server.
    pub subject: &'a [u8],
    /// The reply subject, empty if there is none.
    pub reply: &'a [u8],
    /// Length of the header block in bytes, zero without headers.
    pub header_len: usize,
    /// The text of the header length as it was sent (leading zeros included).
    pub header_text: &'a [u8],
    /// The text of the payload size as it was sent.
    pub size_text: &'a [u8],
    /// Everything after the subject, payload included, if the control line has
    /// exactly the form in which it is delivered
    /// (`[reply ][header-length ]size\r\n`); otherwise empty.
    pub tail: &'a [u8],
    /// Header block, body and the closing CRLF.
    pub payload: &'a [u8],
}

impl Publish<'_> {
    /// The header block, empty without headers.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.payload[..self.header_len]
    }

    /// Bytes of header block and body.
    #[must_use]
    pub fn size(&self) -> usize {
        self.payload.len() - 2
    }
}

/// One complete command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// `CONNECT {json}`.
    Connect(&'a [u8]),
    /// `INFO {json}`, which clients have no reason to send.
    Info(&'a [u8]),
    /// `PUB` or `HPUB`.
    Publish(Publish<'a>),
    /// `HMSG` with a payload of no bytes: a message to nobody.
    ForeignMessage,
    /// `SUB subject [queue] sid`.
    Subscribe {
        /// Subject, not yet validated.
        subject: &'a [u8],
        /// Queue group.
        queue: Option<&'a [u8]>,
        /// The client's name for the subscription.
        sid: &'a [u8],
    },
    /// `UNSUB sid [max]`.
    Unsubscribe {
        /// The client's name for the subscription.
        sid: &'a [u8],
        /// Total deliveries after which the subscription ends; zero if absent
        /// or not a number, which means at once.
        max: u64,
    },
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `+OK`.
    Ok,
    /// `-ERR text`.
    Err(&'a [u8]),
}

/// What stands at the front of the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed<'a> {
    /// A command and the bytes that it took.
    Command(Command<'a>, usize),
    /// The command has not arrived whole: keep its first bytes and try again
    /// when there are more. Bytes beyond `keep` mean nothing.
    Incomplete {
        /// Bytes to keep.
        keep: usize,
    },
    /// The control line of a message is here, its payload is not.
    PayloadPending {
        /// Bytes of the control line, newline included.
        line_len: usize,
        /// Bytes of the payload, closing CRLF included.
        payload_len: usize,
    },
}

/// Input that ends the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// `Unknown Protocol Operation`.
    UnknownOperation,
    /// Wrong number of arguments or a bad number: closed without a word.
    BadArguments,
    /// `maximum control line exceeded`.
    ControlLineExceeded,
    /// `Maximum Payload Violation`.
    PayloadExceeded,
    /// HPUB without agreed headers.
    HeadersNotSupported,
    /// Something else than CONNECT where credentials are needed.
    CredentialsNeeded,
}
