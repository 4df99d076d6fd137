//! Paths and answers of monitoring over HTTP, as NATS 2.15 has them: any method
//! is a question, `Content-Type` and `Access-Control-Allow-Origin` as there.

use serde_json::{Value, json};
use tracing::warn;

use super::Admin;
use super::parameters::{Parameters, Refused};
use super::reply::Reply;
use super::request::Request;
use trunkline_core::base::shown::quoted;

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

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

/// Answers a request; its body, if it has one, is not looked at.
pub fn answer(admin: &Admin, request: &Request) -> Reply {
    if is_nowhere(request) {
        let status = if request.method == "OPTIONS" {
            200
        } else {
            400
        };
        return Reply::new(status, "", "");
    }
    let settings = admin.settings();
    let monitoring = settings.options.monitoring.as_ref();
    let base = monitoring.map_or("", |monitoring| &*monitoring.base_path);
    if request.method != "CONNECT"
        && let Some(location) = request.target.moved()
    {
        return moved(request, location);
    }
    let page = request.target.page();
    match page.as_deref().and_then(|page| page.strip_prefix(base)) {
        Some("") if !base.is_empty() => index(admin, base),
        Some("/") if base.is_empty() => index(admin, base),
        Some(page) => page_of(admin, page, &Parameters::of_query(&request.target.query)),
        None => not_found(),
    }
}

/// Whether a request is about no page in particular.
pub fn is_nowhere(request: &Request) -> bool {
    request.target.path == "*"
}

fn page_of(admin: &Admin, page: &str, parameters: &Parameters) -> Reply {
    match page {
        "/metrics" => Reply::new(200, "text/plain; version=0.0.4", admin.metrics()),
        "/debug/vars" => Reply::new(
            200,
            "application/json; charset=utf-8",
            process_variables().to_string(),
        ),
        "/stacksz" => open_to_all(Reply::new(
            200,
            JSON,
            "a thread per core, and nothing on their stacks\n",
        )),
        "/raftz" => Reply::new(404, PLAIN, "No Raft nodes registered"),
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
        Ok(value) => open_to_all(Reply::new(200, JSON, pretty(&value))),
        Err(Refused(text)) => Reply::new(400, PLAIN, text),
    }
}

fn health(admin: &Admin, parameters: &Parameters) -> Reply {
    admin.count_request("/healthz");
    match admin.health(parameters) {
        Err(Refused(text)) => Reply::new(400, PLAIN, text),
        Ok(health) => {
            if let Some(failure) = health.failure() {
                warn!("Healthcheck failed: {}", quoted(failure));
            }
            open_to_all(Reply::new(health.code, JSON, health.json().to_string()))
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

fn open_to_all(reply: Reply) -> Reply {
    reply.with("Access-Control-Allow-Origin", "*")
}

fn not_found() -> Reply {
    Reply::new(404, PLAIN, "404 page not found\n").with("X-Content-Type-Options", "nosniff")
}

/// Where the same page is without dots and double slashes.
fn moved(request: &Request, location: String) -> Reply {
    let is_shown = matches!(&*request.method, "GET" | "HEAD");
    let reply = match is_shown {
        true => {
            let shown = escaped(&location);
            let body = format!("<a href=\"{shown}\">Temporary Redirect</a>.\n\n");
            Reply::new(307, HTML, body)
        }
        false => Reply::new(307, "", ""),
    };
    reply.with("Location", location)
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
    Reply::new(200, HTML, body)
}

/// A text within a page of HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
}
