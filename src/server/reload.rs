//! Another configuration for a running server: the file is read again, what
//! cannot change without a restart is named, and everything else reaches all
//! cores before the reload is reported as done.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{error, info, warn};
use trunkline_core::base::id::AccountId;
use trunkline_core::session::authority::Authority;
use trunkline_core::session::policy::{Account, Policy};
use trunkline_core::shard::reconfigure::Settings;
use trunkline_core::wire::info::ServerInfo;

use crate::admin::{Admin, CurrentSettings};
use crate::boot::limits;
use crate::cli::{self, Command, Start};
use crate::logging::{self, LogStyle};
use crate::mesh::{Listening, Shared};
use crate::options::Options;
use crate::options::tls::TlsOptions;

/// Between two looks at whether all connections have been revised.
const REVISION_POLL: Duration = Duration::from_millis(5);

/// What a reload starts from and changes.
pub struct Reloader {
    /// The settings in force.
    pub options: Options,
    /// Who may connect at the moment.
    pub authority: Arc<Authority>,
    /// What INFO says at the moment.
    pub server: ServerInfo,
    /// Addresses that clients are told of.
    pub shared: Arc<Shared>,
    /// Monitoring, which shows the settings.
    pub admin: Arc<Admin>,
    /// Whether there is a file to be read again.
    pub has_file: bool,
}

impl Reloader {
    /// Reads the configuration again and applies it.
    pub fn reload(&mut self) {
        if !self.has_file {
            warn!("Can only reload config file when a file was provided using -c flag");
            return;
        }
        match self.try_reload() {
            Ok(()) => info!(
                "Reloaded server configuration ({})",
                self.options.config_digest
            ),
            Err(text) => error!("Failed to reload server configuration: {text}"),
        }
    }

    fn try_reload(&mut self) -> Result<(), String> {
        let new = read()?.options;
        refuse_changes(&self.options, &new)?;
        // The files are read again even if their names are the same.
        let listening = Listening::read(&new)?;
        let policy = renumber(self.authority.policy(), new.policy.clone());
        let authority = self.authority.succeeded_by(policy);
        let authority = Arc::new(authority.map_err(|bad| bad.0)?);
        let to_file = new.log_file.is_some();
        let style = LogStyle::new(
            new.debug,
            new.trace,
            new.log_time,
            new.log_time_utc,
            to_file,
        );
        logging::change(style, new.log_file.clone())?;
        if let Some(path) = new
            .pid_file
            .as_ref()
            .filter(|_| new.pid_file != self.options.pid_file)
        {
            crate::files::write_pid(path)?;
        }
        name_changes(&self.options, &new);
        if new.tls.is_some() {
            info!("Reloaded: tls = enabled");
        }
        self.shared.set_listening(listening);
        self.authority = authority;
        self.admin.change_settings(CurrentSettings {
            options: new.clone(),
            policy: self.authority.policy().clone(),
            loaded: Timestamp::now(),
        });
        self.options = new;
        self.apply();
        Ok(())
    }

    /// Brings the settings to all cores and waits until they have reached every
    /// connection.
    pub fn apply(&self) {
        let settings = Settings {
            limits: limits(&self.options),
            server: self.server.clone(),
            authority: Arc::clone(&self.authority),
            trace: self.options.trace,
        };
        let connections_max = self.options.max_connections.unwrap_or(usize::MAX);
        self.ask(move |core| {
            let now = core.now();
            core.set_connections_max(connections_max);
            core.shard_mut().reconfigure(now, settings.clone());
            false
        });
        while self.ask(|core| core.shard_mut().is_revising()) {
            std::thread::sleep(REVISION_POLL);
        }
    }

    /// Tells clients what INFO says now.
    pub fn announce(&self) {
        self.ask(|core| {
            let now = core.now();
            core.shard_mut().announce_info(now);
            false
        });
    }

    /// Whether some core answers with yes.
    fn ask(
        &self,
        question: impl Fn(&mut crate::turn::Core) -> bool + Clone + Send + 'static,
    ) -> bool {
        let cores = self.shared.doorbells.len();
        let answers = self.shared.ask_all(move |core, _| question(core));
        answers.iter().take(cores).fold(false, |any, one| any | one)
    }
}

/// The configuration that the command line leads to now.
fn read() -> Result<Start, String> {
    match cli::command(std::env::args_os().skip(1)) {
        Command::Start(start) => Ok(*start),
        Command::Exit(exit) => {
            let text = exit.fatal.unwrap_or(exit.stderr);
            let prefix = format!("{}: ", crate::program::prefix());
            Err(text.trim_end().replace(&prefix, ""))
        }
    }
}

