//! Paths and answers of monitoring over HTTP, as NATS 2.15 has them: any method
//! is a question, `Content-Type` and `Access-Control-Allow-Origin` as there.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tracing::warn;

use super::Admin;
use super::parameters::{Parameters, Refused};

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Pages that the index names.
const INDEX: &[&str] = &[
    "/varz",
    "/jsz",
    "/connz",
    "/accountz",
    "/accstatz",
    "/subsz",
    "/routez",
    "/leafz",
    "/gatewayz",
    "/raftz",
    "/healthz",
    "/debug/vars",
    "/metrics",
];

type Reply = Response<Full<Bytes>>;

/// Answers a request; its body, if it has one, is not looked at.
pub fn answer<Body>(admin: &Admin, request: &Request<Body>) -> Reply {
    let settings = admin.settings();
    let monitoring = settings.options.monitoring.as_ref();
    let base = monitoring.map_or("", |monitoring| &*monitoring.base_path);
    let path = request.uri().path();
    if let Some(clean) = cleaned(path) {
        return moved(&clean, request.uri().query());
    }
    let query = request.uri().query().unwrap_or("");
    match path.strip_prefix(base) {
        Some("") if !base.is_empty() => index(admin, base),
        Some("/") if base.is_empty() => index(admin, base),
        Some(page) => page_of(admin, page, &Parameters::of_query(query)),
        None => not_found(),
    }
}

fn page_of(admin: &Admin, page: &str, parameters: &Parameters) -> Reply {
    match page {
        "/metrics" => reply(StatusCode::OK, "text/plain; version=0.0.4", admin.metrics()),
        "/debug/vars" => reply(
            StatusCode::OK,
            "application/json; charset=utf-8",
            process_variables().to_string(),
        ),
        "/stacksz" => open_to_all(reply(
            StatusCode::OK,
            JSON,
            "a thread per core, and nothing on their stacks\n",
        )),
        "/raftz" => reply(StatusCode::NOT_FOUND, PLAIN, "No Raft nodes registered"),
        "/healthz" => health(admin, parameters),
        // Of the system account only.
        "/idz" => not_found(),
        _ => json_page(admin, page, parameters),
    }
}

fn json_page(admin: &Admin, page: &str, parameters: &Parameters) -> Reply {
    // The subject of a filter is understood over the system account only.
    let parameters = parameters.clone().without("filter_subject");
    if let Some(counted) = counted_at_once(page) {
        admin.count_request(counted);
    }
    let Some(answer) = admin.page(page, &parameters) else {
        return not_found();
    };
    let is_understood = match &answer {
        Ok(_) => true,
        Err(Refused(text)) => !text.starts_with("Error decoding"),
    };
    if matches!(page, "/connz" | "/routez") && is_understood {
        admin.count_request(page);
    }
    match answer {
        Ok(value) => open_to_all(reply(StatusCode::OK, JSON, pretty(&value))),
        Err(Refused(text)) => reply(StatusCode::BAD_REQUEST, PLAIN, text),
    }
}

fn health(admin: &Admin, parameters: &Parameters) -> Reply {
    admin.count_request("/healthz");
    match admin.health(parameters) {
        Err(Refused(text)) => reply(StatusCode::BAD_REQUEST, PLAIN, text),
        Ok(health) => {
            if let Some(failure) = health.failure() {
                warn!("Healthcheck failed: {failure:?}");
            }
            let status = StatusCode::from_u16(health.code);
            let status = status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            open_to_all(reply(status, JSON, health.json().to_string()))
        }
    }
}

/// The name under which `/varz` counts a page, if it does so whatever the
/// parameters are.
fn counted_at_once(page: &str) -> Option<&str> {
    match page {
        "/varz" | "/gatewayz" | "/leafz" | "/subsz" | "/accountz" | "/accstatz" | "/jsz" => {
            Some(page)
        }
        "/subscriptionsz" => Some("/subsz"),
        _ => None,
    }
}

impl Admin {
    /// Counts a request as `/varz` shows it.
    fn count_request(&self, page: &str) {
        let mut requests = self
            .requests
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *requests.entry(page.to_owned()).or_default() += 1;
    }
}

/// What Go's `expvar` shows. The command line may hold passwords: only its
/// first word is shown.
fn process_variables() -> Value {
    let program: Vec<_> = std::env::args_os().take(1).collect();
    let program: Vec<_> = program.iter().map(|word| word.to_string_lossy()).collect();
    json!({ "cmdline": program, "memstats": {} })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON values are always JSON")
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    with(response, CONTENT_TYPE, content_type)
}

fn with(mut response: Reply, name: HeaderName, value: &'static str) -> Reply {
    let headers = response.headers_mut();
    headers.insert(name, HeaderValue::from_static(value));
    response
}

fn open_to_all(response: Reply) -> Reply {
    with(response, ACCESS_CONTROL_ALLOW_ORIGIN, "*")
}

fn not_found() -> Reply {
    let response = reply(StatusCode::NOT_FOUND, PLAIN, "404 page not found\n");
    with(response, X_CONTENT_TYPE_OPTIONS, "nosniff")
}

/// Where the same page is without dots and double slashes.
fn moved(path: &str, query: Option<&str>) -> Reply {
    let location = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let shown = location.replace('&', "&amp;").replace('"', "&#34;");
    let body = format!("<a href=\"{shown}\">Temporary Redirect</a>.\n\n");
    let mut response = reply(
        StatusCode::TEMPORARY_REDIRECT,
        "text/html; charset=utf-8",
        body,
    );
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
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

fn index(admin: &Admin, base: &str) -> Reply {
    admin.count_request("/");
    let links: String = INDEX
        .iter()
        .map(|page| format!("<li><a href=\".{base}{page}\">{}</a></li>", &page[1..]))
        .collect();
    let name = escaped(&admin.server.server_name);
    let body = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><title>Trunkline</title></head><body>\
         <h1>Trunkline {}</h1><p>{name}</p><ul>{links}</ul></body></html>",
        env!("CARGO_PKG_VERSION")
    );
    reply(StatusCode::OK, "text/html; charset=utf-8", body)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for (path, clean) in [
            ("//varz", "/varz"),
            ("/../varz", "/varz"),
            ("/a/./b/../varz", "/a/varz"),
            ("//", "/"),
            ("/varz//", "/varz/"),
        ] {
            assert_eq!(cleaned(path).as_deref(), Some(clean));
        }
        for path in ["/", "/varz", "/varz/", "/debug/vars"] {
            assert_eq!(cleaned(path), None);
        }
    }
}
