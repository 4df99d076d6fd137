//! Names of a consumer that is to be created: in the subject of the request, and in its
//! body (NATS 2.15.3).

use super::consumer_config::CreateRequest;
use crate::stream::error::{self, ApiError};

/// What a subject of the API says of a consumer that is to be created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubjectNames<'a> {
    /// `CONSUMER.CREATE.S`: nothing.
    Ephemeral,
    /// `CONSUMER.CREATE.S.C`, with a filter or without.
    Named {
        /// The name.
        name: &'a str,
        /// The filter, or nothing.
        filter: &'a str,
    },
    /// `CONSUMER.DURABLE.CREATE.S.C`.
    Durable(&'a str),
}

impl CreateRequest {
    /// Compares the names in the subject with those in the body, and takes those of the
    /// subject. Comes before the stream is looked for.
    ///
    /// # Errors
    /// As the reference has them.
    pub fn check_names(&mut self, stream: &str, names: SubjectNames<'_>) -> Result<(), ApiError> {
        if stream != self.stream_name {
            return Err(error::CONSUMER_CREATE_STREAM_MISMATCH);
        }
        let config = &mut self.config;
        let name = match names {
            SubjectNames::Ephemeral => &*config.name,
            SubjectNames::Named { name, .. } | SubjectNames::Durable(name) => name,
        };
        if name.contains(['\\', '/']) {
            return Err(error::CONSUMER_NAME_PATH);
        }
        match names {
            SubjectNames::Ephemeral if !config.durable_name.is_empty() => {
                return Err(error::EPHEMERAL_WITH_DURABLE_NAME);
            }
            SubjectNames::Ephemeral => {}
            SubjectNames::Durable(_) if config.durable_name.is_empty() => {
                return Err(error::DURABLE_NAME_NOT_SET);
            }
            SubjectNames::Named { name, .. } | SubjectNames::Durable(name) => {
                if !config.durable_name.is_empty() && config.durable_name != name {
                    return Err(error::DURABLE_NAME_NOT_MATCHED);
                }
                name.clone_into(&mut config.name);
            }
        }
        if let SubjectNames::Named { filter, .. } = names
            && !filter.is_empty()
        {
            if !config.filter_subjects.is_empty() {
                return Err(error::FILTERS_IN_SUBJECT);
            }
            if config.filter_subject != filter {
                return Err(error::CREATE_FILTER_MISMATCH);
            }
        }
        match config.num_replicas > 1 {
            true => Err(error::REPLICAS_NOT_SUPPORTED),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stream: &str, config: &str) -> CreateRequest {
        let body = format!(r#"{{"stream_name":"{stream}","config":{config}}}"#);
        CreateRequest::read(body.as_bytes()).expect("it is one")
    }

    #[test]
    fn names_come_from_the_subject() {
        let named = |name, filter| SubjectNames::Named { name, filter };
        let cases: &[(&str, SubjectNames<'_>, Result<&str, u16>)] = &[
            (r#"{"name":"z"}"#, named("y", ""), Ok("y")),
            (r#"{"durable_name":"z"}"#, named("y", ""), Err(10_017)),
            (
                r#"{"durable_name":"z"}"#,
                SubjectNames::Durable("y"),
                Err(10_017),
            ),
            (
                r#"{"durable_name":"y"}"#,
                SubjectNames::Durable("y"),
                Ok("y"),
            ),
            ("{}", SubjectNames::Durable("y"), Err(10_018)),
            (r#"{"name":"z"}"#, SubjectNames::Ephemeral, Ok("z")),
            (r#"{"name":"a/b"}"#, SubjectNames::Ephemeral, Err(10_127)),
            (
                r#"{"durable_name":"z"}"#,
                SubjectNames::Ephemeral,
                Err(10_020),
            ),
            ("{}", named("a\\b", ""), Err(10_127)),
            (
                r#"{"filter_subject":"s.a"}"#,
                named("q", "s.b"),
                Err(10_131),
            ),
            (r#"{"filter_subject":"s.a"}"#, named("q", "s.a"), Ok("q")),
            (
                r#"{"filter_subjects":["s.a"]}"#,
                named("q", "s.a"),
                Err(10_137),
            ),
            ("{}", named("q", "s.a"), Err(10_131)),
            (r#"{"num_replicas":3}"#, named("q", ""), Err(10_074)),
        ];
        for (config, names, expected) in cases {
            let mut request = read("S", config);
            let result = request
                .check_names("S", *names)
                .map_err(|error| error.err_code);
            let result = result.map(|()| &*request.config.name);
            assert_eq!(result, *expected, "{config}");
        }
        let mut request = read("X", "{}");
        assert_eq!(
            request.check_names("S", named("q", "")),
            Err(error::CONSUMER_CREATE_STREAM_MISMATCH)
        );
    }
}
