//! The settings of a `leafnodes {}` block: where leaf nodes would connect.

use super::address::{HOST, PortChoice, Refusal, port_choice};
use trunkline_core::base::shown::quoted;

/// What a file asked for.
#[derive(Clone, Debug, Default)]
pub struct RequestedLeaf {
    /// Empty: the default.
    pub host: String,
    /// 0: no listener; -1 lets the system pick.
    pub port: i64,
    /// Where the block stands in the file.
    pub place: String,
}

/// The listener for leaf nodes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeafOptions {
    /// Address or name to bind to.
    pub host: String,
    /// Its port.
    pub port: PortChoice,
    /// Where the block stands in the file, as `FILE:LINE:COL`.
    pub place: String,
}

impl RequestedLeaf {
    /// `None` if there is no listener.
    ///
    /// # Errors
    /// The text of the fatal log line of nats-server.
    pub(super) fn resolve(self) -> Result<Option<LeafOptions>, Refusal> {
        let port = self.port;
        if port == 0 {
            return Ok(None);
        }
        Ok(Some(LeafOptions {
            port: port_choice(&self.host, port).map_err(|_| {
                Refusal::Listener(format!(
                    "Error listening on leafnode port: {port} - \
                     listen tcp: address {port}: invalid port"
                ))
            })?,
            host: match &*self.host {
                "" => HOST.to_owned(),
                _ => self.host,
            },
            place: self.place,
        }))
    }
}

/// Whether a reload would move the listener, which is bound to `bound_port`; then the text in
/// which nats-server refuses it.
pub fn refuse_move(
    old: Option<&LeafOptions>,
    new: Option<&LeafOptions>,
    bound_port: Option<u16>,
) -> Result<(), String> {
    let host = |leaf: Option<&LeafOptions>| leaf.map_or_else(String::new, |leaf| leaf.host.clone());
    let bound_port = bound_port.unwrap_or(0);
    // A free port is the one that was found at the start.
    let new_port = match new.map(|leaf| leaf.port) {
        None => 0,
        Some(PortChoice::Random) => bound_port,
        Some(PortChoice::Fixed(port)) => port,
    };
    let differ = |field, old: &str, new: &str| {
        Err(format!(
            "config reload not supported for LeafNode: field {field}: old={old}, new={new}",
            field = quoted(&field)
        ))
    };
    match (host(old), host(new)) {
        (old, new) if old != new => differ("Host", &old, &new),
        _ if bound_port != new_port => {
            differ("Port", &bound_port.to_string(), &new_port.to_string())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(host: &str, port: PortChoice) -> LeafOptions {
        LeafOptions {
            host: host.to_owned(),
            port,
            place: String::new(),
        }
    }

    #[test]
    fn the_listener_stays_where_it_is() {
        let old = leaf("a", PortChoice::Random);
        let refuse = |new: Option<LeafOptions>| refuse_move(Some(&old), new.as_ref(), Some(7422));
        for port in [PortChoice::Random, PortChoice::Fixed(7422)] {
            assert_eq!(refuse(Some(leaf("a", port))), Ok(()));
        }
        assert_eq!(refuse_move(None, None, None), Ok(()));
        let text = |field: &str| {
            Err(format!(
                "config reload not supported for LeafNode: field {field}"
            ))
        };
        for (new, expected) in [
            (None, text("\"Host\": old=a, new=")),
            (
                Some(leaf("b", PortChoice::Random)),
                text("\"Host\": old=a, new=b"),
            ),
            (
                Some(leaf("a", PortChoice::Fixed(5))),
                text("\"Port\": old=7422, new=5"),
            ),
        ] {
            assert_eq!(refuse(new), expected);
        }
        let new = leaf("a", PortChoice::Fixed(5));
        let expected = text("\"Host\": old=, new=a");
        assert_eq!(refuse_move(None, Some(&new), None), expected);
    }
}
