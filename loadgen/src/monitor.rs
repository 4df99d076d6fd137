//! The server's monitoring over HTTP: asking once, polling all of it, and reading how long turns took.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::now_ns;
use crate::pin::{self, CpuList};

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// A turn may not take longer.
const TURN_SECONDS_MAX: &str = "0.005";

/// Everything a monitoring system reads.
const ENDPOINTS: [&str; 11] = [
    "/varz",
    "/connz",
    "/subsz",
    "/routez",
    "/leafz",
    "/gatewayz",
    "/accountz",
    "/accstatz",
    "/jsz",
    "/healthz",
    "/metrics",
];

/// One GET; the body, or what went wrong.
pub fn get(address: SocketAddr, path: &str) -> Result<String, String> {
    let fail = |error: String| format!("monitoring at {address}{path}: {error}");
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        // HTTP/1.0: the answer ends with the connection, whatever its form.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| fail(error.to_string()))?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| fail("this is not HTTP".into()))?;
    let status = head.split(' ').nth(1).unwrap_or("");
    if status != "200" {
        return Err(fail(format!("status {status}")));
    }
    Ok(body.into())
}

/// Asks for every endpoint again and again, on a thread of its own.
pub struct Poller {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64, String>>,
}

impl Poller {
    /// Starts polling `address` (`host:port`), each endpoint `polls` times a second; endpoints that the server does not
    /// have are left out. The thread runs on `cpus` and gives way to those that measure.
    pub fn start(address: &str, polls: f64, cpus: Option<&CpuList>) -> Result<Self, String> {
        let address = address
            .to_socket_addrs()
            .ok()
            .and_then(|mut all| all.next())
            .ok_or_else(|| format!("--monitor {address}: no such address"))?;
        get(address, "/varz")?;
        let offered: Vec<&str> = ENDPOINTS
            .into_iter()
            .filter(|path| get(address, path).is_ok())
            .collect();
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, cpu) = (stop.clone(), cpus.map(|cpus| cpus.cpu(0)));
        let thread = std::thread::spawn(move || {
            if let Some(cpu) = cpu {
                pin::pin_current_thread(cpu)
                    .map_err(|error| format!("cannot run on CPU {cpu}: {error}"))?;
            }
            pin::give_way();
            poll(address, &offered, polls, &stopped)
        });
        Ok(Poller { stop, thread })
    }

    /// Ends the polling; returns how many answers there were.
    pub fn stop(self) -> Result<u64, String> {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("the poller does not panic")
    }
}

fn poll(
    address: SocketAddr,
    endpoints: &[&str],
    polls: f64,
    stop: &AtomicBool,
) -> Result<u64, String> {
    let interval_ns = (1e9 / polls / endpoints.len() as f64) as u64;
    let (mut due_ns, mut answers) = (now_ns(), 0);
    for path in endpoints.iter().cycle() {
        if stop.load(Relaxed) {
            break;
        }
        get(address, path)?;
        answers += 1;
        // A server that cannot keep up is asked as often as it can answer, not more.
        due_ns = (due_ns + interval_ns).max(now_ns().saturating_sub(interval_ns));
        std::thread::sleep(Duration::from_nanos(due_ns.saturating_sub(now_ns())));
    }
    Ok(answers)
}

/// What a server tells of the length of its turns, over all cores.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Turns {
    /// The longest: of the last minute if the server keeps that, else since it started.
    pub longest_seconds: Option<f64>,
    /// Turns above 5 ms since it started.
    pub long: Option<f64>,
}

impl Turns {
    /// Reads `/metrics`; nothing when the server has no such endpoint or no such metrics.
    pub fn read(address: SocketAddr) -> Self {
        get(address, "/metrics").map_or(Turns::default(), |text| Turns::parse(&text))
    }

    fn parse(text: &str) -> Self {
        // Whatever the metrics of a server begin with.
        let values = |end: &str, label: &str| -> Vec<f64> {
            text.lines()
                .filter(|line| !line.starts_with('#') && line.contains(label))
                .filter(|line| {
                    line.split(['{', ' '])
                        .next()
                        .is_some_and(|name| name.ends_with(end))
                })
                .filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
                .collect()
        };
        let short = values(
            "core_turn_seconds_bucket",
            &format!("le=\"{TURN_SECONDS_MAX}\""),
        );
        let all = values("core_turn_seconds_count", "");
        Turns {
            longest_seconds: ["core_turn_seconds_max_recent", "core_turn_seconds_max"]
                .into_iter()
                .find_map(|name| values(name, "").into_iter().reduce(f64::max)),
            long: (!short.is_empty() && short.len() == all.len())
                .then(|| all.iter().sum::<f64>() - short.iter().sum::<f64>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    #[test]
    fn turns_out_of_metrics() {
        let text = "# TYPE x_core_turn_seconds histogram\n\
            x_core_turn_seconds_bucket{core=\"0\",le=\"0.001\"} 7\n\
            x_core_turn_seconds_bucket{core=\"0\",le=\"0.005\"} 9\n\
            x_core_turn_seconds_bucket{core=\"1\",le=\"0.005\"} 5\n\
            x_core_turn_seconds_count{core=\"0\"} 10\n\
            x_core_turn_seconds_count{core=\"1\"} 5\n\
            x_core_turn_seconds_max{core=\"0\"} 0.0071\n\
            x_core_turn_seconds_max{core=\"1\"} 0.0004\n";
        let turns = Turns::parse(text);
        assert_eq!(turns.longest_seconds, Some(0.0071));
        let recent = format!("{text}x_core_turn_seconds_max_recent{{core=\"0\"}} 0.002\n");
        assert_eq!(Turns::parse(&recent).longest_seconds, Some(0.002));
        assert_eq!(turns.long, Some(1.0));
        assert_eq!(Turns::parse("gnatsd_varz_cpu 3\n"), Turns::default());
    }

    /// Answers `count` requests, `/jsz` with 404.
    fn server(count: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten().take(count) {
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let status = if head[0].contains("/jsz") { 404 } else { 200 };
                let _ = write!(&stream, "HTTP/1.1 {status} X\r\n\r\nbody");
            }
        });
        address
    }

    #[test]
    fn polling_leaves_out_what_is_not_offered() {
        let address = server(usize::MAX);
        assert_eq!(get(address, "/varz"), Ok("body".into()));
        assert!(get(address, "/jsz").unwrap_err().contains("404"));
        let poller = Poller::start(&address.to_string(), 20.0, None).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let answers = poller.stop().unwrap();
        // 60 on a machine with time to spare.
        assert!((2..=80).contains(&answers), "{answers}");
    }

    #[test]
    fn a_server_that_goes_away_is_an_error() {
        let address = server(1 + ENDPOINTS.len());
        let poller = Poller::start(&address.to_string(), 50.0, None).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert!(poller.stop().unwrap_err().contains("monitoring at"));
        assert!(Poller::start("nowhere", 1.0, None).is_err());
    }
}
