//! Addresses: where the page's models and its server are.

use citer_core::revival::Fault;
use leptos::prelude::{document, window};
use web_sys::{Url, UrlSearchParams};

/// The folder of the shipped models, next to the page.
pub fn models() -> String {
    absolute("models/")
}

/// An address as seen from the page.
pub fn absolute(address: &str) -> String {
    let base = document().base_uri().ok().flatten().unwrap_or_default();
    Url::new_with_base(address, &base).map_or_else(|_| address.into(), |url| url.href())
}

/// Whether this is the benchmark's page.
pub fn is_bench() -> bool {
    window().location().pathname().is_ok_and(|path| path.ends_with("/bench.html") || path.ends_with("/bench"))
}

/// The LLM server: the page's own origin, or what `?server=` names; `?server=none` means no server.
pub fn server() -> Option<String> {
    let search = window().location().search().unwrap_or_default();
    let named = UrlSearchParams::new_with_str(&search).ok().and_then(|query| query.get("server"));
    choose(named.as_deref(), &window().location().origin().unwrap_or_default())
}

/// A failure on purpose that `?fault=` asks for, for tests of the page: `panic@7` after token 7 of the first answer.
pub fn fault() -> Option<Fault> {
    let search = window().location().search().unwrap_or_default();
    let named = UrlSearchParams::new_with_str(&search).ok().and_then(|query| query.get("fault"));
    named.and_then(|text| Fault::parse(&text))
}

/// The server's host when it is not the page's own: the reader should know where text may go.
pub fn foreign_server() -> Option<String> {
    let server = Url::new(&server()?).ok()?;
    (server.origin() != window().location().origin().unwrap_or_default()).then(|| server.host())
}

fn choose(named: Option<&str>, origin: &str) -> Option<String> {
    match named.map(str::trim) {
        None | Some("") => Some(origin.to_owned()),
        Some("none") => None,
        Some(url) => Some(url.trim_end_matches('/').to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_names_the_server() {
        let origin = "http://localhost:8080";
        assert_eq!(choose(None, origin).as_deref(), Some(origin));
        assert_eq!(choose(Some(" "), origin).as_deref(), Some(origin));
        assert_eq!(choose(Some("none"), origin), None);
        assert_eq!(choose(Some("https://llm.example/"), origin).as_deref(), Some("https://llm.example"));
    }
}
