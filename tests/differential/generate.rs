//! Makes a session from a seed: who connects, who says what, where it is cut.
//!
//! Kept out on purpose, because two correct servers may differ there:
//!
//! * a queue group has all its members on one connection, and no member has a maximum: else the random
//!   pick would show;
//! * a lone CR inside a control line: the reference treats it differently depending on how the line was
//!   cut into reads;
//! * subjects that a server answers by itself (`$SYS.REQ.…`), and headers that switch tracing on.

use super::lines::{Lines, Names};
use super::session::{Send, Session, Step, VARIANTS};
use trunkline_tests::Random;

const CONNECTIONS: usize = 4;

pub fn session(seed: u64) -> Session {
    let mut random = Random::new(seed);
    let variant = usize::try_from(seed).expect("a small seed") % VARIANTS.len();
    let mut generator = Generator {
        connections: random.between(1, CONNECTIONS),
        steps: Vec::new(),
        names: (0..CONNECTIONS).map(Names::new).collect(),
        pending: vec![None; CONNECTIONS],
        variant,
        random,
    };
    generator.run();
    Session {
        seed,
        variant,
        steps: generator.steps,
    }
}

struct Generator {
    random: Random,
    variant: usize,
    connections: usize,
    steps: Vec<Step>,
    names: Vec<Names>,
    /// The rest of an operation that a step left unfinished.
    pending: Vec<Option<Vec<u8>>>,
}

impl Generator {
    fn run(&mut self) {
        for connection in 0..self.connections {
            self.open(connection);
        }
        let length = self.random.between(5, 40);
        for _ in 0..length {
            let connection = self.random.below(self.connections);
            if self.random.chance(3) {
                self.steps.push(Step::Close(connection));
                self.pending[connection] = None;
                self.open(connection);
            } else {
                self.talk(connection);
            }
        }
    }

    fn open(&mut self, connection: usize) {
        self.steps.push(Step::Open(connection));
        self.pending[connection] = None;
        self.names[connection] = Names::new(connection);
        // Without a CONNECT the defaults of the protocol hold; a server that wants credentials must
        // hear them first, or the connection is over.
        let silent = if VARIANTS[self.variant].credentials.is_empty() {
            15
        } else {
            3
        };
        if !self.random.chance(silent) {
            let sound = self.random.chance(90);
            let connect = self.lines(connection).connect(sound);
            self.send(connection, vec![connect], false);
        }
    }

    fn lines(&mut self, connection: usize) -> Lines<'_> {
        Lines {
            random: &mut self.random,
            names: &mut self.names[connection],
            variant: &VARIANTS[self.variant],
        }
    }

    fn talk(&mut self, connection: usize) {
        let mut operations = Vec::new();
        if let Some(rest) = self.pending[connection].take() {
            operations.push(rest);
        }
        let count = self.random.between(1, 6);
        let mut fatal = false;
        for _ in 0..count {
            let malformed = self.random.chance(4);
            let operation = if malformed {
                self.lines(connection).malformed()
            } else {
                self.lines(connection).valid()
            };
            operations.push(operation);
            if malformed {
                fatal = true;
                break;
            }
        }
        self.send(connection, operations, false);
        // An unfinished operation is a step of its own: nothing in it has an effect on others yet, so
        // that nothing is lost by not settling its connection.
        if !fatal && self.random.chance(8) {
            let mut operation = self.lines(connection).valid();
            let rest = operation.split_off(self.random.between(1, operation.len() - 1));
            self.pending[connection] = Some(rest);
            self.send(connection, vec![operation], true);
        }
        if fatal && self.random.chance(75) {
            self.open(connection);
        }
    }

    fn send(&mut self, connection: usize, operations: Vec<Vec<u8>>, midway: bool) {
        let length: usize = operations.iter().map(Vec::len).sum();
        let mut cuts = Vec::new();
        if length > 1 && self.random.chance(40) {
            for _ in 0..self.random.between(1, 4) {
                cuts.push(self.random.between(1, length - 1));
            }
            cuts.sort_unstable();
            cuts.dedup();
        }
        self.steps.push(Step::Send(Send {
            connection,
            operations,
            cuts,
            midway,
        }));
    }
}
