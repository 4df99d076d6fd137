//! Subjects that the server itself serves, known by their first bytes.
//!
//! They are told before a message has a route: most of them never come again
//! (`$JS.ACK.…` holds sequences and times), and a publisher of anything else
//! pays one comparison. Not here: who serves them, and what they say.

/// A service of the server, by the prefix of its subjects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// `$JS.API.`: requests to JetStream (ADR-1).
    JetStreamApi,
    /// `$JS.ACK.`: acknowledgements of consumers' messages (ADR-15).
    Ack,
    /// `$JS.FC.`: answers to flow control of push consumers (ADR-9).
    FlowControl,
    /// `$SYS.REQ.`, `$SYS.DEBUG.`: requests to the server.
    SystemRequest,
}

/// The service that a subject belongs to.
#[must_use]
#[inline]
pub fn service_prefix(subject: &[u8]) -> Option<Service> {
    match subject.first() {
        Some(b'$') => service_of(subject),
        _ => None,
    }
}

fn service_of(subject: &[u8]) -> Option<Service> {
    const PREFIXES: [(&[u8], Service); 5] = [
        (b"$JS.ACK.", Service::Ack),
        (b"$JS.API.", Service::JetStreamApi),
        (b"$JS.FC.", Service::FlowControl),
        (b"$SYS.REQ.", Service::SystemRequest),
        (b"$SYS.DEBUG.", Service::SystemRequest),
    ];
    let known = PREFIXES
        .iter()
        .find(|(prefix, _)| subject.starts_with(prefix))
        .map(|&(_, service)| service);
    known.or_else(|| is_api_of_domain(subject).then_some(Service::JetStreamApi))
}

/// Whether a subject begins with `$JS.<domain>.API.`.
fn is_api_of_domain(subject: &[u8]) -> bool {
    let Some(rest) = subject.strip_prefix(b"$JS.") else {
        return false;
    };
    let end = memchr::memchr(b'.', rest).unwrap_or(rest.len());
    end > 0 && rest[end..].starts_with(b".API.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_prefixes_count() {
        let cases: &[(&str, Option<Service>)] = &[
            ("$JS.API.INFO", Some(Service::JetStreamApi)),
            ("$JS.API.", Some(Service::JetStreamApi)),
            (
                "$JS.ACK.ORDERS.worker.1.2.3.1700000000.0",
                Some(Service::Ack),
            ),
            ("$JS.FC.ORDERS.worker.x", Some(Service::FlowControl)),
            ("$SYS.REQ.SERVER.PING", Some(Service::SystemRequest)),
            ("$SYS.DEBUG.SUBSCRIBERS", Some(Service::SystemRequest)),
            ("$JS.hub.API.INFO", Some(Service::JetStreamApi)),
            ("$JS..API.INFO", None),
            ("$JS.API", None),
            ("$JS.APIS.INFO", None),
            ("$JS.EVENT.ADVISORY.API", None),
            ("$SYS.ACCOUNT.A.CONNECT", None),
            ("$SYS.REQ", None),
            ("$js.api.INFO", None),
            ("JS.API.INFO", None),
            ("x$JS.API.INFO", None),
            ("$", None),
            ("", None),
        ];
        for (subject, service) in cases {
            assert_eq!(service_prefix(subject.as_bytes()), *service, "{subject}");
        }
    }
}
