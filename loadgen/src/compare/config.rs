//! Configuration files for the servers: what a row needs, and what --features adds.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::compare::stage::Stage;
use crate::compare::store::Store;
use crate::net::target::ServerArgs;
use crate::quoted::quoted;

/// What a row needs beside a server that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Nothing.
    Plain,
    /// TLS.
    Tls,
    /// A WebSocket listener.
    WebSocket,
    /// The same, with compression.
    Compressed,
    /// Monitoring over HTTP.
    Monitored,
    /// Monitoring, and a configuration that changes.
    Reloaded,
    /// JetStream, as each server keeps its streams if nothing is said.
    Stored,
    /// JetStream, with the other server told to sync what it acknowledges (`sync_interval: always`).
    Synced,
    /// JetStream, as with [`Setting::Stored`]; the server is stopped, killed and started again after the plan.
    Restarted,
}

impl Setting {
    /// It needs JetStream, and so a directory.
    pub fn is_stored(self) -> bool {
        matches!(self, Setting::Stored | Setting::Synced | Setting::Restarted)
    }
}

/// What --features switches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Features {
    /// An account, permissions, and mappings of other subjects than the plan's.
    Beside,
    /// The same, with a mapping that every message of the plan goes through.
    Mapped,
    /// JetStream, which the plans do not use.
    Stored,
}

/// The user of the plan under --features.
pub const USER: (&str, &str) = ("bench", "bench-password");
/// The user of the plan while the configuration changes.
pub const STEADY: (&str, &str) = ("steady", "steady-password");
/// The user whose rights change.
pub const CHANGED: (&str, &str) = ("changed", "changed-password");

/// One side's wishes.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// A configuration file to build on.
    pub base: Option<PathBuf>,
    /// What is switched on.
    pub features: Option<Features>,
    /// User and password for the base's users.
    pub login: Option<(String, String)>,
    /// Where directories for streams are made.
    pub store_base: Option<PathBuf>,
    /// It is the other server: [`Setting::Synced`] is about it.
    pub is_other: bool,
}

/// How one server is started and reached.
pub struct Prepared {
    /// Its configuration file.
    pub config: Option<PathBuf>,
    /// The other content of that file, for reloads, and the first one.
    pub contents: Option<[String; 2]>,
    /// Its monitoring.
    pub http: Option<SocketAddr>,
    /// How to reach it.
    pub server: ServerArgs,
    /// Its listener without TLS or WebSocket, where it has one.
    pub plain: SocketAddr,
    /// The directory of its streams.
    store: Option<Store>,
}

impl Prepared {
    /// Writes what a server at `address` needs for `setting`; `free` are two more addresses that it may use.
    pub fn new(
        stage: &Stage,
        setting: Setting,
        wishes: &Wishes,
        address: SocketAddr,
        free: [SocketAddr; 2],
    ) -> Result<Self, String> {
        let mut server = ServerArgs {
            server: address.to_string(),
            ..ServerArgs::default()
        };
        if let Some((user, password)) = &wishes.login {
            (server.user, server.password) = (Some(user.clone()), Some(password.clone()));
        }
        let mut log_in = |(user, password): (&str, &str)| {
            (server.user, server.password) = (Some(user.into()), Some(password.into()));
        };
        if matches!(wishes.features, Some(Features::Beside | Features::Mapped)) {
            log_in(USER);
        }
        if setting == Setting::Reloaded {
            log_in(STEADY);
        }
        let mut prepared = Prepared {
            config: None,
            contents: None,
            http: None,
            server,
            plain: address,
            store: None,
        };
        let mut own = prepared.own_text(stage, setting, free);
        if setting.is_stored() || wishes.features == Some(Features::Stored) {
            own += &prepared.store_text(setting, wishes, address.port())?;
        }
        let features = wishes.features.map_or(String::new(), features_text);
        if own.is_empty() && features.is_empty() {
            prepared.config = wishes.base.clone();
            return Ok(prepared);
        }
        let base = match &wishes.base {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?,
            None => String::new(),
        };
        let text = format!("{base}\n{features}{own}");
        let name = format!("{}.conf", address.port());
        if setting == Setting::Reloaded {
            prepared.contents =
                Some([users_text(true), users_text(false)].map(|users| format!("{text}{users}")));
        }
        let first = prepared.contents.as_ref().map_or(&text, |both| &both[1]);
        prepared.config = Some(stage.write(&name, first)?);
        Ok(prepared)
    }

