//! A connection of monitoring: one request is answered after the other.
//!
//! Bounds: a request has [`HEADER_TIMEOUT`] and [`HEAD_BYTES_MAX`], a connection
//! that has had an answer may be silent for [`IDLE_TIMEOUT`]. Of a request's
//! body up to [`BODY_BYTES_MAX`] is read, and thrown away.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::places::Place;
use super::reply::Reply;
use super::request::{Body, HeadEnd, Malformed, Request, TOO_LARGE};
use super::{Admin, http};

/// How long a handshake may take, and how long a client may take to ask.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client may keep a connection that it asks nothing over.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long what a client still sends is read after the last answer, so that it
/// is not reset before it has read that.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(500);

/// Request line and headers; beyond, the answer is 431.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A longer body ends the connection.
const BODY_BYTES_MAX: usize = 256 << 10;

/// Room for one read.
const READ_BYTES: usize = 4 << 10;

/// Answers until the client has enough, or is not worth it.
pub async fn talk(admin: &Admin, stream: impl AsyncRead + AsyncWrite + Unpin, place: &Place) {
    let mut talk = Talk {
        stream,
        received: Vec::new(),
    };
    // A client that breaks off is no news.
    let _ = talk.go_on(admin, place).await;
}

struct Talk<Stream> {
    stream: Stream,
    /// What was read and is not dealt with.
    received: Vec<u8>,
}

impl<Stream: AsyncRead + AsyncWrite + Unpin> Talk<Stream> {
    async fn go_on(&mut self, admin: &Admin, place: &Place) -> std::io::Result<()> {
        let mut patience = HEADER_TIMEOUT;
        loop {
            let Some(head) = self.head(patience).await? else {
                return Ok(());
            };
            let request = match head.and_then(|head| Request::read(&head)) {
                Ok(request) => request,
                Err(malformed) => return self.refuse(&malformed).await,
            };
            let reply = match request.expects {
                true => Reply::new(417, "", ""),
                false => http::answer(admin, &request),
            };
            let is_at_hand = matches!(request.body, Body::Bytes(len) if len <= BODY_BYTES_MAX);
            let is_understood = !request.expects && !http::is_nowhere(&request);
            let goes_on = request.keeps_alive && is_at_hand && is_understood;
            place.sends();
            let bytes = reply.bytes(&request, goes_on);
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await?;
            place.waits();
            match request.body {
                Body::Bytes(len) if goes_on => self.skip(len).await?,
                _ => return self.farewell().await,
            }
            patience = IDLE_TIMEOUT;
        }
    }

    /// The next head; nothing if the client is gone or too slow.
    async fn head(
        &mut self,
        patience: Duration,
    ) -> std::io::Result<Option<Result<Vec<u8>, Malformed>>> {
        let mut deadline = Instant::now() + patience;
        let mut has_begun = false;
        let mut end = HeadEnd::default();
        loop {
            if let Some(len) = end.find(&self.received) {
                let rest = self.received.split_off(len);
                let head = std::mem::replace(&mut self.received, rest);
                return Ok(Some(Ok(head)));
            }
            if self.received.len() >= HEAD_BYTES_MAX {
                return Ok(Some(Err(TOO_LARGE)));
            }
            if !has_begun && !self.received.is_empty() {
                has_begun = true;
                deadline = deadline.min(Instant::now() + HEADER_TIMEOUT);
            }
            match timeout_at(deadline, self.read()).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0)) | Err(_) => return Ok(None),
                Ok(Err(failure)) => return Err(failure),
            }
        }
    }

    /// Reads something; how much.
    async fn read(&mut self) -> std::io::Result<usize> {
        let room = HEAD_BYTES_MAX.saturating_sub(self.received.len());
        self.received.reserve(room.clamp(1, READ_BYTES));
        self.stream.read_buf(&mut self.received).await
    }

    /// Throws a body away.
    async fn skip(&mut self, len: usize) -> std::io::Result<()> {
        let deadline = Instant::now() + HEADER_TIMEOUT;
        let mut left = len;
        loop {
            let some = left.min(self.received.len());
            self.received.drain(..some);
            left -= some;
            if left == 0 {
                return Ok(());
            }
            match timeout_at(deadline, self.read()).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0)) | Err(_) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(Err(failure)) => return Err(failure),
            }
        }
    }

    async fn refuse(&mut self, malformed: &Malformed) -> std::io::Result<()> {
        let Malformed { status, text } = malformed;
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n{text}"
        );
        self.stream.write_all(answer.as_bytes()).await?;
        self.farewell().await
    }

    async fn farewell(&mut self) -> std::io::Result<()> {
        self.stream.shutdown().await?;
        let mut rest = [0; READ_BYTES];
        let read_on = async { while self.stream.read(&mut rest).await.is_ok_and(|len| len > 0) {} };
        // Whoever goes on sending is cut.
        let _ = timeout(FAREWELL_TIMEOUT, read_on).await;
        Ok(())
    }
}
