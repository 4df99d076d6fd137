//! `client_advertise`: the host and port that INFO names instead of those that
//! the server listens on.

use trunkline_core::base::shown::quoted;

/// A host, and a port unless it is the one that is listened on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Advertise {
    /// Name or address, without brackets.
    pub host: String,
    /// `None`: the one that is listened on.
    pub port: Option<u16>,
}

impl std::fmt::Display for Advertise {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            Some(port) => write!(formatter, "{}:{port}", self.host),
            None => formatter.write_str(&self.host),
        }
    }
}

impl std::str::FromStr for Advertise {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |reason: String| {
            format!("Error setting server INFO with ClientAdvertise value of {text}, err={reason}")
        };
        let misformed = |reason: &str| wrong(format!("address {text}: {reason}"));
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest
                    .split_once(']')
                    .ok_or_else(|| misformed("missing ']' in address"))?;
                (host, rest.strip_prefix(':').unwrap_or(rest))
            }
            None => text.split_once(':').unwrap_or((text, "")),
        };
        if port.contains(':') {
            return Err(misformed("too many colons in address"));
        }
        let port = match port.trim() {
            "" => None,
            port => match port.parse::<i32>() {
                // The one that is listened on.
                Ok(..=0) => None,
                Ok(number) => {
                    let number = u16::try_from(number);
                    Some(number.map_err(|_| wrong(format!("port {port} is out of range")))?)
                }
                Err(_) => {
                    let reason = format!(
                        "strconv.Atoi: parsing {port}: invalid syntax",
                        port = quoted(&port)
                    );
                    return Err(wrong(reason));
                }
            },
        };
        let host = host.trim().to_owned();
        Ok(Self { host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let read = |text: &str| {
            let advertise: Result<Advertise, String> = text.parse();
            advertise.map(|advertise| (advertise.host, advertise.port))
        };
        assert_eq!(read("h"), Ok(("h".to_owned(), None)));
        assert_eq!(read("h:77"), Ok(("h".to_owned(), Some(77))));
        assert_eq!(read("h:-1"), Ok(("h".to_owned(), None)));
        assert_eq!(read("[::1]:7"), Ok(("::1".to_owned(), Some(7))));
        for wrong in ["h:x", "h:1:2", "[::1", "h:99999"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
