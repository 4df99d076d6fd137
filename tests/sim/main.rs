//! The whole server in a test, from a seed: many cores, a fake network, a
//! virtual clock, random clients, and checkers that know what must be true.
//!
//! * `cargo test -p trunkline-tests --test sim` runs a fixed list of seeds and
//!   proves that deliberate faults are noticed.
//! * `SIM_SEEDS=5000` runs that many fresh seeds instead of the list.
//! * `SIM_SEED=7` replays one with a readable trace.
//! * `SIM_STATISTICS=1` says what each seed did; `SIM_FAULT=Tails` tries only
//!   the faults of that name.
//!
//! Layout: `dice`, `bytes` and `clock` are small tools; `fabric` is the rings
//! between cores with the visibility of real atomics, `net` the sockets,
//! `shell` one core's turn, `clients` who talks to it, `protocol` their own
//! reader of the protocol, `policy` accounts and rights as the checkers
//! understand them, `history` what clients did and saw, `model` what the server
//! must have made of it, `checkers` what must be true of both, `world` the
//! scheduler of it all with the threads that write letters to cores, `profile`
//! what differs between seeds, `mutants` the deliberate faults.
#![allow(clippy::unwrap_used, reason = "a test")]

mod bytes;
mod checkers;
mod clients;
mod clock;
mod dice;
mod fabric;
mod history;
mod model;
mod mutants;
mod net;
mod policy;
mod profile;
mod protocol;
mod seeds;
mod shell;
mod world;
