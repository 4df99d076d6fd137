//! The flags as clap takes them.

use std::path::PathBuf;

use clap::{ArgAction, Parser};

/// A server for NATS clients.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "trunkline",
    about = "Trunkline: a messaging server for NATS clients",
    override_usage = "trunkline [OPTIONS]",
    disable_help_flag = true,
    disable_version_flag = true,
    next_line_help = false,
    max_term_width = 100,
    after_help = "Flags may begin with one dash or two, their values may follow or be joined by '='.\n\
                  -DV stands for -D -V. Flags override the configuration file.\n\
                  --cores auto runs one shard on every CPU that the affinity mask and the cgroup allow."
)]
pub(super) struct Flags {
    /// Address to bind to (also --net) [default: 0.0.0.0]
    #[arg(short = 'a', long, value_name = "HOST", help_heading = "Server")]
    pub(super) addr: Option<String>,
    /// Port for clients; -1 picks a free one [default: 4222]
    #[arg(short = 'p', long, value_name = "PORT", help_heading = "Server")]
    pub(super) port: Option<i64>,
    /// Name of this server (also --server_name) [default: its identity]
    #[arg(short = 'n', long, value_name = "NAME", help_heading = "Server")]
    pub(super) name: Option<String>,
    /// Configuration file
    #[arg(short = 'c', long, value_name = "FILE", help_heading = "Server")]
    pub(super) config: Option<PathBuf>,
    /// Shards: a count (4), a list of CPUs (0-3,8), or auto [default: auto]
    #[arg(long, value_name = "CORES", help_heading = "Server")]
    pub(super) cores: Option<String>,
    /// File to write the process number to
    #[arg(short = 'P', long, value_name = "FILE", help_heading = "Server")]
    pub(super) pid: Option<PathBuf>,
    /// Port for monitoring over HTTP
    #[arg(
        short = 'm',
        long = "http_port",
        value_name = "PORT",
        help_heading = "Server"
    )]
    pub(super) http_port: Option<i64>,
    /// Port for monitoring over HTTPS (also -ms PORT)
    #[arg(long = "https_port", value_name = "PORT", help_heading = "Server")]
    pub(super) https_port: Option<i64>,
    /// Directory for the file that names the ports
    #[arg(long = "ports_file_dir", value_name = "DIR", help_heading = "Server")]
    pub(super) ports_file_dir: Option<PathBuf>,
    /// Host and port that clients are told to connect to
    #[arg(
        long = "client_advertise",
        value_name = "HOST:PORT",
        help_heading = "Server"
    )]
    pub(super) client_advertise: Option<String>,
    /// Keep streams (also -js) [default: true, false with a configuration file]
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Server")]
    pub(super) jetstream: Option<bool>,
    /// Directory of streams (also -sd) [default: one of this user's that outlives a reboot]
    #[arg(long = "store_dir", value_name = "DIR", help_heading = "Server")]
    pub(super) store_dir: Option<PathBuf>,
    /// Check the configuration file and end
    #[arg(short = 't', help_heading = "Server")]
    pub(super) check: bool,
    /// With -t, test whether a server with the configuration file could reload this one; ends
    /// with 3 if it would have to be restarted
    #[arg(long = "test_reload", value_name = "FILE", help_heading = "Server")]
    pub(super) test_reload: Option<PathBuf>,
    /// Send a signal to a running server: stop, quit, term, reopen, reload or ldm, perhaps
    /// followed by =PID or =FILE
    #[arg(long, value_name = "SIGNAL", help_heading = "Server")]
    pub(super) signal: Option<String>,
    /// User that may connect
    #[arg(long, value_name = "NAME", help_heading = "Authorization")]
    pub(super) user: Option<String>,
    /// Its password
    #[arg(long, value_name = "PASSWORD", help_heading = "Authorization")]
    pub(super) pass: Option<String>,
    /// Token of those who may connect
    #[arg(long, value_name = "TOKEN", help_heading = "Authorization")]
    pub(super) auth: Option<String>,
    /// Speak TLS
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "TLS")]
    pub(super) tls: Option<bool>,
    /// Demand and check certificates of clients; with =optional, check those that are shown
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", help_heading = "TLS")]
    pub(super) tlsverify: Option<String>,
    /// File with the certificate
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(super) tlscert: Option<PathBuf>,
    /// File with its key
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(super) tlskey: Option<PathBuf>,
    /// File with the authorities of client certificates
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(super) tlscacert: Option<PathBuf>,
    /// File to write the log to
    #[arg(short = 'l', long, value_name = "FILE", help_heading = "Logging")]
    pub(super) log: Option<PathBuf>,
    /// Timestamps in the log [default: true]
    #[arg(short = 'T', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Logging")]
    pub(super) logtime: Option<bool>,
    /// Timestamps in UTC
    #[arg(long = "logtime_utc", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Logging")]
    pub(super) logtime_utc: Option<bool>,
    /// Bytes after which a new log file begins
    #[arg(
        long = "log_size_limit",
        value_name = "BYTES",
        help_heading = "Logging"
    )]
    pub(super) log_size_limit: Option<i64>,
    /// Log to the system's log
    #[arg(short = 's', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Logging")]
    pub(super) syslog: Option<bool>,
    /// Log to another machine: udp://host:514, tcp://host:514
    #[arg(
        short = 'r',
        long = "remote_syslog",
        value_name = "URL",
        help_heading = "Logging"
    )]
    pub(super) remote_syslog: Option<String>,
    /// Log debugging information
    #[arg(short = 'D', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Logging")]
    pub(super) debug: Option<bool>,
    /// Trace the protocol of every connection
    #[arg(short = 'V', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Logging")]
    pub(super) trace: Option<bool>,
    /// Bytes of a payload in traces [default: all]
    #[arg(
        long = "max_traced_msg_len",
        value_name = "BYTES",
        help_heading = "Logging"
    )]
    pub(super) max_traced_msg_len: Option<i64>,
    /// Show the version
    #[arg(short = 'v', long, help_heading = "Common")]
    pub(super) version: bool,
    /// Show this help
    #[arg(short = 'h', long, help_heading = "Common")]
    pub(super) help: bool,
    /// Say how TLS is configured
    #[arg(long = "help_tls", help_heading = "Common")]
    pub(super) help_tls: bool,
    /// `help` or `version`; anything else is refused
    #[arg(hide = true)]
    pub(super) words: Vec<String>,
}
