//! Which servers a request is for: several may hear it (NATS 2.15).

use serde::Deserialize;

use super::Admin;

/// What a request says of the servers that it is for; empty: all.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Filter {
    server_name: String,
    cluster: String,
    host: String,
    exact_match: bool,
    tags: Vec<String>,
    domain: String,
}

impl Filter {
    /// The filter in a request.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn of(payload: &[u8]) -> Result<Self, String> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        // The reference server does not take a list for an object.
        let starts = payload.trim_ascii_start().first();
        if starts == Some(&b'[') && serde_json::from_slice::<serde_json::Value>(payload).is_ok() {
            return Err("json: cannot unmarshal array into an object".to_owned());
        }
        let filter: Option<Self> = serde_json::from_slice(payload).map_err(|e| e.to_string())?;
        Ok(filter.unwrap_or_default())
    }

    /// Whether it lets in this server.
    pub fn lets_in(&self, admin: &Admin) -> bool {
        let settings = admin.settings();
        let tags = &settings.options.tags;
        let has_tag = |wanted: &String| tags.iter().any(|tag| tag.eq_ignore_ascii_case(wanted));
        self.meets(&self.server_name, &admin.server.server_name)
            && self.meets(&self.host, &admin.server.host)
            // There is neither a cluster nor a JetStream domain.
            && self.cluster.is_empty()
            && self.domain.is_empty()
            && self.tags.iter().all(has_tag)
    }

    fn meets(&self, wanted: &str, name: &str) -> bool {
        match self.exact_match {
            true => wanted.is_empty() || wanted == name,
            false => name.contains(wanted),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_met_in_part_or_whole() {
        let filter = |text: &str| Filter::of(text.as_bytes()).unwrap();
        let part = filter("{\"server_name\":\"on\"}");
        assert!(part.meets(&part.server_name, "one") && !part.meets(&part.server_name, "two"));
        let whole = filter("{\"server_name\":\"on\",\"exact_match\":true}");
        assert!(whole.meets(&whole.server_name, "on") && !whole.meets(&whole.server_name, "one"));
        assert!(filter("null").meets("", "one") && filter("{\"limit\":\"x\"}").tags.is_empty());
        for wrong in ["[", "[]", "\"\"", "{\"server_name\":5}", "5"] {
            assert!(Filter::of(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
