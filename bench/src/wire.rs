//! The parser over a full receive buffer, and the encoders of single lines.

use std::hint::black_box;

use trunkline_core::base::limits::RECEIVE_BUFFER_BYTES;
use trunkline_core::wire::connect::ConnectOptions;
use trunkline_core::wire::encode;
use trunkline_core::wire::info::{self, ConnectionInfo, ServerInfo};
use trunkline_core::wire::parse::{Grammar, Parsed, parse};

use crate::harness::Bench;

const GRAMMAR: Grammar = Grammar {
    max_control_line: 4096,
    max_payload: 1 << 20,
    headers: true,
    awaiting_credentials: false,
};

pub fn run(bench: &mut Bench) {
    parser(bench);
    encoder(bench);
}

fn parser(bench: &mut Bench) {
    let publish = |len: usize| [b"PUB bench.subject ", text_of(len).as_slice()].concat();
    let header: &[u8] = b"NATS/1.0\r\nTrace: 0123456789abcdef\r\n\r\n";
    let sizes = format!("{} {}\r\n", header.len(), header.len() + 128);
    let body = [&[b'x'; 128][..], b"\r\n"].concat();
    let with_header = [
        b"HPUB bench.subject reply.1 ",
        sizes.as_bytes(),
        header,
        &body,
    ]
    .concat();
    let subscribe = b"SUB bench.*.state workers 123\r\n".to_vec();
    let mixed = [
        &publish(16)[..],
        &with_header,
        b"PING\r\n",
        &publish(128),
        &subscribe,
        b"UNSUB 123 10\r\n",
    ]
    .concat();
    let cases = [
        ("wire/parse PUB 16 B", publish(16), 1),
        ("wire/parse PUB 128 B", publish(128), 1),
        ("wire/parse PUB 4 KiB", publish(4096), 1),
        (
            "wire/parse PUB tabs 16 B",
            b"PUB\ta.b\t16\r\n0123456789abcdef\r\n".to_vec(),
            1,
        ),
        ("wire/parse HPUB 128 B", with_header, 1),
        ("wire/parse SUB", subscribe, 1),
        ("wire/parse PING", b"PING\r\n".to_vec(), 1),
        ("wire/parse mixed", mixed, 6),
    ];
    for (name, unit, commands_each) in cases {
        let count = (RECEIVE_BUFFER_BYTES / unit.len()) as u64;
        let buffer = unit.repeat(count as usize);
        bench.run(name, &[("ns/command", count * commands_each)], || {
            let mut rest = black_box(&buffer[..]);
            while let Ok(Parsed::Command(command, taken)) = parse(rest, &GRAMMAR) {
                black_box(&command);
                rest = &rest[taken..];
            }
            assert!(rest.is_empty(), "everything is parsed");
        });
    }
}

/// Size and payload of a message.
fn text_of(len: usize) -> Vec<u8> {
    [format!("{len}\r\n").as_bytes(), &vec![b'x'; len], b"\r\n"].concat()
}

fn encoder(bench: &mut Bench) {
    const COUNT: usize = 1000;
    let mut line = Vec::with_capacity(4096);
    bench.run(
        "wire/encode decimal",
        &[("ns/number", COUNT as u64)],
        || {
            for number in 0..COUNT {
                line.clear();
                encode::decimal(black_box(number * 1049), &mut line);
                black_box(&line);
            }
        },
    );
    bench.run(
        "wire/encode no responders",
        &[("ns/line", COUNT as u64)],
        || {
            for _ in 0..COUNT {
                line.clear();
                let reply = black_box(b"_INBOX.abcdefghijklm.1");
                encode::no_responders(reply, b"1", b"service.get", &mut line);
                black_box(&line);
            }
        },
    );
    let server = ServerInfo {
        server_id: "N".repeat(56),
        server_name: "bench".into(),
        host: "0.0.0.0".into(),
        port: 4222,
        headers: true,
        ..ServerInfo::default()
    };
    bench.run("wire/encode INFO", &[("ns/line", 1)], || {
        line.clear();
        let about = ConnectionInfo {
            auth_required: false,
            nonce: "",
            is_system: false,
            client_id: 77,
            client_ip: "127.0.0.1",
            is_websocket: false,
            max_payload: Some(1 << 20),
            account: None,
        };
        info::encode(&server, black_box(&about), &mut line);
        black_box(&line);
    });
    let json = b"{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\
        \"protocol\":1,\"echo\":true,\"lang\":\"rust\",\"version\":\"1.0\",\"name\":\"bench\"}";
    bench.run("wire/read CONNECT", &[("ns/line", 1)], || {
        let mut options = ConnectOptions::default();
        assert_eq!(options.apply(black_box(json)), Ok(()));
        black_box(&options);
    });
}
