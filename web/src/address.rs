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

/// The origin of an address, if it has one that can be asked.
pub fn origin(address: &str) -> Option<String> {
    let url = Url::new(address).ok()?;
    matches!(url.protocol().as_str(), "http:" | "https:").then(|| url.origin())
}

/// The page's own origin.
pub fn own_origin() -> String {
    window().location().origin().unwrap_or_default()
}

/// Whether this is the benchmark's page.
pub fn is_bench() -> bool {
    window().location().pathname().is_ok_and(|path| path.ends_with("/bench.html") || path.ends_with("/bench"))
}

/// What `?server=` names for this visit: a server, or none with `?server=none`.
pub fn named_server() -> Option<Option<String>> {
    let search = window().location().search().unwrap_or_default();
    choose(UrlSearchParams::new_with_str(&search).ok()?.get("server").as_deref())
}

/// A failure on purpose that `?fault=` asks for, for tests of the page: `panic@7` after token 7 of the first answer.
pub fn fault() -> Option<Fault> {
    let search = window().location().search().unwrap_or_default();
    let named = UrlSearchParams::new_with_str(&search).ok().and_then(|query| query.get("fault"));
    named.and_then(|text| Fault::parse(&text))
}

/// Whether `?engine=cpu` asks for the engine on the processor.
pub fn wants_processor() -> bool {
    let search = window().location().search().unwrap_or_default();
    UrlSearchParams::new_with_str(&search).is_ok_and(|query| query.get("engine").as_deref() == Some("cpu"))
}

/// The host of a server that is not the page's own: the reader should know where text may go.
pub fn foreign_host(server: &str) -> Option<String> {
    let server = Url::new(server).ok()?;
    (server.origin() != own_origin()).then(|| server.host())
}

fn choose(named: Option<&str>) -> Option<Option<String>> {
    match named.map(str::trim) {
        None | Some("") => None,
        Some("none") => Some(None),
        Some(url) => Some(Some(url.trim_end_matches('/').to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_names_the_server() {
        assert_eq!(choose(None), None);
        assert_eq!(choose(Some(" ")), None);
        assert_eq!(choose(Some("none")), Some(None));
        assert_eq!(choose(Some("https://llm.example/")), Some(Some("https://llm.example".into())));
    }
}