/// What cannot change without a restart.
fn refuse_changes(old: &Options, new: &Options) -> Result<(), String> {
    let system = |options: &Options| {
        options
            .policy
            .accounts
            .get(1)
            .map(|account| account.name.clone())
    };
    let websocket = |options: &Options| {
        // Certificates may change, whether there are any may not.
        options.websocket.clone().map(|mut websocket| {
            websocket.tls = websocket.tls.map(|_| TlsOptions::default());
            websocket
        })
    };
    let own_users = |policy: &Policy| {
        let user = policy.websocket_no_auth_user;
        let name = user.map(|user| policy.users[user].identity.name().to_owned());
        (policy.websocket_override.clone(), name)
    };
    if own_users(&old.policy) != own_users(&new.policy) {
        return Err("config reload not supported for Websocket: its users differ".to_owned());
    }
    let checks = [
        (
            "TLS",
            old.tls.is_some().to_string(),
            new.tls.is_some().to_string(),
        ),
        ("Host", format!("{:?}", old.host), format!("{:?}", new.host)),
        ("Port", format!("{:?}", old.port), format!("{:?}", new.port)),
        (
            "ServerName",
            format!("{:?}", old.server_name),
            format!("{:?}", new.server_name),
        ),
        (
            "Cores",
            format!("{:?}", old.cores),
            format!("{:?}", new.cores),
        ),
        (
            "NoHeaderSupport",
            old.no_header_support.to_string(),
            new.no_header_support.to_string(),
        ),
        (
            "SystemAccount",
            format!("{:?}", system(old)),
            format!("{:?}", system(new)),
        ),
        (
            "HTTP",
            format!("{:?}", old.monitoring),
            format!("{:?}", new.monitoring),
        ),
        (
            "Websocket",
            format!("{:?}", websocket(old)),
            format!("{:?}", websocket(new)),
        ),
        (
            "PortsFileDir",
            format!("{:?}", old.ports_file_dir),
            format!("{:?}", new.ports_file_dir),
        ),
    ];
    match checks.iter().find(|(_, old, new)| old != new) {
        Some((name, old, new)) => Err(format!(
            "config reload not supported for {name}: old={old}, new={new}"
        )),
        None => Ok(()),
    }
}

/// Says what has changed, without secrets.
fn name_changes(old: &Options, new: &Options) {
    macro_rules! name {
        ($($field:ident),*) => {$(
            if old.$field != new.$field {
                info!("Reloaded: {} = {:?}", stringify!($field), new.$field);
            }
        )*};
    }
    name!(
        debug,
        trace,
        log_time,
        log_file,
        max_payload,
        max_control_line,
        max_connections,
        pid_file
    );
    name!(
        max_pending_bytes,
        max_subscriptions,
        ping_interval_ns,
        ping_max,
        write_deadline_ns
    );
    name!(auth_timeout_ns, client_advertise, tags);
    if old.policy.accounts != new.policy.accounts {
        info!("Reloaded: accounts");
    }
    if old.policy != new.policy {
        info!("Reloaded: authorization users");
    }
}

/// Gives accounts of the same name the same number and usage as before, since
/// cores know them by number; accounts that are gone keep their place, empty.
fn renumber(old: &Policy, mut new: Policy) -> Policy {
    let mut accounts: Vec<Account> = Vec::new();
    for before in &old.accounts {
        let same = new
            .accounts
            .iter()
            .find(|account| account.name == before.name);
        let mut account = same.cloned().unwrap_or_else(|| Account::new(&before.name));
        account.usage = Arc::clone(&before.usage);
        accounts.push(account);
    }
    let number_of = |account: &Account, accounts: &mut Vec<Account>| {
        let known = accounts.iter().position(|other| other.name == account.name);
        known.unwrap_or_else(|| {
            accounts.push(account.clone());
            accounts.len() - 1
        })
    };
    let numbers: Vec<usize> = new
        .accounts
        .iter()
        .map(|account| number_of(account, &mut accounts))
        .collect();
    for user in &mut new.users {
        user.account = AccountId(numbers[user.account.index()] as u16);
    }
    new.accounts = accounts;
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_core::session::policy::User;

    fn policy(names: &[&str]) -> Policy {
        let mut policy = Policy::open();
        for name in names {
            policy.accounts.push(Account::new(name));
            let number = AccountId((policy.accounts.len() - 1) as u16);
            policy.users.push(User::new(name, "", number));
        }
        policy
    }

    #[test]
    fn accounts_keep_their_numbers() {
        let old = policy(&["A", "B", "C"]);
        let new = renumber(&old, policy(&["D", "C", "A"]));
        let names: Vec<&str> = new.accounts.iter().map(|account| &*account.name).collect();
        assert_eq!(names, ["$G", "$SYS", "A", "B", "C", "D"]);
        let numbers: Vec<u16> = new.users.iter().map(|user| user.account.0).collect();
        assert_eq!(numbers, [5, 4, 2]);
        assert!(Arc::ptr_eq(&new.accounts[4].usage, &old.accounts[4].usage));
    }
}
