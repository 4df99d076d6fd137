//! Configurations, and what the reference server (2.15.3) says of them: measured.

use serde_json::Value;

use super::*;
use crate::api::stream_config::StreamFields;

fn stream(name: &str) -> StreamFields {
    let text = match name {
        "L" => {
            r#"{"name":"L","subjects":["l.>"],"num_replicas":1,"consumer_limits":{"inactive_threshold":10000000000,"max_ack_pending":50}}"#
        }
        "W" => r#"{"name":"W","subjects":["w.>"],"num_replicas":1,"retention":"workqueue"}"#,
        _ => r#"{"name":"S","subjects":["s.>"],"num_replicas":1}"#,
    };
    StreamFields::read(text.as_bytes()).expect("it is one")
}

fn around<'a>(stream: &'a StreamFields, others: &'a [&'a ConsumerFields]) -> Surroundings<'a> {
    Surroundings {
        stream,
        existing: None,
        others,
        max_consumers: None,
        max_ack_pending: None,
        is_deliver_subject_used: false,
        largest_message_bytes: 1 << 20,
    }
}

type Refusal = (u16, u16, String);

fn said(error: ApiError) -> Refusal {
    (error.code, error.err_code, error.description.into_owned())
}

/// The configuration as it is answered.
fn shown(checked: Result<CheckedConsumer, ApiError>) -> Result<String, Refusal> {
    let checked = checked.map_err(said)?;
    Ok(serde_json::to_string(&checked.fields).expect("it is JSON"))
}

