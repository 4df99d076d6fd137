//! The address that INFO gives to clients: the one listened on, or the one
//! that `client_advertise` puts in its place.

use crate::options::Options;

/// Host and port for INFO, where `port` is the one listened on; an error names
/// what is wrong with the address (nats-server's words).
pub fn client_address(options: &Options, port: u16) -> Result<(String, u16), String> {
    match &options.client_advertise {
        None => Ok((options.host.clone(), port)),
        Some(address) => split(address, port).map_err(|reason| {
            format!(
                "Error setting server INFO with ClientAdvertise value of {address}, err={reason}"
            )
        }),
    }
}

/// `host`, `host:port` or `[host]:port`; ports below 1 stand for the default.
fn split(address: &str, default: u16) -> Result<(String, u16), String> {
    let Some((host, port)) = address.rsplit_once(':') else {
        return Ok((address.to_owned(), default));
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return Err(format!("address {address}: too many colons in address"));
    }
    let port = match port.parse::<i32>() {
        Ok(..=0) => default,
        Ok(number) => u16::try_from(number).map_err(|_| format!("port {port} is out of range"))?,
        Err(_) => return Err(format!("strconv.Atoi: parsing {port:?}: invalid syntax")),
    };
    Ok((bare.unwrap_or(host).to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn an_address_has_a_host_and_perhaps_a_port() {
        let cases = [
            ("a.b", Ok(("a.b", 4222))),
            ("a.b:5", Ok(("a.b", 5))),
            ("a.b:0", Ok(("a.b", 4222))),
            ("a.b:-1", Ok(("a.b", 4222))),
            ("[::1]:5", Ok(("::1", 5))),
            ("::1", Err("address ::1: too many colons in address")),
            ("a:x", Err("strconv.Atoi: parsing \"x\": invalid syntax")),
            ("a:", Err("strconv.Atoi: parsing \"\": invalid syntax")),
            ("a:70000", Err("port 70000 is out of range")),
        ];
        for (address, expected) in cases {
            let expected = expected
                .map(|(host, port): (&str, u16)| (host.to_owned(), port))
                .map_err(str::to_owned);
            assert_eq!(split(address, 4222), expected, "{address}");
        }
    }
}
