//! The listener of monitoring, HTTP or HTTPS, on a thread of its own, which
//! gives way to the cores.
//!
//! Bounds: those of [`Places`] and of [`talk`]; a client that does not take its
//! answer is cut after [`SEND_TIMEOUT_MS`].

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tracing::error;

use super::Admin;
use super::places::{Place, Places};
use super::talk::{HEADER_TIMEOUT, talk};
use crate::background;
use crate::net::tls_failure;

/// How long a client may leave an answer in the kernel's hands.
const SEND_TIMEOUT_MS: u32 = 10_000;

/// The first byte of a TLS handshake.
const HANDSHAKE_RECORD: u8 = 0x16;

/// What somebody is told who speaks HTTP where HTTPS is spoken (Go's words).
const NO_TLS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Starts the thread that answers on a listener; over HTTPS if there is TLS for
/// it.
pub fn start(admin: Arc<Admin>, listener: TcpListener) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("monitoring".to_owned())
        .spawn(move || {
            background::step_back();
            if let Err(failure) = runtime.block_on(serve(admin, listener)) {
                error!("Monitoring has ended: {failure}");
            }
        })?;
    Ok(())
}

async fn serve(admin: Arc<Admin>, listener: TcpListener) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Places::default();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(failure) => {
                error!("Cannot accept a monitoring connection: {failure}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let place = places.take();
        let number = place.number();
        let admin = Arc::clone(&admin);
        let task = tokio::spawn(async move {
            let timeout_ms = SEND_TIMEOUT_MS;
            // The peer may be gone by now.
            let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, timeout_ms);
            welcome(&admin, stream, peer, &place).await;
        });
        places.occupy(number, task.abort_handle());
        // Who has come gets a chance to ask before others come.
        tokio::task::yield_now().await;
    }
}

async fn welcome(admin: &Admin, stream: TcpStream, peer: SocketAddr, place: &Place) {
    let Some(tls) = admin.cores.shared.listening().monitoring else {
        return talk(admin, stream, place).await;
    };
    let handshake = tokio::time::timeout(HEADER_TIMEOUT, secure(stream, &tls.config));
    match handshake.await {
        Ok(Ok(stream)) => talk(admin, stream, place).await,
        Ok(Err(failure)) => {
            let reason = tls_failure::describe_io(&failure);
            error!("monitoring: TLS handshake error from {peer}: {reason}");
        }
        Err(_) => error!("monitoring: TLS handshake error from {peer}: timeout"),
    }
}

async fn secure(
    mut stream: TcpStream,
    config: &Arc<rustls::ServerConfig>,
) -> std::io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1
        && first[0] != HANDSHAKE_RECORD
        && first[0].is_ascii_uppercase()
    {
        stream.write_all(NO_TLS).await?;
        stream.shutdown().await?;
        // What it asked for is read, so that it is not reset before it reads.
        let mut asked = [0; 4096];
        while tokio::io::AsyncReadExt::read(&mut stream, &mut asked).await? > 0 {}
        let text = "client sent an HTTP request to an HTTPS server";
        return Err(std::io::Error::other(text));
    }
    TlsAcceptor::from(Arc::clone(config)).accept(stream).await
}
