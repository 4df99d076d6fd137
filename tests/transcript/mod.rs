//! Wire transcripts: sessions written down as text, byte for byte.
//!
//! ```text
//! # A comment.                      Header lines stand before the first section:
//! config: max_payload: 10           one line of the server's configuration file
//! flags: -D                         command-line flags
//! --- a title                       starts a section: fresh connections on the same server
//! split                             also run with the input cut at every byte
//! > SUB a 1\r\n                     sends exactly these bytes on the connection `main`
//! < +OK\r\n                         expects exactly these bytes
//! b> PING\r\n                       another connection, opened (INFO consumed) at first use
//! b< PONG\r\n
//! b open                            opens without consuming the greeting
//! b info max_payload=10 nonce=absent   expects an INFO line with these JSON values (or absent, present)
//! b closed                          expects the end of the stream and nothing before it
//! b drop                            closes from our side, and waits until the server closed too
//! b unfinished                      is in the middle of something at the end: no final check
//! ```
//!
//! Escapes: `\r \n \t \s \\ \xHH`; `{A*5000}` repeats (the repeated text may have escapes, but no
//! braces, quotes or stars); `{*}` in an expectation stands for any bytes within its line. A line is
//! sent in one write unless split. Consecutive expectations may be cut anywhere.
//!
//! At the end of a section every connection still open must answer a `PING` with nothing but `PONG`:
//! so an unexpected extra message fails, too.

mod escape;
mod parse;
mod run;

pub use escape::bytes;
pub use parse::{Action, Section, Step, Transcript};
pub use run::{Delivery, Failure, run_section};
