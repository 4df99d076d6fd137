//! Another configuration for a running server: the file is read again, what
//! cannot change without a restart is named, and everything else reaches all
//! cores before the reload is reported as done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{error, info, warn};
use trunkline_core::base::id::AccountId;
use trunkline_core::base::width::size;
use trunkline_core::session::authority::Authority;
use trunkline_core::session::certificate::TlsFacts;
use trunkline_core::session::policy::ConnectionType;
use trunkline_core::shard::reload::Settings;
use trunkline_core::wire::info::ServerInfo;

use crate::admin::{Admin, CurrentSettings};
use crate::cli::{self, Command, Start};
use crate::cores::Cores;
use crate::files::{self, Ports, PortsFile};
use crate::logging::{self, LogStyle};
use crate::notify::Notifier;
use crate::options::tls::TlsOptions;
use crate::options::{Options, changes, leaf};
use crate::passwords::PasswordChecker;
use crate::settings::{describe, limits};
use crate::turn::Core;

/// Accounts that a core makes room for in one turn.
const ACCOUNTS_AT_ONCE: usize = 1024;

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
    /// The cores.
    pub cores: Cores,
    /// Monitoring, which shows the settings.
    pub admin: Arc<Admin>,
    /// Passwords that are known to fit.
    pub passwords: PasswordChecker,
    /// Whether there is a file to be read again.
    pub has_file: bool,
    /// The service manager.
    pub notifier: Arc<Notifier>,
    /// What the ports file says...
    pub ports: Ports,
    /// ...and that file, if there is one.
    pub ports_file: Option<PortsFile>,
}

impl Reloader {
    /// Reloads because of the signal, which somebody in this process may have
    /// sent who waits for what comes of it.
    pub fn on_hangup(&mut self) {
        let askers = self.admin.reloads.take();
        if askers.is_empty() {
            info!("Trapped \"hangup\" signal");
        }
        self.notifier.reloading();
        let result = self.reload();
        self.notifier.ready(&match &result {
            Ok(()) => format!(
                "Serving clients; reloaded the configuration ({})",
                self.options.config_digest
            ),
            Err(text) => format!("Serving clients; the last reload failed: {text}"),
        });
        for asker in askers {
            // Who asked may have lost patience.
            let _ = asker.send(result.clone());
        }
    }

    /// Reads the configuration again and applies it.
    fn reload(&mut self) -> Result<(), String> {
        if !self.has_file {
            let text = "only reload config file when a file was provided using -c flag";
            warn!("Can {text}");
            return Err(format!("can {text}"));
        }
        let result = self.try_reload();
        match &result {
            Ok(()) => info!(
                "Reloaded server configuration ({})",
                self.options.config_digest
            ),
            Err(text) => error!("Failed to reload server configuration: {text}"),
        }
        result
    }

    fn try_reload(&mut self) -> Result<(), String> {
        let Start {
            options: new,
            listening,
            ..
        } = read()?;
        changes::refuse(&self.options, &new)?;
        let (old_leaf, new_leaf) = (self.options.leaf.as_ref(), new.leaf.as_ref());
        leaf::refuse_move(old_leaf, new_leaf, self.admin.bound.leaf_port)?;
        let authority = self.authority.succeeded_by(new.policy.clone());
        let authority = Arc::new(authority.map_err(|bad| bad.0)?);
        let style = LogStyle::new(
            new.debug,
            new.trace,
            new.log_time,
            new.log_time_utc,
            &new.log_to,
        );
        if let Some(path) = new
            .pid_file
            .as_ref()
            .filter(|_| new.pid_file != self.options.pid_file)
        {
            files::write_pid(path)?;
        }
        let moved_ports_file = (new.ports_file_dir != self.options.ports_file_dir).then(|| {
            let directory = new.ports_file_dir.as_deref();
            let file = directory.map(|directory| PortsFile::write(directory, &self.ports));
            file.transpose()
        });
        let moved_ports_file = moved_ports_file.transpose()?;
        logging::change(style, new.log_to.clone())?;
        // Nothing fails from here on.
        if let Some(file) = moved_ports_file {
            self.ports_file = file;
        }
        describe(&mut self.server, &new, self.admin.bound.client);
        for line in changes::lines(&self.options, &new) {
            info!("{line}");
        }
        self.cores.shared.set_listening(listening);
        self.authority = authority;
        self.admin.change_settings(CurrentSettings {
            options: new.clone(),
            policy: self.authority.policy().clone(),
            loaded: Timestamp::now(),
        });
        let has_other_pins = Pins::of(&self.options) != Pins::of(&new);
        self.options = new;
        self.passwords.forget();
        self.apply();
        if has_other_pins {
            self.end_unpinned();
        }
        self.close_surplus();
        Ok(())
    }

