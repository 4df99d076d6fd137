//! The `leafnodes` block of a file: where to listen, and nothing else yet.

use super::Findings;
use super::keys;
use super::read::{integer, listen, text, unknown, unsupported};
use super::value::{ConfigError, Entry, Item, Value};
use crate::options::leaf::RequestedLeaf;

/// Reads the block.
pub(super) fn leaf(item: &Item, findings: &mut Findings) -> Result<RequestedLeaf, ConfigError> {
    let Value::Map(map) = &item.value else {
        let kind = item.value.kind();
        let message = format!("Expected map to define a leafnode, got {kind}");
        return Err(ConfigError::at(&item.at, message));
    };
    let mut leaf = RequestedLeaf {
        place: item.at.to_string(),
        ..RequestedLeaf::default()
    };
    for entry in map.entries() {
        findings.errors.extend(leaf_entry(entry, &mut leaf).err());
    }
    Ok(leaf)
}

fn leaf_entry(entry: &Entry, leaf: &mut RequestedLeaf) -> Result<(), ConfigError> {
    let item = &entry.item;
    let key = entry.key.to_lowercase();
    match key.as_str() {
        "listen" => (leaf.host, leaf.port) = listen(item)?,
        "port" => leaf.port = integer(&key, item)?,
        "host" | "net" => leaf.host = text(&key, item)?,
        _ if keys::known_in_leaf(&key) => return Err(unsupported(&key, entry)),
        _ if entry.used_as_variable => {}
        _ => return Err(unknown(entry, keys::IN_LEAF)),
    }
    Ok(())
}
