//! Monitoring over HTTP, on a thread of its own.
//!
//! Bounds: connections at a time, the time that one may take to ask, and
//! nothing is read of a request's body.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tracing::error;

use super::Admin;
use super::pages::Parameters;

/// Connections at a time; further ones wait.
const CONNECTIONS_MAX: usize = 256;

/// How long a client may take to ask.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts the thread that answers on a listener.
pub fn start(admin: Arc<Admin>, listener: TcpListener) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    // Monitoring starts once.
    let _ = admin.monitoring_port.set(listener.local_addr()?.port());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("monitoring".to_owned())
        .spawn(move || {
            if let Err(failure) = runtime.block_on(serve(admin, listener)) {
                error!("Monitoring has ended: {failure}");
            }
        })?;
    Ok(())
}

async fn serve(admin: Arc<Admin>, listener: TcpListener) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return Ok(());
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(failure) => {
                error!("Cannot accept a monitoring connection: {failure}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let admin = Arc::clone(&admin);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&admin, request));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            // A client that breaks off is no news.
            let _ = connection.await;
            drop(place);
        });
    }
}

async fn answer(
    admin: &Admin,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let settings = admin.settings();
    let base = settings.options.monitoring.as_ref();
    let base = base.map_or("", |monitoring| &*monitoring.base_path);
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path();
    let path = path.strip_prefix(base).unwrap_or(path);
    let parameters = Parameters::of_query(request.uri().query().unwrap_or(""));
    Ok(match path {
        _ if !is_reading => text(
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            "Method Not Allowed\n",
        ),
        "" | "/" => text(
            StatusCode::OK,
            "text/html; charset=utf-8",
            index(admin, base),
        ),
        "/metrics" => text(StatusCode::OK, "text/plain; version=0.0.4", admin.metrics()),
        "/stacksz" => text(
            StatusCode::OK,
            "text/plain",
            "a thread per core, and nothing on their stacks\n",
        ),
        _ => json(admin, path, &parameters),
    })
}

fn json(admin: &Admin, path: &str, parameters: &Parameters) -> Response<Full<Bytes>> {
    let value = match admin.page(path, parameters) {
        None => {
            return text(
                StatusCode::NOT_FOUND,
                "text/plain; charset=utf-8",
                "404 page not found\n",
            );
        }
        Some(Err(refused)) => {
            return text(
                StatusCode::BAD_REQUEST,
                "text/plain; charset=utf-8",
                refused.0,
            );
        }
        Some(Ok(value)) => value,
    };
    // /healthz is read by machines only.
    let body = match path {
        "/healthz" => serde_json::to_string(&value),
        _ => serde_json::to_string_pretty(&value),
    }
    .expect("JSON values are always JSON");
    match parameters.text("callback") {
        "" => text(StatusCode::OK, "application/json", body),
        callback
            if callback
                .chars()
                .all(|c| c.is_alphanumeric() || "_.$".contains(c)) =>
        {
            text(
                StatusCode::OK,
                "application/javascript",
                format!("{callback}({body})"),
            )
        }
        _ => text(
            StatusCode::BAD_REQUEST,
            "text/plain; charset=utf-8",
            "invalid callback\n",
        ),
    }
}

fn text(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let value = hyper::header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

fn index(admin: &Admin, base: &str) -> String {
    let pages = super::pages::PAGES.iter().chain(&["/metrics"]);
    let links: String = pages
        .map(|page| format!("<li><a href=\"{base}{page}\">{}</a></li>", &page[1..]))
        .collect();
    let name = html_escape(&admin.server.server_name);
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><title>Trunkline</title></head><body>\
         <h1>Trunkline {}</h1><p>{name}</p><ul>{links}</ul></body></html>",
        env!("CARGO_PKG_VERSION")
    )
}

fn html_escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