    /// Closes clients whose certificates are not among the pinned ones any more.
    fn end_unpinned(&self) {
        let pins = Arc::new(Pins::of(&self.options));
        info!("Reloaded: {} pinned_certs", pins.clients.len());
        let mut ended = 0;
        loop {
            let pins = Arc::clone(&pins);
            let some = self.cores.ask_all(move |core, _| {
                let accepts = |kind, tls: Option<&TlsFacts>| pins.accept(kind, tls);
                core.shard_mut().close_unacceptable(accepts)
            });
            let some: usize = some.iter().take(self.cores.count()).sum();
            ended += some;
            if some == 0 {
                break;
            }
        }
        if ended > 0 {
            info!("Disconnect {ended} clients due to pinned certs reload");
        }
    }

    /// Closes connections for which lowered limits leave no room.
    fn close_surplus(&self) {
        for (id, account) in self.authority.policy().accounts_in_use() {
            let count = account.usage.connections.load(Ordering::Relaxed);
            let limit = account.limits.connections_max.map_or(u64::MAX, u64::from);
            let surplus = size(count.saturating_sub(limit));
            self.close_some(Some(id), surplus);
        }
        let limit = self.options.connections_max();
        let counts = self
            .cores
            .ask_all(|core, _| core.shard_mut().connection_count());
        let count: usize = counts.iter().take(self.cores.count()).sum();
        let closed = self.close_some(None, count.saturating_sub(limit));
        if closed > 0 {
            info!("Closed {closed} connections to fall within max_connections");
        }
    }

    /// Closes `surplus` connections, of one account or any; one core after the
    /// other, so that together they close no more.
    fn close_some(&self, account: Option<AccountId>, surplus: usize) -> usize {
        let (mut left, mut core) = (surplus, 0);
        while left > 0 && core < self.cores.count() {
            let answers = self
                .cores
                .ask_all(move |asked, _| match asked.id().index() == core {
                    true => asked.shard_mut().close_surplus(account, left),
                    false => 0,
                });
            let closed: usize = answers.iter().take(self.cores.count()).sum();
            left -= closed;
            if closed == 0 {
                core += 1;
            }
        }
        surplus - left
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
        let places = self.authority.policy().accounts.len();
        for first in (0..places).step_by(ACCOUNTS_AT_ONCE) {
            let authority = Arc::clone(&self.authority);
            let some = first..(first + ACCOUNTS_AT_ONCE).min(places);
            self.ask(move |core| {
                core.shard_mut().make_room(&authority, some.clone());
                false
            });
        }
        let connections_max = self.options.connections_max();
        self.ask(move |core| {
            core.set_connections_max(connections_max);
            core.shard_mut().reconfigure(settings.clone());
            false
        });
        while self.ask(|core| !core.shard_mut().has_reloaded()) {
            std::thread::sleep(REVISION_POLL);
        }
    }

    /// Tells clients what INFO says now.
    pub fn announce(&self) {
        self.ask(|core| {
            core.shard_mut().announce_info();
            false
        });
    }

    /// Whether some core answers with yes.
    fn ask(&self, question: impl Fn(&mut Core) -> bool + Clone + Send + 'static) -> bool {
        let answers = self.cores.ask_all(move |core, _| question(core));
        answers
            .iter()
            .take(self.cores.count())
            .fold(false, |any, one| any | one)
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

/// The public keys that clients may have, by listener; empty: all.
#[derive(PartialEq)]
struct Pins {
    clients: BTreeSet<String>,
    websocket: BTreeSet<String>,
}

impl Pins {
    fn of(options: &Options) -> Self {
        let pins = |tls: Option<&TlsOptions>| {
            tls.map_or_else(BTreeSet::new, |tls| tls.pinned_certs.clone())
        };
        let websocket = options.websocket.as_ref();
        Self {
            clients: pins(options.tls.as_ref()),
            websocket: pins(websocket.and_then(|websocket| websocket.tls.as_ref())),
        }
    }

    fn accept(&self, connection_type: ConnectionType, tls: Option<&TlsFacts>) -> bool {
        let pins = match connection_type {
            ConnectionType::Websocket => &self.websocket,
            _ => &self.clients,
        };
        let own = tls.and_then(|tls| tls.peers.first());
        pins.is_empty() || own.is_some_and(|own| pins.contains(&own.key_sha256))
    }
}
