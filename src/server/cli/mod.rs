//! The command line: Go's flag forms, our flags, and the options they lead to.
//!
//! nats-server's flags follow Go: one dash or two make no difference, a value
//! follows or is joined by `=`, a switch may be switched off with `=false`, and
//! everything after the first word that is no flag is left alone. So words are
//! first rewritten to the one form that clap takes (`--name=value`); clap types
//! the values and writes the help.
//!
//! A flag of nats-server that is not supported yet is refused by its name. Unlike
//! nats-server, which prints its usage and ends with 0, an unknown flag ends with 1.

mod exit;
mod flags;
mod spelling;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;
use trunkline_core::base::shown::quoted;
use trunkline_core::session::authority::Authority;
use trunkline_core::session::policy::Secret;

use crate::listening::Listening;
use crate::net::tls;
use crate::options::tls::{CertificateFiles, TLS_TIMEOUT_NS, TlsOptions, Verify};
use crate::options::{CoreChoice, Options, Refusal, Requested, changes, leaf};
use crate::{config, program, signals};
pub use exit::Exit;
use exit::help;
use flags::Flags;
use spelling::rewrite;

/// Exit status if another file cannot be reloaded without a restart.
const NEEDS_RESTART: u8 = 3;

/// What the process is to do.
#[derive(Debug)]
pub enum Command {
    /// Run a server.
    Start(Box<Start>),
    /// Print and end.
    Exit(Exit),
}

/// A server to run.
#[derive(Debug)]
pub struct Start {
    /// Its settings.
    pub options: Options,
    /// What new connections meet.
    pub listening: Listening,
    /// Where some of them came from.
    pub config_file: Option<PathBuf>,
    /// Lines for standard error, before the log begins.
    pub warnings: Vec<String>,
}

/// Decides what to do from the words after the program's name.
pub fn command(arguments: impl IntoIterator<Item = OsString>) -> Command {
    match try_command(arguments) {
        Ok(start) => Command::Start(Box::new(start)),
        Err(exit) => Command::Exit(exit),
    }
}

fn try_command(arguments: impl IntoIterator<Item = OsString>) -> Result<Start, Exit> {
    let flags = parse(arguments)?;
    if let Some(command) = &flags.signal {
        return Err(match signals::send(command) {
            Ok(()) => Exit::default(),
            Err(text) => Exit::refused(text),
        });
    }
    if flags.test_reload.is_some() && !flags.check {
        let text = "--test_reload can only be used together with -t";
        return Err(Exit::refused(text));
    }
    if flags.check {
        return Err(check(&flags)?);
    }
    let (requested, warnings) = request(&flags, flags.config.as_deref())?;
    let options = requested.resolve().map_err(|refusal| match refusal {
        Refusal::Setting(text) | Refusal::Start(text) => Exit::refused(text),
        Refusal::Listener(text) => Exit {
            fatal: Some(text),
            status: 1,
            ..Exit::default()
        },
    })?;
    let listening = judge(&options)?;
    Ok(Start {
        options,
        listening,
        config_file: flags.config.clone(),
        warnings,
    })
}

/// What a file and then the flags ask for, with warnings about the file.
fn request(flags: &Flags, file: Option<&Path>) -> Result<(Requested, Vec<String>), Exit> {
    let mut requested = Requested::default();
    let warnings = match file {
        Some(file) => load(file, &mut requested)?,
        None => {
            // Whoever names nothing gets everything; nats-server's users ask for streams.
            requested.jetstream.is_enabled = Some(!program::is_stand_in());
            Vec::new()
        }
    };
    flags.clone().put_into(&mut requested)?;
    Ok((requested, warnings))
}

/// What is reported like everything else that is wrong with a configuration.
fn judge(options: &Options) -> Result<Listening, Exit> {
    Authority::new(options.policy.clone()).map_err(|bad| Exit::refused(bad.0))?;
    Listening::read(options).map_err(Exit::refused)
}

/// Checks the file, and whether a server could change over from it to another.
fn check(flags: &Flags) -> Result<Exit, Exit> {
    let Some(file) = &flags.config else {
        return Err(Exit::refused(
            "must specify [-c, --config] option to check configuration file syntax",
        ));
    };
    let (digest, old) = checked(flags, file)?;
    let mut lines = vec![format!(
        "configuration file {} is valid ({digest})",
        file.display()
    )];
    if let Some(file) = &flags.test_reload {
        let (_, new) = checked(flags, file)?;
        if let (Some(old), Some(new)) = (old, new) {
            let port = |options: &Options| options.leaf.as_ref().map(|leaf| leaf.port.to_bind());
            changes::refuse(&old, &new)
                .and_then(|()| leaf::refuse_move(old.leaf.as_ref(), new.leaf.as_ref(), port(&old)))
                .map_err(|text| Exit {
                    status: NEEDS_RESTART,
                    ..Exit::refused(text)
                })?;
        }
        lines.push(format!(
            "configuration file {} can be reloaded",
            file.display()
        ));
    }
    let prefix = program::prefix();
    Ok(Exit {
        stderr: lines
            .iter()
            .map(|line| format!("{prefix}: {line}\n"))
            .collect(),
        ..Exit::default()
    })
}

