//! What a request over HTTP asks for: its target as path and query, as Go's
//! `net/url` reads it, whose rules pages of nats-server are found by.
//!
//! Dashboards and people send `>`, `"` and letters of any language as they are.

/// Path and query of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// With `%` for all that needs it.
    pub path: String,
    /// What stands after the question mark, as it is.
    pub query: String,
}

impl Target {
    /// From a request line; `None` if it makes no sense.
    pub fn read(method: &str, text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let (before, query) = text.split_once('?').unwrap_or((text, ""));
        let path = match method {
            _ if text == "*" => "*".to_owned(),
            _ if before.starts_with('/') => escaped_path(before)?,
            "CONNECT" => String::new(),
            _ => escaped_path(after_authority(before)?)?,
        };
        Some(Self {
            path,
            query: query.to_owned(),
        })
    }

    /// The path without `%`; `None` if a part of it holds a slash, which no
    /// page has.
    pub fn page(&self) -> Option<String> {
        let mut page = String::new();
        for (at, part) in self.path.split('/').enumerate() {
            let part = String::from_utf8(unescaped(part, false)?).ok();
            let part = part.filter(|part| !part.contains('/'))?;
            if at > 0 {
                page.push('/');
            }
            page.push_str(&part);
        }
        Some(page)
    }

    /// Where the same page is without dots and double slashes; `None` if it is
    /// there already.
    pub fn moved(&self) -> Option<String> {
        let mut location = escaped(cleaned(&self.path)?.as_bytes());
        if !self.query.is_empty() {
            location.push('?');
            location.push_str(&self.query);
        }
        Some(location)
    }
}

/// The pairs of a query; what cannot be read is left out.
pub fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let parts = query.split('&');
    let parts = parts.filter(|part| !part.is_empty() && !part.contains(';'));
    parts.filter_map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let text = |text| {
            let bytes = unescaped(text, true)?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        Some((text(name)?, text(value)?))
    })
}

/// The path of `http://host/path`.
fn after_authority(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        || !scheme.bytes().all(is_of_scheme)
    {
        return None;
    }
    let authority = rest.strip_prefix("//").unwrap_or_default();
    Some(authority.find('/').map_or("", |at| &authority[at..]))
}

/// A path as it came if that is well-formed, otherwise escaped anew.
fn escaped_path(path: &str) -> Option<String> {
    let plain = unescaped(path, false)?;
    let is_allowed = |byte| is_plain(byte) || b"!'()*[]%".contains(&byte);
    Some(match path.bytes().all(is_allowed) {
        true => path.to_owned(),
        false => escaped(&plain),
    })
}

/// Whether a byte stands for itself in a path.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte)
}

fn escaped(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for &byte in path {
        match is_plain(byte) {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Without `%`; `None` if hexadecimal digits do not follow one.
fn unescaped(text: &str, plus_is_space: bool) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        plain.push(match byte {
            b'%' => {
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high << 4 | low).ok()?
            }
            b'+' if plus_is_space => b' ',
            byte => byte,
        });
    }
    Some(plain)
}

/// A path without empty parts and dots; `None` if it has none.
fn cleaned(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    let clean = format!("/{}{end}", parts.join("/"));
    (clean != path).then_some(clean)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn get(text: &str) -> Option<Target> {
        Target::read("GET", text)
    }

    #[test]
    fn paths_are_cleaned() {
        for (path, clean) in [
            ("//varz", "/varz"),
            ("/../varz", "/varz"),
            ("/a/./b/../varz", "/a/varz"),
            ("//", "/"),
            ("/varz//", "/varz/"),
            ("", "/"),
        ] {
            assert_eq!(cleaned(path).as_deref(), Some(clean));
        }
        for path in ["/", "/varz", "/varz/", "/debug/vars"] {
            assert_eq!(cleaned(path), None);
        }
    }

    #[test]
    fn pages_are_found_under_every_spelling() {
        for (text, page) in [
            ("/varz", Some("/varz")),
            ("/%76arz?x", Some("/varz")),
            ("http://h:1/varz", Some("/varz")),
            ("/a\"b>", Some("/a\"b>")),
            ("/varz%3f", Some("/varz?")),
            ("/debug%2Fvars", None),
        ] {
            assert_eq!(get(text).unwrap().page().as_deref(), page, "{text}");
        }
        assert_eq!(get("/%FF").unwrap().path, "/%FF");
        for wrong in ["varz", "", "/%zz", "?", "1:/"] {
            assert_eq!(get(wrong), None);
        }
    }

    #[test]
    fn pairs_that_make_no_sense_are_left_out() {
        let all = |query: &str| pairs(query).collect::<Vec<_>>();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            all("a=1;b=2&c=%zz&&d=x+y&e=%3E>\"&f"),
            [pair("d", "x y"), pair("e", ">>\""), pair("f", "")]
        );
        assert_eq!(all("a=%FF"), [pair("a", "\u{fffd}")]);
    }
}
