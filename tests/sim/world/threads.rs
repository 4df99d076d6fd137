//! The threads beside the cores: the one that reloads, the one that checks
//! passwords, the one that answers for the server. They write letters.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use trunkline_core::base::id::{AccountId, CoreId};
use trunkline_core::session::authority::Authority;
use trunkline_core::shard::ShardConfig;
use trunkline_core::shard::reload::Settings;
use trunkline_core::wire::info::ServerInfo;

use super::World;
use crate::clock::{Event, MICROSECOND, MILLISECOND, Time};
use crate::policy::{self, Model};
use crate::profile::Profile;
use crate::shell::{Letter, Post};

/// Between two looks at whether all connections have been revised.
const REVISION_POLL: Time = 5 * MILLISECOND;

/// A reload, as `src/server/reload.rs` does it: all cores have to go over to
/// the new policy and to have revised their connections before the next one.
pub struct Reloads {
    left: u64,
    /// The newest policy.
    authority: Arc<Authority>,
    pub(super) is_busy: bool,
    /// Cores that have not answered yet.
    waiting: usize,
    /// Some core is still revising.
    is_revising: bool,
    surplus: Surplus,
}

/// Connections that lowered limits leave no room for: which account is looked
/// at, which core, and how many it must close yet.
#[derive(Default)]
struct Surplus {
    account: usize,
    core: usize,
    left: usize,
}

impl Reloads {
    pub fn new(left: u64, authority: Arc<Authority>) -> Self {
        Self {
            left,
            authority,
            is_busy: false,
            waiting: 0,
            is_revising: false,
            surplus: Surplus::default(),
        }
    }
}

impl World {
    fn write(&mut self, core: usize, letter: Letter, delay: Time) {
        let number = self.letters.len();
        self.letters.push(Some((core, letter)));
        self.clock.after(delay, Event::Letter(number));
    }

    pub(super) fn letter_arrives(&mut self, number: usize) {
        if let Some((core, letter)) = self.letters[number].take() {
            self.cores[core].letters.push_back(letter);
            self.wake(core);
        }
    }

    /// Now and then another policy comes.
    pub(super) fn reload_some_time(&mut self) {
        let acts = self.profile.clients as u64 * self.profile.acts;
        let pause = acts / (self.profile.reloads + 1) + 1;
        if self.reloads.left > 0 && !self.reloads.is_busy && self.policy_dice.one_in(pause) {
            self.reloads.left -= 1;
            self.reload();
        }
    }

    fn reload(&mut self) {
        let model = self.history.policies.last().changed(&mut self.policy_dice);
        let version = self.history.policies.models.len();
        self.note(|| format!("reload to policy {version}: {model:#?}"));
        let authority = model.authority(&self.usages, Some(&self.reloads.authority));
        self.reloads.authority = authority.clone();
        self.history.policies.models.push(model);
        self.reloads.is_busy = true;
        self.reloads.waiting = self.cores.len();
        for core in 0..self.cores.len() {
            let settings = Settings {
                limits: self.profile.limits.clone(),
                server: server_info(),
                authority: authority.clone(),
                trace: false,
            };
            let delay = self.policy_dice.skewed(300 * MICROSECOND);
            self.write(core, Letter::Reconfigure(version, settings.into()), delay);
        }
    }

    /// Asks all cores whether they have revised their connections.
    pub(super) fn ask_all(&mut self) {
        self.reloads.waiting = self.cores.len();
        self.reloads.is_revising = false;
        for core in 0..self.cores.len() {
            let delay = self.policy_dice.skewed(20 * MICROSECOND);
            self.write(core, Letter::AskRevising, delay);
        }
    }

    fn take_answer(&mut self, core: usize, revising: Option<bool>) -> Result<(), String> {
        match revising {
            Some(true) => self.reloads.is_revising = true,
            Some(false) => self.history.revised(core)?,
            None => {}
        }
        self.reloads.waiting -= 1;
        if self.reloads.waiting > 0 {
            return Ok(());
        }
        match revising {
            None => self.ask_all(),
            Some(_) if self.reloads.is_revising => {
                self.clock.after(REVISION_POLL, Event::Reload);
            }
            Some(_) => {
                self.reloads.surplus = Surplus::default();
                self.count_surplus();
            }
        }
        Ok(())
    }