/// The digest of a file without mistakes, and what it leads to; `None`: a server would find out when
/// it starts that it cannot.
fn checked(flags: &Flags, file: &Path) -> Result<(String, Option<Options>), Exit> {
    let (requested, warnings) = request(flags, Some(file))?;
    if !warnings.is_empty() {
        return Err(Exit::refused(format!("{}\n", warnings.join("\n"))));
    }
    let digest = requested.config_digest.clone();
    let options = match requested.resolve() {
        Ok(options) => options,
        Err(Refusal::Start(_) | Refusal::Listener(_)) => return Ok((digest, None)),
        Err(Refusal::Setting(text)) => return Err(Exit::refused(text)),
    };
    judge(&options)?;
    Ok((digest, Some(options)))
}

fn load(file: &Path, requested: &mut Requested) -> Result<Vec<String>, Exit> {
    let warnings = config::load(file, requested).map_err(Exit::refused)?;
    Ok(warnings.iter().map(ToString::to_string).collect())
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Flags, Exit> {
    let words = rewrite(arguments)?;
    let program = std::iter::once(OsString::from("trunkline"));
    let flags = Flags::try_parse_from(program.chain(words))
        .map_err(|error| Exit::wrong_usage(first_line(&error)))?;
    let word = flags.words.first().map(|word| word.to_lowercase());
    match word.as_deref() {
        _ if flags.version => Err(print(program::version())),
        _ if flags.help => Err(print(help())),
        _ if flags.help_tls => Err(print(help_tls())),
        Some("version") => Err(print(program::version())),
        Some("help") => Err(print(help())),
        Some(_) => Err(Exit::refused(format!(
            "unrecognized command: {}",
            quoted(&flags.words[0])
        ))),
        None => Ok(flags),
    }
}

fn print(stdout: String) -> Exit {
    Exit {
        stdout,
        ..Exit::default()
    }
}

/// How TLS is configured.
fn help_tls() -> String {
    let list = |names: Vec<String>| -> String {
        names.iter().map(|name| format!("    {name}\n")).collect()
    };
    format!(
        "{}\nCipher suites:\n{}\nCurve preferences:\n{}",
        include_str!("help_tls.txt"),
        list(tls::cipher_names()),
        list(tls::curve_names())
    )
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

impl Flags {
    /// Overrides what a file said.
    fn put_into(self, requested: &mut Requested) -> Result<(), Exit> {
        fn set<T>(to: &mut T, flag: Option<T>) {
            if let Some(value) = flag {
                *to = value;
            }
        }
        set(&mut requested.host, self.addr);
        set(&mut requested.port, self.port);
        set(&mut requested.server_name, self.name);
        set(&mut requested.pid_file, self.pid.map(Some));
        set(&mut requested.ports_file_dir, self.ports_file_dir.map(Some));
        set(&mut requested.client_advertise, self.client_advertise);
        set(&mut requested.store_dir, self.store_dir.map(Some));
        set(
            &mut requested.jetstream.is_enabled,
            self.jetstream.map(Some),
        );
        set(&mut requested.log_file, self.log.map(Some));
        set(&mut requested.log_size_limit_bytes, self.log_size_limit);
        set(&mut requested.log_time, self.logtime.map(Some));
        set(&mut requested.log_time_utc, self.logtime_utc);
        set(&mut requested.http_port, self.http_port);
        set(&mut requested.https_port, self.https_port);
        if self.user.is_some() || self.auth.is_some() {
            let access = &mut requested.access;
            access.user = self.user.unwrap_or_default();
            access.password = Secret(self.pass.unwrap_or_default());
            access.token = Secret(self.auth.unwrap_or_default());
        }
        let verify = match self.tlsverify.as_deref() {
            Some("true") => Verify::Required,
            Some("optional") => Verify::Optional,
            _ => Verify::No,
        };
        if self.tls == Some(true) || verify != Verify::No || self.tlscert.is_some() {
            requested.tls = Some(TlsOptions {
                certificates: vec![CertificateFiles {
                    cert_file: self.tlscert.unwrap_or_default(),
                    key_file: self.tlskey.unwrap_or_default(),
                }],
                ca_file: self.tlscacert,
                verify,
                timeout_ns: TLS_TIMEOUT_NS,
                ..TlsOptions::default()
            });
        }
        set(&mut requested.syslog, self.syslog);
        set(&mut requested.remote_syslog, self.remote_syslog);
        set(&mut requested.max_traced_msg_len, self.max_traced_msg_len);
        set(&mut requested.debug, self.debug);
        set(&mut requested.trace, self.trace);
        if let Some(cores) = self.cores {
            requested.cores = cores
                .parse::<CoreChoice>()
                .map_err(|text| Exit::refused(format!("--{text}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
