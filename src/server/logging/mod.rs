//! Log lines in nats-server's form, on standard error, in a file or to a system
//! log:
//!
//! ```text
//! [PID] 2026/11/22 20:44:09.922942 [INF] text
//! ```
//!
//! A `tracing` subscriber of our own: levels become labels (INF WRN ERR DBG TRC,
//! and FTL for the target `fatal`), fields other than the message follow as
//! ` name=value`, spans are ignored. Each line is one `write`, so lines of
//! threads never mix; control characters are escaped, so that nothing a client
//! sends can forge a line. Debug and trace are two switches, not two steps:
//! `-V` alone traces without debugging.
//!
//! For cold paths only: nothing here belongs on the way of a message.

mod sink;
mod syslog;

use std::fmt::{self, Write as _};
use std::io::IsTerminal;
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

pub use sink::{LogFile, LogTarget};
pub use syslog::SyslogAddress;

use jiff::Zoned;
use sink::{Line, Sink};
use syslog::Severity;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Events of this target are labelled FTL.
pub const FATAL: &str = "fatal";

/// Only events of our own crates are written.
const OWN_TARGET_PREFIX: &str = "trunkline";

/// What is written, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogStyle {
    /// `-D`.
    pub debug: bool,
    /// `-V`.
    pub trace: bool,
    /// Timestamps.
    pub time: bool,
    /// Timestamps in UTC.
    pub utc: bool,
    /// Coloured labels, for terminals.
    pub color: bool,
}

impl LogStyle {
    /// A style, coloured if the log goes to a terminal.
    pub fn new(debug: bool, trace: bool, time: bool, utc: bool, target: &LogTarget) -> Self {
        Self {
            debug,
            trace,
            time,
            utc,
            color: *target == LogTarget::Stderr && std::io::stderr().is_terminal(),
        }
    }

    fn enables(&self, level: Level) -> bool {
        match level {
            Level::DEBUG => self.debug,
            Level::TRACE => self.trace,
            _ => true,
        }
    }
}

