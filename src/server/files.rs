//! Files by which others find the server: the pid file and the ports file.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::options::join_host_port;
use crate::{io_failure, program};

/// What the ports file says (NATS 2.15 `Ports`).
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ports {
    /// For clients.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nats: Vec<String>,
    /// For monitoring.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub monitoring: Vec<String>,
    /// For clients over WebSocket.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub websocket: Vec<String>,
}

/// Writes the number of this process, without a newline; the file stays when
/// the server ends, as that of the reference server does.
pub fn write_pid(path: &Path) -> Result<(), String> {
    std::fs::write(path, std::process::id().to_string()).map_err(|failure| {
        let reason = io_failure::describe(&failure);
        format!("Could not write pidfile: open {}: {reason}", path.display())
    })
}

/// The ports file, which is removed when the server ends.
pub struct PortsFile(PathBuf);

impl PortsFile {
    /// Writes `<program>_<pid>.ports`: first beside it, then renamed, so that
    /// nobody reads half of it.
    pub fn write(directory: &Path, ports: &Ports) -> Result<Self, String> {
        let name = format!("{}_{}.ports", program::name(), std::process::id());
        let path = directory.join(name);
        let failed = |failure: std::io::Error| {
            format!("Error writing ports file to {}: {failure}", path.display())
        };
        let text = serde_json::to_string(ports).expect("lists of texts are always JSON");
        let new = path.with_extension("ports.new");
        std::fs::write(&new, text).map_err(failed)?;
        std::fs::rename(&new, &path).map_err(failed)?;
        Ok(Self(path))
    }
}

impl Drop for PortsFile {
    fn drop(&mut self) {
        // It may have been removed by whoever read it.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The addresses under which a listener can be reached: itself, or those of all
/// interfaces if it is bound to every address.
pub fn reachable(bound: SocketAddr) -> Vec<String> {
    if !bound.ip().is_unspecified() {
        return vec![join_host_port(&bound.ip().to_string(), bound.port())];
    }
    let mut addresses: Vec<IpAddr> = interfaces();
    addresses.retain(|address| bound.is_ipv6() || address.is_ipv4());
    let join = |address: IpAddr| join_host_port(&address.to_string(), bound.port());
    addresses.into_iter().map(join).collect()
}

/// The addresses of this machine's interfaces, link-local ones left out.
fn interfaces() -> Vec<IpAddr> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let addresses = found.into_iter().map(|interface| interface.ip());
    addresses
        .filter(|address| match address {
            IpAddr::V4(address) => !address.is_link_local(),
            IpAddr::V6(address) => !address.is_unicast_link_local(),
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_file_comes_and_goes() {
        let directory = std::env::temp_dir().join(format!("ports-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let ports = Ports {
            nats: vec!["nats://127.0.0.1:4222".into()],
            ..Ports::default()
        };
        let file = PortsFile::write(&directory, &ports).unwrap();
        let text = std::fs::read_to_string(&file.0).unwrap();
        assert_eq!(text, r#"{"nats":["nats://127.0.0.1:4222"]}"#);
        let path = file.0.clone();
        drop(file);
        assert!(!path.exists());
        std::fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn a_wildcard_is_reachable_at_every_interface() {
        let own = "127.0.0.1:4222".parse().unwrap();
        assert_eq!(reachable(own), ["127.0.0.1:4222"]);
        let all = reachable("0.0.0.0:4222".parse().unwrap());
        assert!(all.contains(&"127.0.0.1:4222".to_owned()));
        assert!(all.iter().all(|address| !address.starts_with('[')));
    }
}