    fn own_text(&mut self, stage: &Stage, setting: Setting, free: [SocketAddr; 2]) -> String {
        let [http, websocket] = free;
        match setting {
            Setting::Plain | Setting::Stored | Setting::Synced | Setting::Restarted => {
                String::new()
            }
            Setting::Tls => {
                (self.server.tls, self.server.tls_ca) = (true, Some(stage.path("ca.pem")));
                format!(
                    "tls {{ cert_file: {}, key_file: {}, timeout: 10 }}\n",
                    quoted(&stage.path("server.pem").to_string_lossy()),
                    quoted(&stage.path("server-key.pem").to_string_lossy())
                )
            }
            Setting::WebSocket | Setting::Compressed => {
                let compressed = setting == Setting::Compressed;
                self.server.server = format!("ws://{websocket}");
                self.server.ws_compress = compressed;
                format!(
                    "websocket {{ listen: \"{websocket}\", no_tls: true, compression: {compressed} }}\n"
                )
            }
            Setting::Monitored | Setting::Reloaded => {
                self.http = Some(http);
                format!("http: \"{http}\"\n")
            }
        }
    }
}

impl Prepared {
    /// Makes a directory for streams, and what a configuration says about it.
    fn store_text(
        &mut self,
        setting: Setting,
        wishes: &Wishes,
        port: u16,
    ) -> Result<String, String> {
        let base = wishes.store_base.as_deref();
        let base = base.ok_or("no directory for streams: give --store-dir")?;
        let store = Store::new(base, &port.to_string())?;
        let path = store.path().to_string_lossy().into_owned();
        let sync = match setting == Setting::Synced && wishes.is_other {
            true => ", sync_interval: always",
            false => "",
        };
        self.store = Some(store);
        Ok(format!(
            "jetstream {{ store_dir: {}{sync} }}\n",
            quoted(&path)
        ))
    }
}