/// The process-wide log: what is written can change while it is.
struct Log {
    style: RwLock<LogStyle>,
    sink: Mutex<Sink>,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// Installs the process-wide logger. Later calls change nothing.
///
/// # Errors
/// If the file or the system log cannot be opened.
pub fn install(style: LogStyle, target: LogTarget) -> Result<(), String> {
    let sink = Sink::open(target)?;
    let log = Log {
        style: RwLock::new(style),
        sink: Mutex::new(sink),
    };
    if LOG.set(log).is_ok() {
        let installed = tracing::subscriber::set_global_default(Writer { style: self::style });
        assert!(installed.is_ok(), "no other logger is ever installed");
    }
    Ok(())
}

/// Goes on with another style or another file.
///
/// # Errors
/// If the file cannot be opened; then nothing has changed.
pub fn change(style: LogStyle, target: LogTarget) -> Result<(), String> {
    if let Some(log) = LOG.get() {
        let sink = Sink::open(target)?;
        *log.sink.lock().unwrap_or_else(PoisonError::into_inner) = sink;
        *log.style.write().unwrap_or_else(PoisonError::into_inner) = style;
        tracing::callsite::rebuild_interest_cache();
    }
    Ok(())
}

/// Opens the log file again, after it was moved.
pub fn reopen() {
    if let Some(log) = LOG.get() {
        let mut sink = log.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let reopened = sink.reopen();
        drop(sink);
        match reopened {
            Ok(true) => tracing::info!("File log re-opened"),
            Ok(false) => tracing::info!("File log re-open ignored, not a file logger"),
            Err(failure) => tracing::error!("Cannot open the log file again: {failure}"),
        }
    }
}

/// Writes an FTL line and ends the process with status 1, logger or not.
pub fn fatal(text: impl fmt::Display) -> ! {
    write_fatal(text);
    std::process::exit(1);
}

/// Writes an FTL line, logger or not.
pub fn write_fatal(text: impl fmt::Display) {
    write_line(style(), Label::Fatal, &text.to_string());
}

fn style() -> LogStyle {
    match LOG.get() {
        Some(log) => *log.style.read().unwrap_or_else(PoisonError::into_inner),
        None => LogStyle::new(false, false, true, false, &LogTarget::Stderr),
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Label {
    Info,
    Warning,
    Error,
    Fatal,
    Debug,
    Trace,
}

impl Label {
    fn of(metadata: &Metadata<'_>) -> Self {
        if metadata.target() == FATAL {
            return Label::Fatal;
        }
        match *metadata.level() {
            Level::ERROR => Label::Error,
            Level::WARN => Label::Warning,
            Level::INFO => Label::Info,
            Level::DEBUG => Label::Debug,
            Level::TRACE => Label::Trace,
        }
    }

    /// The letters, and the colour that nats-server gives them on a terminal.
    fn letters_and_color(self) -> (&'static str, &'static str) {
        match self {
            Label::Info => ("INF", "32"),
            Label::Warning => ("WRN", "0;93"),
            Label::Error => ("ERR", "31"),
            Label::Fatal => ("FTL", "31"),
            Label::Debug => ("DBG", "36"),
            Label::Trace => ("TRC", "33"),
        }
    }

    fn severity(self) -> Severity {
        match self {
            Label::Info | Label::Trace => Severity::Notice,
            Label::Warning => Severity::Warning,
            Label::Error => Severity::Error,
            Label::Fatal => Severity::Critical,
            Label::Debug => Severity::Debug,
        }
    }
}

fn line(style: LogStyle, label: Label, text: &str) -> String {
    let now = match style.utc {
        true => Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC),
        false => Zoned::now(),
    };
    line_at(style, label, text, std::process::id(), &now)
}

fn line_at(style: LogStyle, label: Label, text: &str, pid: u32, now: &Zoned) -> String {
    let mut line = format!("[{pid}] ");
    if style.time {
        line.push_str(&now.strftime("%Y/%m/%d %H:%M:%S.%6f ").to_string());
    }
    let (letters, color) = label.letters_and_color();
    if style.color {
        line.push_str(&format!("[\x1b[{color}m{letters}\x1b[0m] "));
    } else {
        line.push_str(&format!("[{letters}] "));
    }
    line.push_str(&escaped(text));
    line.push('\n');
    line
}

/// A text that stays on its line.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

fn write_line(style: LogStyle, label: Label, text: &str) {
    let Some(log) = LOG.get() else {
        write_to(&mut Sink::Stderr, style, label, text);
        return;
    };
    let mut sink = log.sink.lock().unwrap_or_else(PoisonError::into_inner);
    for note in write_to(&mut sink, style, label, text) {
        // A limit that one note exceeds is not worth another round.
        write_to(&mut sink, style, Label::Info, &note);
    }
}

fn write_to(sink: &mut Sink, style: LogStyle, label: Label, text: &str) -> Vec<String> {
    sink.write(&Line {
        severity: label.severity(),
        text: &escaped(text),
        full: &line(style, label, text),
    })
}

/// Collects the message and the other fields of an event.
#[derive(Default)]
struct EventText {
    message: String,
    fields: String,
}

impl Visit for EventText {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
        // A broken Debug of some value costs that value, not the line.
        if written.is_err() {
            self.fields.push_str(" (unprintable)");
        }
    }
}

/// Writes events in the style of the moment.
struct Writer {
    style: fn() -> LogStyle,
}

impl Subscriber for Writer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        !metadata.is_span()
            && (target == FATAL || target.starts_with(OWN_TARGET_PREFIX))
            && (self.style)().enables(*metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match (self.style)() {
            LogStyle { trace: true, .. } => LevelFilter::TRACE,
            LogStyle { debug: true, .. } => LevelFilter::DEBUG,
            _ => LevelFilter::INFO,
        })
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = EventText::default();
        event.record(&mut text);
        text.message.push_str(&text.fields);
        let label = Label::of(event.metadata());
        write_line((self.style)(), label, &text.message);
    }

    fn new_span(&self, _attributes: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    const PLAIN: LogStyle = LogStyle {
        debug: false,
        trace: false,
        time: true,
        utc: false,
        color: false,
    };

    fn moment() -> Zoned {
        "2026-11-22T20:44:09.922942+01:00[+01:00]"
            .parse()
            .expect("a valid moment")
    }

    #[test]
    fn lines_have_the_form_of_nats_server() {
        let text = "Server is ready";
        assert_eq!(
            line_at(PLAIN, Label::Info, text, 42, &moment()),
            "[42] 2026/11/22 20:44:09.922942 [INF] Server is ready\n"
        );
        let bare = LogStyle {
            time: false,
            ..PLAIN
        };
        assert_eq!(
            line_at(bare, Label::Fatal, text, 42, &moment()),
            "[42] [FTL] Server is ready\n"
        );
        let color = LogStyle {
            color: true,
            ..bare
        };
        assert_eq!(
            line_at(color, Label::Warning, text, 42, &moment()),
            "[42] [\x1b[0;93mWRN\x1b[0m] Server is ready\n"
        );
    }

    #[test]
    fn a_message_cannot_forge_a_line() {
        let bare = LogStyle {
            time: false,
            ..PLAIN
        };
        assert_eq!(
            line_at(bare, Label::Debug, "a\r\n[1] [INF] b\tc\x1b", 42, &moment()),
            "[42] [DBG] a\\r\\n[1] [INF] b\tc\\u{1b}\n"
        );
    }

    #[test]
    fn debug_and_trace_are_two_switches() {
        for (debug, trace) in [(false, false), (false, true), (true, false), (true, true)] {
            let style = LogStyle {
                debug,
                trace,
                ..PLAIN
            };
            assert_eq!(style.enables(Level::DEBUG), debug);
            assert_eq!(style.enables(Level::TRACE), trace);
            assert!(style.enables(Level::INFO) && style.enables(Level::ERROR));
        }
    }

    /// Keeps what [`Writer`] would have written.
    struct Capture {
        log: Writer,
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl Subscriber for Capture {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            self.log.enabled(metadata)
        }
        fn event(&self, event: &Event<'_>) {
            let mut text = EventText::default();
            event.record(&mut text);
            let label = Label::of(event.metadata()).letters_and_color().0;
            let line = format!("{label} {}{}", text.message, text.fields);
            self.lines.lock().expect("no panic while held").push(line);
        }
        fn new_span(&self, attributes: &Attributes<'_>) -> Id {
            self.log.new_span(attributes)
        }
        fn record(&self, _span: &Id, _values: &Record<'_>) {}
        fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
        fn enter(&self, _span: &Id) {}
        fn exit(&self, _span: &Id) {}
    }

    #[test]
    fn events_become_labels_messages_and_fields() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let style = || LogStyle {
            trace: true,
            ..PLAIN
        };
        let capture = Capture {
            log: Writer { style },
            lines: lines.clone(),
        };
        tracing::subscriber::with_default(capture, || {
            tracing::info!("Listening on {}", 4222);
            tracing::warn!(cid = 5, reason = "slow", "Slow Consumer");
            tracing::error!("oh");
            tracing::debug!("not shown");
            tracing::trace!("<<- [PING]");
            tracing::error!(target: FATAL, "over");
            tracing::error!(target: "somebody_else", "not shown");
        });
        let lines = lines.lock().expect("no panic while held");
        assert_eq!(
            *lines,
            [
                "INF Listening on 4222",
                "WRN Slow Consumer cid=5 reason=\"slow\"",
                "ERR oh",
                "TRC <<- [PING]",
                "FTL over",
            ]
        );
    }
}