fn read(stream: &str, config: &str, pedantic: bool) -> Result<CreateRequest, ApiError> {
    let body = format!(r#"{{"stream_name":"{stream}","config":{config},"pedantic":{pedantic}}}"#);
    CreateRequest::read(body.as_bytes())
}

fn create(name: &str, config: &str, pedantic: bool) -> Result<String, Refusal> {
    let stream = stream(name);
    let mut others = Vec::new();
    let w = r#"{"name":"w1","ack_policy":"explicit","filter_subject":"w.a"}"#;
    let w = ConsumerFields::read(w.as_bytes()).expect("it is one");
    // One is there if the configuration has a filter, or acknowledgements.
    if name == "W" && (config.contains("filter") || config == r#"{"ack_policy": "explicit"}"#) {
        others.push(&w);
    }
    let request = read(name, config, pedantic).map_err(said)?;
    shown(request.check(&around(&stream, &others)))
}

#[rustfmt::skip]
const ACCEPTED: &[(&str, &str, &str)] = &[
    ("S", r#"{}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"ack_policy": "explicit"}"#, r#"{"deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"ack_policy": "all", "deliver_subject": "x"}"#, r#"{"deliver_policy":"all","ack_policy":"all","ack_wait":30000000000,"max_deliver":-1,"replay_policy":"instant","max_ack_pending":1000,"deliver_subject":"x","inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"deliver_subject": "x"}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","deliver_subject":"x","inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"ack_policy": "explicit", "backoff": [1000000000, 2000000000]}"#, r#"{"deliver_policy":"all","ack_policy":"explicit","ack_wait":1000000000,"max_deliver":-1,"backoff":[1000000000,2000000000],"replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"ack_policy": "explicit", "backoff": [1000000000, 2000000000], "max_deliver": 2}"#, r#"{"deliver_policy":"all","ack_policy":"explicit","ack_wait":1000000000,"max_deliver":2,"backoff":[1000000000,2000000000],"replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"ack_policy": "explicit", "max_deliver": 0}"#, r#"{"deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"ack_policy": "explicit", "max_deliver": -5}"#, r#"{"deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"ack_policy": "none", "ack_wait": 5}"#, r#"{"deliver_policy":"all","ack_policy":"none","ack_wait":5,"max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"ack_policy": "none", "max_ack_pending": 5}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"max_ack_pending":5,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"deliver_subject": "x", "max_batch": 4}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_batch":4,"deliver_subject":"x","inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"deliver_subject": "x", "max_expires": 4000000}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_expires":4000000,"deliver_subject":"x","inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"deliver_subject": "x", "max_bytes": 4}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_bytes":4,"deliver_subject":"x","inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"deliver_subject": "x", "deliver_group": "g g"}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","deliver_subject":"x","deliver_group":"g g","inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"deliver_group": "g"}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"deliver_group":"g","inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"deliver_subject": "x", "deliver_group": "g.*"}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","deliver_subject":"x","deliver_group":"g.*","inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"deliver_subject": "x", "idle_heartbeat": -1}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","deliver_subject":"x","inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"deliver_subject": "x", "rate_limit_bps": 100}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","rate_limit_bps":100,"deliver_subject":"x","inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"max_waiting": -1}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"max_waiting": 0}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"max_waiting": 70000}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":70000,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"max_batch": -1}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"max_batch": 5}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"max_batch":5,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"max_expires": -1}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"max_bytes": -1}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"filter_subjects": ["a.*.c", "a.b.*"]}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"filter_subjects":["a.*.c","a.b.*"],"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"filter_subjects": ["a"]}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"filter_subjects":["a"],"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"deliver_policy": "last_per_subject", "filter_subject": ">"}"#, r#"{"deliver_policy":"last_per_subject","ack_policy":"none","max_deliver":-1,"filter_subject":">","replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"deliver_policy": "by_start_sequence", "opt_start_seq": 5}"#, r#"{"deliver_policy":"by_start_sequence","opt_start_seq":5,"ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"deliver_policy": "by_start_time", "opt_start_time": "2024-01-01T00:00:00.123+01:00"}"#, r#"{"deliver_policy":"by_start_time","opt_start_time":"2024-01-01T00:00:00.123+01:00","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"sample_freq": "100%"}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","sample_freq":"100%","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"sample_freq": "50"}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","sample_freq":"50","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"sample_freq": "200"}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","sample_freq":"200","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"inactive_threshold": -1}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"inactive_threshold": 1}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":1,"num_replicas":0}"#),
    ("S", r#"{"num_replicas": 1}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":1}"#),
    ("S", r#"{"mem_storage": true}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0,"mem_storage":true}"#),
    ("S", r#"{"pause_until": "2030-01-01T00:00:00Z"}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0,"pause_until":"2030-01-01T00:00:00Z"}"#),
    ("S", r#"{"replay_policy": "original"}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"original","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"backoff": [0]}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"backoff":[0],"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"headers_only": true}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"headers_only":true,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"max_ack_pending": -1, "ack_policy": "explicit"}"#, r#"{"deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"replay_policy":"instant","max_waiting":512,"max_ack_pending":-1,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"max_ack_pending": -7, "ack_policy": "explicit"}"#, r#"{"deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"replay_policy":"instant","max_waiting":512,"max_ack_pending":-1,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"backoff": [1000], "ack_wait": 5, "ack_policy": "explicit"}"#, r#"{"deliver_policy":"all","ack_policy":"explicit","ack_wait":1000,"max_deliver":-1,"backoff":[1000],"replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("S", r#"{"backoff": [1000], "ack_policy": "none"}"#, r#"{"deliver_policy":"all","ack_policy":"none","ack_wait":1000,"max_deliver":-1,"backoff":[1000],"replay_policy":"instant","max_waiting":512,"inactive_threshold":5000000000,"num_replicas":0}"#),
    ("L", r#"{"ack_policy": "explicit"}"#, r#"{"deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"replay_policy":"instant","max_waiting":512,"max_ack_pending":50,"inactive_threshold":10000000000,"num_replicas":0}"#),
    ("L", r#"{"ack_policy": "explicit", "max_ack_pending": -1}"#, r#"{"deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"replay_policy":"instant","max_waiting":512,"max_ack_pending":-1,"inactive_threshold":10000000000,"num_replicas":0}"#),
    ("L", r#"{"ack_policy": "none"}"#, r#"{"deliver_policy":"all","ack_policy":"none","max_deliver":-1,"replay_policy":"instant","max_waiting":512,"max_ack_pending":50,"inactive_threshold":10000000000,"num_replicas":0}"#),
    ("W", r#"{"ack_policy": "explicit", "filter_subject": "w.b"}"#, r#"{"deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"filter_subject":"w.b","replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"inactive_threshold":5000000000,"num_replicas":0}"#),
];

#[test]
fn defaults_are_filled_in() {
    for (stream, config, expected) in ACCEPTED {
        assert_eq!(
            create(stream, config, false).as_deref(),
            Ok(*expected),
            "{config}"
        );
    }
}

#[rustfmt::skip]
const MISTAKES: &[(&str, bool, &str, u16, u16, &str)] = &[
    ("S", false, r#"{"ack_policy": "explicit", "backoff": [1000000000, 2000000000], "max_deliver": 1}"#, 400, 10_116, r#"max deliver is required to be > length of backoff values"#),
    ("S", false, r#"{"ack_policy": "explicit", "ack_wait": -1}"#, 400, 10_183, r#"consumer ack wait needs to be positive"#),
    ("S", false, r#"{"deliver_subject": "x.*"}"#, 400, 10_079, r#"consumer deliver subject has wildcards"#),
    ("S", false, r#"{"deliver_subject": "s.x"}"#, 400, 10_081, r#"consumer deliver subject forms a cycle"#),
    ("S", false, r#"{"deliver_subject": "x y"}"#, 400, 10_112, r#"invalid push consumer deliver subject"#),
    ("S", false, r#"{"deliver_subject": "$JS.API.foo"}"#, 400, 10_112, r#"invalid push consumer deliver subject"#),
    ("S", false, r#"{"deliver_subject": "$JS.FC.foo"}"#, 400, 10_112, r#"invalid push consumer deliver subject"#),
    ("S", false, r#"{"deliver_subject": "_R_.x"}"#, 400, 10_112, r#"invalid push consumer deliver subject"#),
    ("S", false, r#"{"deliver_subject": "x", "max_waiting": 4}"#, 400, 10_080, r#"consumer in push mode can not set max waiting"#),
    ("S", false, r#"{"idle_heartbeat": 1000000000}"#, 400, 10_088, r#"consumer idle heartbeat requires a push based consumer"#),
    ("S", false, r#"{"deliver_subject": "x", "idle_heartbeat": 1000}"#, 400, 10_083, r#"consumer idle heartbeat needs to be >= 100ms"#),
    ("S", false, r#"{"flow_control": true}"#, 400, 10_089, r#"consumer flow control requires a push based consumer"#),
    ("S", false, r#"{"deliver_subject": "x", "flow_control": true}"#, 400, 10_108, r#"consumer with flow control also needs heartbeats"#),
    ("S", false, r#"{"rate_limit_bps": 100}"#, 400, 10_086, r#"consumer in pull mode can not have rate limit set"#),
    ("S", false, r#"{"max_expires": 500000}"#, 400, 10_115, r#"consumer max request expires needs to be >= 1ms"#),
    ("S", false, r#"{"filter_subject": "a", "filter_subjects": ["b"]}"#, 400, 10_136, r#"consumer cannot have both FilterSubject and FilterSubjects specified"#),
    ("S", false, r#"{"filter_subjects": ["a", "a"]}"#, 400, 10_138, r#"consumer subject filters cannot overlap"#),
    ("S", false, r#"{"filter_subjects": ["a.*", "a.b"]}"#, 400, 10_138, r#"consumer subject filters cannot overlap"#),
    ("S", false, r#"{"filter_subjects": ["a", ""]}"#, 400, 10_139, r#"consumer filter in FilterSubjects cannot be empty"#),
    ("S", false, r#"{"filter_subjects": [""]}"#, 400, 10_139, r#"consumer filter in FilterSubjects cannot be empty"#),
    ("S", false, r#"{"filter_subject": "a..b"}"#, 500, 10_052, r#"invalid subject"#),
    ("S", false, r#"{"filter_subject": "a b"}"#, 500, 10_052, r#"invalid subject"#),
    ("S", false, r#"{"filter_subjects": ["a..b", "c"]}"#, 500, 10_052, r#"invalid subject"#),
    ("S", false, r#"{"filter_subjects": ["a b", "c"]}"#, 500, 10_052, r#"invalid subject"#),
    ("S", false, r#"{"deliver_policy": "last_per_subject"}"#, 400, 10_094, r#"consumer delivery policy is deliver last per subject, but optional filter subject is not set"#),
    ("S", false, r#"{"deliver_policy": "by_start_sequence"}"#, 400, 10_094, r#"consumer delivery policy is deliver by start sequence, but optional start sequence is not set"#),
    ("S", false, r#"{"deliver_policy": "by_start_time"}"#, 400, 10_094, r#"consumer delivery policy is deliver by start time, but optional start time is not set"#),
    ("S", false, r#"{"deliver_policy": "all", "opt_start_seq": 5}"#, 400, 10_094, r#"consumer delivery policy is deliver all, but optional start sequence is also set"#),
    ("S", false, r#"{"deliver_policy": "all", "opt_start_time": "2024-01-01T00:00:00Z"}"#, 400, 10_094, r#"consumer delivery policy is deliver all, but optional start time is also set"#),
    ("S", false, r#"{"deliver_policy": "last", "opt_start_seq": 5}"#, 400, 10_094, r#"consumer delivery policy is deliver last, but optional start sequence is also set"#),
    ("S", false, r#"{"deliver_policy": "last", "opt_start_time": "2024-01-01T00:00:00Z"}"#, 400, 10_094, r#"consumer delivery policy is deliver last, but optional start time is also set"#),
    ("S", false, r#"{"deliver_policy": "new", "opt_start_seq": 5}"#, 400, 10_094, r#"consumer delivery policy is deliver new, but optional start sequence is also set"#),
    ("S", false, r#"{"deliver_policy": "new", "opt_start_time": "2024-01-01T00:00:00Z"}"#, 400, 10_094, r#"consumer delivery policy is deliver new, but optional start time is also set"#),
    ("S", false, r#"{"deliver_policy": "by_start_sequence", "opt_start_seq": 5, "opt_start_time": "2024-01-01T00:00:00Z"}"#, 400, 10_094, r#"consumer delivery policy is deliver by start sequence, but optional start time is also set"#),
    ("S", false, r#"{"deliver_policy": "by_start_time", "opt_start_seq": 5, "opt_start_time": "2024-01-01T00:00:00Z"}"#, 400, 10_094, r#"consumer delivery policy is deliver by start time, but optional start start sequence is also set"#),
    ("S", false, r#"{"deliver_policy": "last_per_subject", "opt_start_seq": 5, "filter_subject": "a"}"#, 400, 10_094, r#"consumer delivery policy is deliver last per subject, but optional start sequence is also set"#),
    ("S", false, r#"{"deliver_policy": "last_per_subject", "opt_start_time": "2024-01-01T00:00:00Z", "filter_subject": "a"}"#, 400, 10_094, r#"consumer delivery policy is deliver last per subject, but optional start time is also set"#),
    ("S", false, r#"{"deliver_policy": "by_start_time", "opt_start_time": "nonsense"}"#, 400, 10_025, r#"invalid JSON: parsing time "nonsense" as "2006-01-02T15:04:05Z07:00": cannot parse "nonsense" as "2006""#),
    ("S", false, r#"{"sample_freq": "x"}"#, 400, 10_095, r#"failed to parse consumer sampling configuration: strconv.Atoi: parsing "x": invalid syntax"#),
    ("S", false, r#"{"sample_freq": "-1"}"#, 400, 10_095, r#"failed to parse consumer sampling configuration: <nil>"#),
    ("S", false, r#"{"num_replicas": -1}"#, 400, 10_133, r#"replicas count cannot be negative"#),
    ("S", false, r#"{"direct": true}"#, 400, 10_090, r#"consumer direct requires a push based consumer"#),
    ("S", false, r#"{"priority_timeout": 5}"#, 400, 10_197, r#"PinnedTTL cannot be set when PriorityPolicy is none"#),
    ("S", false, r#"{"ack_policy": "flow_control"}"#, 400, 10_218, r#"flow control ack policy requires a push based consumer"#),
    ("S", false, r#"{"ack_policy": "x"}"#, 400, 10_025, r#"invalid JSON: can not unmarshal "\"x\"""#),
    ("S", false, r#"{"deliver_policy": "x"}"#, 400, 10_025, r#"invalid JSON: can not unmarshal "\"x\"""#),
    ("S", false, r#"{"replay_policy": "x"}"#, 400, 10_025, r#"invalid JSON: can not unmarshal "\"x\"""#),
    ("S", false, r#"{"ack_policy": 5}"#, 400, 10_025, r#"invalid JSON: can not unmarshal "5""#),
    ("S", false, r#"{"foo": 5}"#, 400, 10_025, r#"invalid JSON: json: unknown field "foo""#),
    ("S", false, r#"{"backoff": [-1]}"#, 400, 10_184, r#"consumer backoff needs to be positive"#),
    ("S", false, r#"{"deliver_subject": "x", "max_ack_pending": 10}"#, 400, 10_082, r#"consumer requires ack policy for max ack pending"#),
    ("L", false, r#"{"ack_policy": "explicit", "max_ack_pending": 51}"#, 400, 10_121, r#"consumer max ack pending exceeds system limit of 50"#),
    ("L", false, r#"{"inactive_threshold": 11000000000}"#, 400, 10_153, r#"consumer inactive threshold exceeds system limit of 10s"#),
    ("L", true, r#"{"ack_policy": "explicit"}"#, 400, 10_157, r#"pedantic mode: max_ack_pending must be set if it's configured in stream limits"#),
    ("L", true, r#"{"ack_policy": "explicit", "max_ack_pending": 51}"#, 400, 10_157, r#"pedantic mode: inactive_threshold must be set if it's configured in stream limits"#),
    ("L", true, r#"{"inactive_threshold": 11000000000}"#, 400, 10_157, r#"pedantic mode: max_ack_pending must be set if it's configured in stream limits"#),
    ("L", true, r#"{"deliver_policy": "by_start_time"}"#, 400, 10_157, r#"pedantic mode: max_ack_pending must be set if it's configured in stream limits"#),
    ("L", true, r#"{"deliver_subject": "x", "max_waiting": 3}"#, 400, 10_157, r#"pedantic mode: max_ack_pending must be set if it's configured in stream limits"#),
    ("L", true, r#"{"backoff": [1000], "ack_wait": 5, "ack_policy": "explicit"}"#, 400, 10_157, r#"pedantic mode: first backoff value has to equal batch AckWait"#),
    ("L", true, r#"{"max_batch": -1}"#, 400, 10_157, r#"pedantic mode: max_batch must not be negative"#),
    ("L", true, r#"{"backoff": [1000], "ack_policy": "explicit"}"#, 400, 10_157, r#"pedantic mode: first backoff value has to equal batch AckWait"#),
    ("W", false, r#"{}"#, 400, 10_084, r#"consumer in pull mode requires explicit ack policy on workqueue stream"#),
    ("W", false, r#"{"ack_policy": "all"}"#, 400, 10_098, r#"workqueue stream requires explicit ack"#),
    ("W", false, r#"{"deliver_subject": "x"}"#, 400, 10_098, r#"workqueue stream requires explicit ack"#),
    ("W", false, r#"{"ack_policy": "explicit", "deliver_policy": "new"}"#, 400, 10_101, r#"consumer must be deliver all on workqueue stream"#),
    ("W", false, r#"{"ack_policy": "explicit", "deliver_policy": "last_per_subject"}"#, 400, 10_094, r#"consumer delivery policy is deliver last per subject, but optional filter subject is not set"#),
    ("W", false, r#"{"ack_policy": "explicit"}"#, 400, 10_099, r#"multiple non-filtered consumers not allowed on workqueue stream"#),
    ("W", false, r#"{"ack_policy": "explicit", "filter_subject": "w.*"}"#, 400, 10_100, r#"filtered consumer not unique on workqueue stream"#),
    ("W", false, r#"{"ack_policy": "explicit", "filter_subjects": ["w.*", "x"]}"#, 400, 10_100, r#"filtered consumer not unique on workqueue stream"#),
];

#[test]
fn mistakes_are_named() {
    for (stream, pedantic, config, code, err_code, text) in MISTAKES {
        let expected = Err((*code, *err_code, (*text).to_owned()));
        assert_eq!(
            create(stream, config, *pedantic),
            expected,
            "{stream} {config}"
        );
    }
    let description = format!(r#"{{"description":"{}"}}"#, "x".repeat(4097));
    let metadata = format!(r#"{{"metadata":{{"a":"{}"}}}}"#, "x".repeat(128 << 10));
    for (config, err_code) in [(description, 10_107), (metadata, 10_135)] {
        let refused = create("S", &config, false).expect_err("it is too long");
        assert_eq!(refused.1, err_code);
    }
    for field in [
        r#""sourcing":true"#,
        r#""priority_policy":"overflow","priority_groups":["a"]"#,
    ] {
        let refused = create("S", &format!("{{{field}}}"), false).expect_err("it is not served");
        assert!(
            refused.2.ends_with("is not supported by this server"),
            "{}",
            refused.2
        );
    }
}

type Outcome = Result<(), (u16, &'static str)>;

/// Of a consumer that is there, what is said next of it, and what becomes of that.
#[rustfmt::skip]
const UPDATES: &[(&str, &str, &str, Outcome)] = &[
    (r#""durable_name":"d","ack_policy":"explicit""#, r#""durable_name":"d","ack_policy":"explicit""#, "create", Ok(())),
    (r#""durable_name":"d","ack_policy":"explicit""#, r#""durable_name":"d","ack_policy":"explicit","description":"x""#, "create", Err((10_148, "consumer already exists"))),
    (r#""ack_policy":"explicit""#, r#""ack_policy":"explicit""#, "create", Err((10_148, "consumer already exists"))),
    (r#""ack_policy":"explicit""#, r#""ack_policy":"explicit""#, "update", Ok(())),
    (r#""ack_policy":"explicit""#, r#""ack_policy":"all""#, "", Err((10_012, "ack policy can not be updated"))),
    (r#""ack_policy":"explicit""#, r#""ack_policy":"explicit","deliver_policy":"new""#, "", Err((10_012, "deliver policy can not be updated"))),
    ("", r#""mem_storage":true"#, "", Err((10_012, "storage type can not be updated"))),
    ("", r#""replay_policy":"original""#, "", Err((10_012, "replay policy can not be updated"))),
    ("", r#""max_waiting":5"#, "", Err((10_012, "max waiting can not be updated"))),
    ("", r#""deliver_subject":"x""#, "", Err((10_012, "can not update pull consumer to push based"))),
    (r#""deliver_subject":"x""#, "", "", Err((10_012, "can not update push consumer to pull based"))),
    (r#""deliver_subject":"x","idle_heartbeat":1000000000"#, r#""deliver_subject":"x""#, "", Err((10_012, "heart beats can not be updated"))),
    (r#""deliver_subject":"x""#, r#""deliver_subject":"y""#, "", Ok(())),
    ("", r#""description":"y","max_deliver":3,"filter_subject":"s.a","max_ack_pending":5,"headers_only":true,"inactive_threshold":60000000000,"metadata":{"a":"b"},"max_batch":3"#, "", Ok(())),
];

#[test]
fn some_things_may_change_and_others_not() {
    let stream = stream("S");
    let surroundings = around(&stream, &[]);
    for (before, after, action, expected) in UPDATES {
        let older = read("S", &format!("{{{before}}}"), false).expect("it is one");
        let older = older.check(&surroundings).expect("it is right").fields;
        let mut newer = read("S", &format!("{{{after}}}"), false).expect("it is one");
        newer.action = Action::try_from((*action).to_owned()).expect("it is one");
        let result = newer.check(&Surroundings {
            existing: Some(&older),
            ..surroundings
        });
        let result = result
            .map(|_| ())
            .map_err(|error| (error.err_code, error.description));
        let expected = expected.map_err(|(err_code, text)| (err_code, text.into()));
        assert_eq!(result, expected, "{before} {after}");
    }
    let mut missing = read("S", "{}", false).expect("it is one");
    missing.action = Action::Update;
    assert_eq!(
        missing.check(&surroundings).map(|_| ()),
        Err(error::CONSUMER_DOES_NOT_EXIST)
    );
}

#[test]
fn requests_are_read_strictly() {
    let wrong = |body: &str| CreateRequest::read(body.as_bytes()).expect_err("it is wrong");
    for (body, text) in [
        (
            r#"{"stream_name":"S","foo":1}"#,
            r#"invalid JSON: json: unknown field "foo""#,
        ),
        (
            r#"{"config":{"x":1}}"#,
            r#"invalid JSON: json: unknown field "x""#,
        ),
        (
            r#"{"action":"x"}"#,
            r#"invalid JSON: unknown consumer action: "x""#,
        ),
    ] {
        assert_eq!(wrong(body).description, text);
    }
    assert_eq!(
        CreateRequest::read(b"").expect("nothing is said"),
        CreateRequest::default()
    );
    let stored = serde_json::to_string(&read("S", r#"{"name":"n"}"#, false).expect("one").config);
    let fields: Value = serde_json::from_str(&stored.expect("JSON")).expect("JSON");
    assert_eq!(fields["name"], "n");
}
