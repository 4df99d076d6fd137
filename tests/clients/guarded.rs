//! A server with users, TLS and WebSocket, and what is done to it while a client program runs.

use rustix::process::Signal;
use trunkline_tests::{RunningServer, ServerUnderTest};

use crate::certificates::Authority;

const NKEY: &str = "UAWTJUYCOIGZBML5TYDL6YCPU4ZFL4NHVIXDBFFVRYEOGVR2WVIV57SM";
const SEED: &str = "SUAEXKY3ZS6SZCMOGHPWKJKXH4HFUYOKVI5Z7GNIVOKIIDGAQR76YAWAFU";
const LISTENING: &str = "Listening for websocket clients on wss://127.0.0.1:";

/// A running server and the files it was started with.
pub struct Guarded {
    authority: Authority,
    server: RunningServer,
    websocket_port: String,
}

impl Guarded {
    pub fn start(name: &str) -> Guarded {
        let authority = Authority::new(name);
        std::fs::write(authority.file("user.nk"), SEED).unwrap();
        std::fs::write(authority.file("server.conf"), config(&authority, true)).unwrap();
        let arguments = ["-c", &authority.file("server.conf")];
        let server = ServerUnderTest::builder().arguments(&arguments).start();
        let line = server.wait_for_log(LISTENING);
        let (_, port) = line.split_once(LISTENING).unwrap();
        Guarded {
            websocket_port: port.to_owned(),
            authority,
            server,
        }
    }

    /// What a program is told: addresses of both listeners, the authority's certificate, the seed.
    pub fn arguments(&self) -> [String; 4] {
        [
            format!("localhost:{}", self.server.address().port()),
            format!("localhost:{}", self.websocket_port),
            self.ca_file(),
            self.authority.file("user.nk"),
        ]
    }

    pub fn ca_file(&self) -> String {
        self.authority.file("ca.pem")
    }

    /// Does what a program has asked for.
    pub fn serve(&mut self, request: &str) {
        match request {
            "RELOAD" => {
                let file = self.authority.file("server.conf");
                std::fs::write(file, config(&self.authority, false)).unwrap();
                self.server.signal(Signal::HUP);
                self.server.wait_for_log("Reloaded server configuration");
            }
            "LAME-DUCK" => self.server.signal(Signal::USR2),
            other => panic!("a program asks for {other:?}"),
        }
    }
}

/// The user `leaver` is there only at first, the user `few` gets more rights later.
fn config(authority: &Authority, is_first: bool) -> String {
    let (leaver, more) = match is_first {
        true => ("{user: leaver, password: leaver},", ""),
        false => ("", ", \"new.>\""),
    };
    format!(
        "{tls}\nwebsocket {{ listen: \"127.0.0.1:-1\", {tls} }}\n\
         authorization {{ users: [ {{user: app, password: secret}}, {{nkey: {NKEY}}}, {leaver} \
         {{user: few, password: few, permissions {{ publish: [\"ok.>\"{more}], subscribe: [\"ok.>\"] }} }} ] }}\n",
        tls = authority.config("")
    )
}
