//! Where a file has leaf nodes connect: the server listens, says so, and turns them away.

use crate::monitoring::json;
use crate::support::GUARD;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use trunkline_tests::ServerUnderTest;

const CONFIG: &str = "leafnodes {\n  listen: \"127.0.0.1:-1\"\n}\n";

fn address(line: &str) -> SocketAddr {
    let (_, address) = line.rsplit_once(' ').unwrap();
    address.trim().parse().unwrap()
}

#[test]
fn leaf_nodes_are_turned_away() {
    let server = ServerUnderTest::with_config(CONFIG);
    let line = server.wait_for_log("Listening for leafnode connections on");
    let log = server.log();
    let order = ["for leafnode connections on", "for client connections on"];
    let places = order.map(|text| log.find(text).unwrap());
    assert!(places.is_sorted(), "{log}");
    if !server.is_ours {
        // It lets them in.
        return;
    }
    let warning = server.wait_for_log("leaf nodes cannot connect to this server yet");
    assert!(
        warning.contains("[WRN]") && warning.contains(":1:0: "),
        "{warning}"
    );
    // More than one, and one that does not wait to be greeted.
    for greeting in ["", "CONNECT {}\r\nPING\r\n", ""] {
        let mut leaf = TcpStream::connect(address(&line)).unwrap();
        leaf.set_read_timeout(Some(GUARD)).unwrap();
        leaf.write_all(greeting.as_bytes()).unwrap();
        let mut said = [0; 56];
        leaf.read_exact(&mut said).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&said),
            "-ERR 'Leaf nodes are not supported by this server yet'\r\n"
        );
        // What arrives late may reset the connection; nothing more is said.
        assert_eq!(leaf.read(&mut said).unwrap_or(0), 0);
        let own = leaf.local_addr().unwrap();
        let noted = server.wait_for_log(&format!("{own} - Leaf node turned away"));
        assert!(noted.contains("[WRN]"), "{noted}");
    }
}

#[test]
fn monitoring_shows_where_leaf_nodes_would_connect() {
    let config = format!("{CONFIG}http: \"127.0.0.1:-1\"\n");
    let server = ServerUnderTest::with_config(&config);
    let port = address(&server.wait_for_log("for leafnode connections on")).port();
    let monitor = address(&server.wait_for_log("Starting http monitor on"));
    assert_eq!(
        json(monitor, "/varz")["leaf"],
        serde_json::json!({"host": "127.0.0.1", "port": port, "auth_timeout": 2, "tls_timeout": 2})
    );
    assert_eq!(json(monitor, "/leafz")["leafs"], serde_json::json!([]));
}

#[test]
fn a_leaf_port_in_use_is_fatal() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let config = format!("leafnodes {{ host: \"127.0.0.1\", port: {port} }}");
    let end = ServerUnderTest::builder().config(&config).run_to_end();
    assert_eq!(end.status.code(), Some(1));
    let fatal = format!(
        "[FTL] Error listening on leafnode port: {port} - \
         listen tcp 127.0.0.1:{port}: bind: address already in use"
    );
    assert!(end.stderr.contains(&fatal), "{}", end.stderr);
}

#[test]
fn a_reload_does_not_move_the_leaf_port() {
    let file = std::env::temp_dir().join(format!("leaf-reload-{}.conf", std::process::id()));
    std::fs::write(&file, CONFIG).unwrap();
    let arguments = ["-c", file.to_str().unwrap()];
    let server = ServerUnderTest::builder().arguments(&arguments).start();
    server.signal(Signal::HUP);
    server.wait_for_log("Reloaded server configuration");
    let line = server.wait_for_log("Listening for leafnode connections on");
    let port = address(&line).port();
    // Nobody listens on port 1 here, and nobody is going to.
    std::fs::write(&file, CONFIG.replace("-1", "1")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for_log(&format!(
        "config reload not supported for LeafNode: field \"Port\": old={port}, new=1"
    ));
    std::fs::remove_file(&file).unwrap();
}
