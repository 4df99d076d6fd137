//! Stands between loadgen and a server and spoils one message on its way to loadgen.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What it does.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// Leaves it out.
    Drop,
    /// Sends it twice.
    Duplicate,
    /// Changes the last byte of its payload.
    Damage,
    /// Changes the sequence of an acknowledgement.
    Lie,
    /// Makes an error of an acknowledgement.
    Refuse,
}

/// Which messages it counts.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Deliveries of consumers.
    Delivery,
    /// Acknowledgements of what was published.
    Acknowledgement,
    /// Answers to direct gets.
    Value,
}

/// Starts one before `server` that spoils the `number`th message (from 1) of a kind; its threads end with the process.
pub fn start(server: SocketAddr, kind: Kind, number: u64, fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicU64::new(0));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(server).unwrap();
            let (mut up, mut from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let seen = seen.clone();
            // A connection that ends is no fault of the test.
            std::thread::spawn(move || std::io::copy(&mut from, &mut up));
            std::thread::spawn(move || pass(server, client, kind, number, fault, &seen));
        }
    });
    address
}

fn pass(
    server: TcpStream,
    mut client: TcpStream,
    kind: Kind,
    number: u64,
    fault: Fault,
    seen: &AtomicU64,
) -> std::io::Result<()> {
    let mut input = BufReader::new(server);
    loop {
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line)? == 0 {
            return client.shutdown(std::net::Shutdown::Both);
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        if !matches!(words[0], "MSG" | "HMSG") {
            client.write_all(&line)?;
            continue;
        }
        let size: usize = words.last().unwrap().parse().unwrap();
        let mut body = vec![0; size + 2];
        input.read_exact(&mut body)?;
        let is_one = match kind {
            Kind::Delivery => text.contains(" $JS.ACK."),
            Kind::Acknowledgement => body.starts_with(b"{\"stream\":"),
            Kind::Value => body.starts_with(b"NATS/1.0\r\nNats-Stream:"),
        };
        let is_spoiled = is_one && seen.fetch_add(1, Relaxed) + 1 == number;
        let times = match (fault, is_spoiled) {
            (Fault::Drop, true) => 0,
            (Fault::Duplicate, true) => 2,
            _ => 1,
        };
        if is_spoiled {
            (line, body) = spoiled(fault, line, body, &text);
        }
        for _ in 0..times {
            client.write_all(&line)?;
            client.write_all(&body)?;
        }
    }
}

fn spoiled(fault: Fault, line: Vec<u8>, mut body: Vec<u8>, text: &str) -> (Vec<u8>, Vec<u8>) {
    let json = match fault {
        Fault::Damage => {
            let last = body.len() - 3;
            body[last] ^= 1;
            return (line, body);
        }
        Fault::Lie => r#"{"stream":"S","seq":999999}"#,
        Fault::Refuse => {
            r#"{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}"#
        }
        _ => return (line, body),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = format!("MSG {} {} {}\r\n", words[1], words[2], json.len());
    (line.into_bytes(), format!("{json}\r\n").into_bytes())
}
