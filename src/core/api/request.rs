//! What a subject below `$JS.API.` asks for. A subject with a token too few or too many
//! is none: nobody answers it (NATS 2.15).

/// Something that a client asks of JetStream; names are as they stand in the subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// `INFO`: what the account has.
    AccountInfo,
    /// `STREAM.CREATE.S`.
    StreamCreate(&'a [u8]),
    /// `STREAM.UPDATE.S`.
    StreamUpdate(&'a [u8]),
    /// `STREAM.INFO.S`.
    StreamInfo(&'a [u8]),
    /// `STREAM.NAMES`.
    StreamNames,
    /// `STREAM.LIST`.
    StreamList,
    /// `STREAM.DELETE.S`.
    StreamDelete(&'a [u8]),
    /// `STREAM.PURGE.S`.
    StreamPurge(&'a [u8]),
    /// `STREAM.MSG.GET.S`.
    MessageGet(&'a [u8]),
    /// `STREAM.MSG.DELETE.S`.
    MessageDelete(&'a [u8]),
    /// `DIRECT.GET.S`, or with a subject `DIRECT.GET.S.a.b`.
    DirectGet {
        /// The stream.
        stream: &'a [u8],
        /// The subject, or nothing.
        subject: &'a [u8],
    },
    /// `CONSUMER.CREATE.S`, `CONSUMER.CREATE.S.C`, `CONSUMER.CREATE.S.C.a.b`.
    ConsumerCreate {
        /// The stream.
        stream: &'a [u8],
        /// The consumer, or nothing.
        name: &'a [u8],
        /// The filter, or nothing.
        filter: &'a [u8],
    },
    /// `CONSUMER.DURABLE.CREATE.S.C`.
    ConsumerCreateDurable {
        /// The stream.
        stream: &'a [u8],
        /// The consumer.
        name: &'a [u8],
    },
    /// `CONSUMER.NAMES.S`.
    ConsumerNames(&'a [u8]),
    /// `CONSUMER.LIST.S`.
    ConsumerList(&'a [u8]),
    /// One of a consumer: `CONSUMER.INFO.S.C` and the like.
    Consumer {
        /// What is to be done.
        verb: ConsumerVerb,
        /// The stream.
        stream: &'a [u8],
        /// The consumer.
        name: &'a [u8],
    },
}

/// What is asked of a consumer that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsumerVerb {
    /// `INFO`.
    Info,
    /// `DELETE`.
    Delete,
    /// `MSG.NEXT`: messages.
    Next,
    /// `PAUSE`.
    Pause,
    /// `UNPIN`.
    Unpin,
    /// `RESET`.
    Reset,
}

/// The stream of a subject below `$JS.ACK.` or `$JS.FC.`.
#[must_use]
pub fn stream_of(subject: &[u8]) -> Option<&[u8]> {
    let rest = subject
        .strip_prefix(b"$JS.ACK.")
        .or_else(|| subject.strip_prefix(b"$JS.FC."))?;
    let (stream, rest) = split(rest);
    (!stream.is_empty() && !rest.is_empty()).then_some(stream)
}

impl<'a> Request<'a> {
    /// Whether it concerns the names and the subjects of an account.
    #[must_use]
    pub fn is_for_registrar(&self) -> bool {
        matches!(self, Self::StreamCreate(_) | Self::StreamUpdate(_)) || self.stream().is_none()
    }

    /// The stream that it concerns, unless it is about all of an account.
    #[must_use]
    pub fn stream(&self) -> Option<&'a [u8]> {
        match *self {
            Self::AccountInfo | Self::StreamNames | Self::StreamList => None,
            Self::StreamCreate(stream)
            | Self::StreamUpdate(stream)
            | Self::StreamInfo(stream)
            | Self::StreamDelete(stream)
            | Self::StreamPurge(stream)
            | Self::MessageGet(stream)
            | Self::MessageDelete(stream)
            | Self::ConsumerNames(stream)
            | Self::ConsumerList(stream)
            | Self::DirectGet { stream, .. }
            | Self::ConsumerCreate { stream, .. }
            | Self::ConsumerCreateDurable { stream, .. }
            | Self::Consumer { stream, .. } => Some(stream),
        }
    }

    /// Reads what stands behind `$JS.API.`.
    #[must_use]
    pub fn read(subject: &'a [u8]) -> Option<Self> {
        let (first, rest) = split(subject);
        match first {
            b"INFO" if rest.is_empty() => Some(Self::AccountInfo),
            b"STREAM" => Self::of_stream(rest),
            b"CONSUMER" => Self::of_consumer(rest),
            b"DIRECT" => {
                let (b"GET", rest) = split(rest) else {
                    return None;
                };
                let (stream, subject) = split(rest);
                (!stream.is_empty()).then_some(Self::DirectGet { stream, subject })
            }
            _ => None,
        }
    }

    fn of_stream(rest: &'a [u8]) -> Option<Self> {
        let (verb, rest) = split(rest);
        match verb {
            b"NAMES" if rest.is_empty() => return Some(Self::StreamNames),
            b"LIST" if rest.is_empty() => return Some(Self::StreamList),
            b"MSG" => {
                let (verb, rest) = split(rest);
                let stream = last(rest)?;
                return match verb {
                    b"GET" => Some(Self::MessageGet(stream)),
                    b"DELETE" => Some(Self::MessageDelete(stream)),
                    _ => None,
                };
            }
            _ => {}
        }
        let stream = last(rest)?;
        match verb {
            b"CREATE" => Some(Self::StreamCreate(stream)),
            b"UPDATE" => Some(Self::StreamUpdate(stream)),
            b"INFO" => Some(Self::StreamInfo(stream)),
            b"DELETE" => Some(Self::StreamDelete(stream)),
            b"PURGE" => Some(Self::StreamPurge(stream)),
            _ => None,
        }
    }

    fn of_consumer(rest: &'a [u8]) -> Option<Self> {
        let (verb, rest) = split(rest);
        let verb = match verb {
            b"CREATE" => {
                let (stream, rest) = split(rest);
                let (name, filter) = split(rest);
                let create = Self::ConsumerCreate {
                    stream,
                    name,
                    filter,
                };
                return (!stream.is_empty()).then_some(create);
            }
            b"DURABLE" => {
                let (b"CREATE", rest) = split(rest) else {
                    return None;
                };
                let (stream, rest) = split(rest);
                let name = last(rest)?;
                return Some(Self::ConsumerCreateDurable { stream, name });
            }
            b"NAMES" => return last(rest).map(Self::ConsumerNames),
            b"LIST" => return last(rest).map(Self::ConsumerList),
            b"MSG" => {
                let (b"NEXT", rest) = split(rest) else {
                    return None;
                };
                return Self::of_one(ConsumerVerb::Next, rest);
            }
            b"INFO" => ConsumerVerb::Info,
            b"DELETE" => ConsumerVerb::Delete,
            b"PAUSE" => ConsumerVerb::Pause,
            b"UNPIN" => ConsumerVerb::Unpin,
            b"RESET" => ConsumerVerb::Reset,
            _ => return None,
        };
        Self::of_one(verb, rest)
    }

    fn of_one(verb: ConsumerVerb, rest: &'a [u8]) -> Option<Self> {
        let (stream, rest) = split(rest);
        let name = last(rest)?;
        Some(Self::Consumer { verb, stream, name })
    }
}

/// The first token and what follows it.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'.', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

/// The only token.
fn last(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty() && memchr::memchr(b'.', text).is_none()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer(verb: ConsumerVerb) -> Option<Request<'static>> {
        Some(Request::Consumer {
            verb,
            stream: b"S",
            name: b"C",
        })
    }

    #[test]
    fn subjects_say_what_is_asked() {
        let create = |name, filter| Request::ConsumerCreate {
            stream: &b"S"[..],
            name,
            filter,
        };
        let direct = |subject| Request::DirectGet {
            stream: b"S",
            subject,
        };
        let durable = Request::ConsumerCreateDurable {
            stream: b"S",
            name: b"C",
        };
        let cases: &[(&str, Option<Request<'_>>)] = &[
            ("INFO", Some(Request::AccountInfo)),
            ("STREAM.CREATE.S", Some(Request::StreamCreate(b"S"))),
            ("STREAM.UPDATE.S", Some(Request::StreamUpdate(b"S"))),
            ("STREAM.INFO.S", Some(Request::StreamInfo(b"S"))),
            ("STREAM.DELETE.S", Some(Request::StreamDelete(b"S"))),
            ("STREAM.PURGE.S", Some(Request::StreamPurge(b"S"))),
            ("STREAM.NAMES", Some(Request::StreamNames)),
            ("STREAM.LIST", Some(Request::StreamList)),
            ("STREAM.MSG.GET.S", Some(Request::MessageGet(b"S"))),
            ("STREAM.MSG.DELETE.S", Some(Request::MessageDelete(b"S"))),
            ("DIRECT.GET.S", Some(direct(b""))),
            ("DIRECT.GET.S.a.b", Some(direct(b"a.b"))),
            ("CONSUMER.CREATE.S", Some(create(b"", b""))),
            ("CONSUMER.CREATE.S.C", Some(create(b"C", b""))),
            ("CONSUMER.CREATE.S.C.a.>", Some(create(b"C", b"a.>"))),
            ("CONSUMER.DURABLE.CREATE.S.C", Some(durable)),
            ("CONSUMER.NAMES.S", Some(Request::ConsumerNames(b"S"))),
            ("CONSUMER.LIST.S", Some(Request::ConsumerList(b"S"))),
            ("CONSUMER.INFO.S.C", consumer(ConsumerVerb::Info)),
            ("CONSUMER.DELETE.S.C", consumer(ConsumerVerb::Delete)),
            ("CONSUMER.MSG.NEXT.S.C", consumer(ConsumerVerb::Next)),
            ("CONSUMER.PAUSE.S.C", consumer(ConsumerVerb::Pause)),
            ("CONSUMER.UNPIN.S.C", consumer(ConsumerVerb::Unpin)),
            ("CONSUMER.RESET.S.C", consumer(ConsumerVerb::Reset)),
        ];
        for (subject, expected) in cases {
            assert_eq!(Request::read(subject.as_bytes()), *expected, "{subject}");
            let is_open_ended =
                subject.starts_with("DIRECT") || subject.starts_with("CONSUMER.CREATE");
            if !is_open_ended {
                let more = format!("{subject}.x");
                assert_eq!(Request::read(more.as_bytes()), None, "{more}");
            }
        }
        for nothing in [
            "",
            "FOO",
            "STREAM",
            "STREAM.FOO",
            "STREAM.FOO.S",
            "STREAM.CREATE",
            "stream.info.S",
        ] {
            assert_eq!(Request::read(nothing.as_bytes()), None, "{nothing}");
        }
    }
}