    /// Closes connections of accounts that have too many, account by account;
    /// with the last one the reload is over.
    fn count_surplus(&mut self) {
        let authority = self.reloads.authority.clone();
        let accounts = &authority.policy().accounts;
        while let Some(account) = accounts.get(self.reloads.surplus.account) {
            let count = account.usage.connections.load(Ordering::Relaxed);
            let limit = account.limits.connections_max.map_or(u64::MAX, u64::from);
            self.reloads.surplus.left = count.saturating_sub(limit) as usize;
            self.reloads.surplus.core = 0;
            if self.reloads.surplus.left > 0 {
                return self.close_surplus();
            }
            self.reloads.surplus.account += 1;
        }
        self.reloads.is_busy = false;
    }

    fn close_surplus(&mut self) {
        let &Surplus {
            account,
            core,
            left,
        } = &self.reloads.surplus;
        let delay = self.policy_dice.skewed(20 * MICROSECOND);
        // The number of an account that is gone may be that of another one by now.
        let policy = self.reloads.authority.policy();
        let (id, _) = policy.places().nth(account).expect("it was counted");
        self.write(core, Letter::CloseSurplus(id, left), delay);
    }

    /// A core has closed what it had of a surplus; the next one goes on.
    fn surplus_closed(&mut self, conns: &[usize]) -> Result<(), String> {
        let account = self.reloads.surplus.account;
        self.history.surplus_closed(account, conns)?;
        let surplus = &mut self.reloads.surplus;
        surplus.left -= conns.len();
        surplus.core += 1;
        match surplus.left > 0 && surplus.core < self.cores.len() {
            true => self.close_surplus(),
            false => {
                surplus.account += 1;
                self.count_surplus();
            }
        }
        Ok(())
    }

    /// Takes note of what a core has done with letters.
    pub(super) fn take_answers(&mut self, core: usize, post: &Post) -> Result<(), String> {
        for &conn in &post.opened {
            self.history.opened(conn);
        }
        if let Some(version) = post.reconfigured {
            self.note(|| format!("core {core} has policy {version}"));
            self.history.reloaded(core, version);
            self.take_answer(core, None)?;
        }
        if post.is_revising.is_some() {
            self.take_answer(core, post.is_revising)?;
        }
        if let Some(conns) = &post.surplus {
            self.surplus_closed(conns)?;
        }
        if let Some((conn, number, is_closing)) = post.checked {
            self.history.password_checked(conn, number, is_closing)?;
        }
        Ok(())
    }

    /// Does what a core wants of the other threads.
    pub(super) fn take_wishes(&mut self, core: usize, post: Post) -> Result<(), String> {
        for (wire, check) in post.checks {
            self.history.conns[wire].standing.check = Some(check.number);
            // One thread checks one password after the other.
            let took = self.policy_dice.between(0, self.profile.check_max);
            let begun = self.checker_free_at.max(self.clock.now());
            self.checker_free_at = begun + took;
            let fits = policy::fits(&check.hash, &check.given);
            let letter = Letter::Password { wire, check, fits };
            self.write(core, letter, self.checker_free_at - self.clock.now());
        }
        for request in post.requests {
            let payload = String::from_utf8_lossy(&request.payload);
            let number = usize::from_str_radix(payload.get(..8).unwrap_or(""), 16);
            let number = number.map_err(|_| format!("a request of nobody: {payload:?}"))?;
            self.history.sent[number].is_noted = true;
            self.answer_request(number, request.account, request.reply);
        }
        Ok(())
    }

    fn answer_request(&mut self, number: usize, account: AccountId, subject: Vec<u8>) {
        let core = self.policy_dice.between(0, self.cores.len() as u64 - 1) as usize;
        let letter = Letter::Say {
            account,
            subject,
            payload: format!("server {number}").into_bytes(),
        };
        let delay = self.policy_dice.skewed(200 * MICROSECOND);
        self.write(core, letter, delay);
    }
}

fn server_info() -> ServerInfo {
    ServerInfo {
        server_id: "NSIMULATION".into(),
        server_name: "simulation".into(),
        host: "127.0.0.1".into(),
        port: 4222,
        headers: true,
        ..ServerInfo::default()
    }
}

/// What a core begins with.
pub(super) fn config(
    id: usize,
    profile: &Profile,
    seed: u64,
    authority: &Arc<Authority>,
) -> ShardConfig {
    ShardConfig {
        core: CoreId(id as u8),
        cores: profile.cores,
        limits: profile.limits.clone(),
        server: server_info(),
        authority: authority.clone(),
        seed,
        trace: false,
    }
}

/// The first policy of a run.
pub(super) fn first_model(profile: &Profile, dice: &mut crate::dice::Dice) -> Model {
    match profile.has_policy {
        true => Model::random(dice),
        false => Model::open(),
    }
}
