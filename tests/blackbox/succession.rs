//! Accounts that come and go over reloads, more than any small number can count: everybody is in
//! the account of their name, and nobody in that of somebody else.

use std::fmt::Write;

use trunkline_tests::{Client, Frame, Received};

use crate::reloads::Reloadable;

const ACCOUNTS: usize = 8_000;
/// Together more names than sixteen bits can number.
const ROUNDS: usize = 9;
/// Accounts of a round that somebody uses.
const SAMPLES: [usize; 4] = [0, 1, ACCOUNTS / 2, ACCOUNTS - 1];

fn name(round: usize, number: usize) -> String {
    format!("r{round}a{number}")
}

/// Accounts that only this round has, and one that all have.
fn config(round: usize) -> String {
    let mut text = "accounts {\n".to_owned();
    let names = (0..ACCOUNTS).map(|number| name(round, number));
    for name in names.chain(["stays".to_owned()]) {
        writeln!(
            text,
            "{name} {{ users: [{{user: {name}, password: {name}}}] }}"
        )
        .unwrap();
    }
    text + "SYS { users: [{user: sys, password: sys}] }\n}\nsystem_account: SYS\n"
}

/// The account that the server says a client is in.
fn account_of(client: &mut Client) -> String {
    client.send("SUB answer answer\r\n");
    client.barrier();
    client.send("PUB $SYS.REQ.USER.INFO answer 0\r\n\r\n");
    let message = loop {
        match client.frame() {
            Received::Frame(Frame::Message(message)) if message.sid == b"answer" => break message,
            Received::Frame(Frame::Message(_) | Frame::Ping) => {}
            other => panic!("no answer but {other:?}"),
        }
    };
    client.send("UNSUB answer\r\n");
    let answer: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    answer["data"]["account"].as_str().unwrap().to_owned()
}

fn join(server: &Reloadable, name: &str) -> Client {
    let mut client = server.user(name);
    assert_eq!(account_of(&mut client), name);
    client.send("SUB > all\r\n");
    client.barrier();
    client
}

#[test]
fn nobody_gets_into_the_account_of_somebody_else() {
    let server = Reloadable::start("succession", &config(0));
    let mut stays = join(&server, "stays");
    let mut system = server.user("sys");
    for round in 0..ROUNDS {
        if round > 0 {
            server.done(&config(round));
        }
        let mut clients: Vec<Client> = SAMPLES
            .iter()
            .map(|&number| join(&server, &name(round, number)))
            .collect();
        for (client, number) in clients.iter_mut().zip(SAMPLES) {
            client.send(format!("PUB from.{number} 0\r\n\r\n"));
        }
        for (client, number) in clients.iter_mut().zip(SAMPLES) {
            let frames = client.barrier();
            let [Frame::Message(message)] = &frames[..] else {
                panic!("more or less than its own message: {frames:?}");
            };
            assert_eq!(message.subject, format!("from.{number}").as_bytes());
        }
        assert_eq!(stays.messages_until_barrier(), 0);
        assert_eq!(account_of(&mut system), "SYS");
        if round > 0 {
            let former = name(round - 1, 0);
            let credentials = format!(",\"user\":\"{former}\",\"pass\":\"{former}\"");
            let mut client = server.greet();
            client.send(format!("CONNECT {{\"verbose\":false{credentials}}}\r\n"));
            client.expect("-ERR 'Authorization Violation'\r\n");
        }
    }
    assert_eq!(account_of(&mut stays), "stays");
}
