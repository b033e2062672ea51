//! CORS: pages of the listed origins may use the API.

use crate::{guard::REQUEST_ID, server::ServeError};
use axum::http::{HeaderValue, Method, header::RETRY_AFTER};
use std::time::Duration;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// How long a browser may remember a preflight; it saves one round trip per critical token.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// The layer for exact origins (`https://chat.example`, no path), or `*` alone for every page.
pub(crate) fn layer(origins: &[String]) -> Result<CorsLayer, ServeError> {
    let allowed = match origins {
        [any] if any == "*" => AllowOrigin::any(),
        list => AllowOrigin::list(list.iter().map(|origin| exact(origin)).collect::<Result<Vec<_>, _>>()?),
    };
    Ok(CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([RETRY_AFTER, REQUEST_ID])
        .max_age(MAX_AGE))
}

fn exact(origin: &str) -> Result<HeaderValue, ServeError> {
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let plain = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', '*', '@', ' ']);
    let value = host.filter(|host| plain(host)).and_then(|_| HeaderValue::from_str(origin).ok());
    value.ok_or_else(|| ServeError::Origin(origin.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_origins_are_taken() {
        for good in ["http://localhost:8080", "https://chat.example"] {
            assert!(exact(good).is_ok(), "{good}");
        }
        for bad in ["", "*", "null", "chat.example", "https://", "https://chat.example/", "https://*.example"] {
            assert!(exact(bad).is_err(), "{bad}");
        }
        assert!(layer(&["*".into()]).is_ok());
        assert!(layer(&["*".into(), "http://a".into()]).is_err());
    }
}