/// Users, of whom one has other rights in the other content; limits change with them.
fn users_text(other: bool) -> String {
    let (rights, limit) = match other {
        true => (
            r#"{ publish: "a.>", subscribe: { allow: ["a.>", "c.*"], deny: "a.b" } }"#,
            60_000,
        ),
        false => (r#"{ publish: ["a.*", "b.>"], subscribe: "b.>" }"#, 50_000),
    };
    let more: String = (0..if other { 20 } else { 10 })
        .map(|index| format!("    {{ user: more{index}, password: \"more-password\" }}\n"))
        .collect();
    format!(
        "max_subscriptions: {limit}\nauthorization {{\n  users: [\n    \
         {{ user: {}, password: \"{}\" }}\n    \
         {{ user: {}, password: \"{}\", permissions: {rights} }}\n{more}  ]\n}}\n",
        STEADY.0, STEADY.1, CHANGED.0, CHANGED.1
    )
}

/// Accounts, permissions that cover the plans' subjects, and mappings.
fn features_text(features: Features) -> String {
    let (user, password) = USER;
    let own = match features {
        Features::Stored => return String::new(),
        Features::Beside => "",
        Features::Mapped => {
            r#"
      "lg.>": [ { destination: "lg.>", weight: 100% } ]"#
        }
    };
    format!(
        r#"accounts {{
  BENCH {{
    default_permissions {{ publish: "nothing.>", subscribe: "nothing.>" }}
    users: [
      {{ user: {user}, password: "{password}", permissions: {{
        publish: {{ allow: ["lg.>", "_INBOX.>", "orders.*.new"], deny: ["lg.secret.>", "admin.>"] }}
        subscribe: {{ allow: ["lg.>", "_INBOX.>", "jobs.> workers"], deny: ["lg.secret.>", "admin.>"] }} }} }}
      {{ user: guest, password: "guest-password" }}
    ]
    mappings: {{
      "orders.*": "archive.$1"
      "canary.>": [ {{ destination: "canary.v1.>", weight: 90% }}, {{ destination: "canary.v2.>", weight: 10% }} ]{own}
    }}
  }}
  OTHER {{ users: [ {{ user: other, password: "other-password" }} ] }}
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(setting: Setting, features: Option<Features>) -> (Stage, Prepared) {
        let stage = Stage::new().unwrap();
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let wishes = Wishes {
            features,
            ..Wishes::default()
        };
        let free = [address(2), address(3)];
        let prepared = Prepared::new(&stage, setting, &wishes, address(1), free).unwrap();
        (stage, prepared)
    }

    #[test]
    fn streams_have_a_directory_and_only_the_other_server_is_told_to_sync() {
        let stage = Stage::new().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let base = stage.path("stores");
        for (setting, features, is_other, expected) in [
            (Setting::Stored, None, true, Some("")),
            (Setting::Synced, None, false, Some("")),
            (Setting::Synced, None, true, Some(", sync_interval: always")),
            (Setting::Plain, Some(Features::Stored), false, Some("")),
            (Setting::Plain, None, false, None),
        ] {
            let wishes = Wishes {
                features,
                is_other,
                store_base: Some(base.clone()),
                ..Wishes::default()
            };
            let prepared = Prepared::new(&stage, setting, &wishes, address, [address; 2]).unwrap();
            let config = prepared.config.as_ref();
            let text = config.map(|path| std::fs::read_to_string(path).unwrap());
            let store = prepared
                .store
                .as_ref()
                .map(|store| store.path().to_path_buf());
            let line = expected.map(|sync| {
                let path = store.as_ref().unwrap().display();
                format!("\njetstream {{ store_dir: \"{path}\"{sync} }}\n")
            });
            assert_eq!(text, line);
            assert!(prepared.server.user.is_none());
            drop(prepared);
            assert!(store.is_none_or(|store| !store.exists()));
        }
        let nowhere = Prepared::new(
            &stage,
            Setting::Stored,
            &Wishes::default(),
            address,
            [address; 2],
        );
        assert!(nowhere.is_err_and(|text| text.contains("--store-dir")));
    }

    #[test]
    fn nothing_is_written_where_nothing_is_needed() {
        let (_stage, prepared) = prepare(Setting::Plain, None);
        assert!(prepared.config.is_none() && prepared.server.user.is_none());
    }

    #[test]
    fn every_setting_is_written_and_can_be_reached() {
        for (setting, expected) in [
            (Setting::Tls, "server-key.pem"),
            (Setting::WebSocket, "compression: false"),
            (Setting::Compressed, "127.0.0.1:3"),
            (Setting::Monitored, "http: \"127.0.0.1:2\""),
            (Setting::Reloaded, "user: steady"),
        ] {
            let (_stage, prepared) = prepare(setting, None);
            let text = std::fs::read_to_string(prepared.config.as_ref().unwrap()).unwrap();
            assert!(text.contains(expected), "{setting:?}: {text}");
            prepared.server.target().unwrap();
            if let Some([other, first]) = prepared.contents {
                assert!(first == text && other != text);
            }
        }
        let (_stage, prepared) = prepare(Setting::Plain, Some(Features::Mapped));
        let text = std::fs::read_to_string(prepared.config.unwrap()).unwrap();
        assert!(text.contains("\"lg.>\": [") && prepared.server.user.as_deref() == Some("bench"));
        let (_stage, prepared) = prepare(Setting::Tls, Some(Features::Beside));
        let text = std::fs::read_to_string(prepared.config.unwrap()).unwrap();
        assert!(!text.contains("\"lg.>\": [") && text.contains("tls {"));
    }
}
