//! Failures: an error status or a broken connection as the `RemoteError` that says what to do.

use crate::transport::Response;
use citer_core::RemoteError;
use serde_json::Value;
use std::error::Error;

/// Longest quotation of a server's words, in characters.
const MAX_WORDS: usize = 300;

/// The body of a good answer, or what an error status means. The body of an error may be anything.
pub(crate) fn check(response: &Response) -> Result<&[u8], RemoteError> {
    match response.status {
        200..=299 => Ok(&response.body),
        429 | 503 => Err(RemoteError::Busy(response.retry_after.unwrap_or(1))),
        status => Err(RemoteError::Refused { status, message: words(&response.body) }),
    }
}

/// The server's own words: the message of an OpenAI-shaped error, or the text itself.
fn words(body: &[u8]) -> String {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = ["/error/message", "/message", "/error", "/detail"]
        .iter()
        .find_map(|place| json.pointer(place)?.as_str().map(str::to_owned));
    let text = message.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
    if text.is_empty() {
        return "it gave no reason".into();
    }
    if text.starts_with('<') {
        return "a web page instead of an API answered; check the address".into();
    }
    quote(&text)
}

/// `text` on one line, cut to a length that people read.
pub(crate) fn quote(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > MAX_WORDS { line.chars().take(MAX_WORDS).chain(['…']).collect() } else { line }
}

/// The innermost reason of a failed request; the outer ones only say that it failed.
pub(crate) fn cause(error: reqwest::Error) -> String {
    // The address may hold what should not be shown.
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    quote(&cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_are_found_in_every_usual_shape() {
        for body in [
            r#"{"error":{"message":"no such model"}}"#,
            r#"{"error":"no such model"}"#,
            r#"{"message":"no such model"}"#,
            r#"{"detail":"no such model"}"#,
            " no\n such model ",
        ] {
            assert_eq!(words(body.as_bytes()), "no such model");
        }
        assert_eq!(words(b""), "it gave no reason");
        assert!(words(b"<html>").contains("check the address"));
        assert_eq!(words(&[b'x'; 5_000]).chars().count(), MAX_WORDS + 1);
    }
}
