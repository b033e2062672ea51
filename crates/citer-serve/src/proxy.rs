//! The proxy: completions and chats that a server behind this one answers, passed on as they are and counted on the way.

use crate::{
    error::ApiError,
    fields::Fields,
    meter::Meter,
    server::{Engine, Shared},
    upstream::{self, Upstreams},
};
use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{MatchedPath, State, rejection::BytesRejection},
    http::{HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest line of a stream that is looked at.
const MAX_LINE: usize = 1 << 20;

/// Passes a request on.
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(meter): Extension<Arc<Meter>>,
    path: MatchedPath,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    // Passed on byte by byte.
    let bytes = body.as_ref().cloned().unwrap_or_default();
    let fields = Fields::received(body)?;
    let Engine::Upstreams(upstreams) = &shared.engine else { return Err(ApiError::path(path.as_str())) };
    let model = shared.model(fields.text("model")?)?;
    let (guess, one) = (guess(&fields), fields.get("max_tokens") == Some(&json!(1)));
    let body = named(&fields, &bytes, upstreams, model);
    let (response, permit, queued) = upstreams.forward(model, path.as_str(), body).await?;
    let kind = response.headers().get(CONTENT_TYPE).cloned();
    let kind = kind.unwrap_or(HeaderValue::from_static("application/json"));
    if !kind.to_str().is_ok_and(|kind| kind.starts_with("text/event-stream")) {
        let broken = || ApiError::upstream("the answer of the server behind this one broke off: try again");
        let body = upstream::read(response).await.ok_or_else(broken)?;
        count(&body, guess, queued, one, &meter);
        return Ok(([(CONTENT_TYPE, kind)], body).into_response());
    }
    meter.started(guess, 0, queued, one);
    // The permit lives as long as the stream does.
    let watched = watch(response.into_body().into_data_stream(), meter).map(move |part| {
        let _held = &permit;
        part
    });
    Ok(([(CONTENT_TYPE, kind)], Body::from_stream(watched)).into_response())
}

/// The body with the model's name, for clients that leave it out.
fn named(fields: &Fields, body: &[u8], upstreams: &Upstreams, model: usize) -> Vec<u8> {
    if fields.get("model").is_some() {
        return body.to_vec();
    }
    let mut object: Value = serde_json::from_slice(body).unwrap_or_default();
    object["model"] = json!(upstreams.models[model].0.name);
    object.to_string().into_bytes()
}

/// About how many tokens a prompt has, for budgets when the upstream does not say: ids, or a token for four bytes.
fn guess(fields: &Fields) -> usize {
    let text = |value: &Value| value.as_str().map_or(0, |text| text.len().div_ceil(4));
    match (fields.get("prompt"), fields.get("messages")) {
        (Some(Value::Array(list)), _) => list.len(),
        (Some(prompt), _) => text(prompt),
        (None, Some(Value::Array(list))) => list.iter().map(|message| text(&message["content"])).sum(),
        _ => 0,
    }
}

fn count(body: &[u8], guess: usize, queued: std::time::Duration, one: bool, meter: &Meter) {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let usage = &answer["usage"];
    let number = |value: &Value| value.as_u64().map(|number| number as usize);
    let cached = number(&usage["prompt_tokens_details"]["cached_tokens"]).unwrap_or(0);
    meter.started(number(&usage["prompt_tokens"]).unwrap_or(guess), cached, queued, one);
    (0..number(&usage["completion_tokens"]).unwrap_or(1)).for_each(|_| meter.token());
}

/// The same bytes; every event that brings text counts as a token.
fn watch<E: std::error::Error + Send + Sync + 'static>(
    parts: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    meter: Arc<Meter>,
) -> impl Stream<Item = Result<Bytes, E>> + Send + 'static {
    let start = (Box::pin(parts), Vec::new(), meter);
    stream::unfold(start, |(mut parts, mut line, meter)| async move {
        let part = parts.next().await?;
        for byte in part.iter().flat_map(|bytes| bytes.iter()) {
            if *byte != b'\n' {
                if line.len() < MAX_LINE {
                    line.push(*byte);
                }
                continue;
            }
            if brings_text(&line) {
                meter.token();
            }
            line.clear();
        }
        Some((part, (parts, line, meter)))
    })
}

fn brings_text(line: &[u8]) -> bool {
    let Some(data) = line.strip_prefix(b"data:") else { return false };
    let event: Value = serde_json::from_slice(data).unwrap_or_default();
    let choice = &event["choices"][0];
    let text = choice["text"].as_str().or(choice["delta"]["content"].as_str());
    text.is_some_and(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use std::sync::atomic::Ordering;

    #[tokio::test]
    async fn a_stream_is_passed_on_byte_by_byte_and_counted() {
        let text = "data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\r\n\n\
                    data: {\"choices\":[{\"text\":\"\"}]}\n\n: ping\n\ndata: [DONE]\n\n";
        for size in [1, 7, text.len()] {
            let parts: Vec<_> = text.as_bytes().chunks(size).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
            let meter = Arc::new(Meter::new(Arc::new(Metrics::new()), None));
            let out: Vec<Result<Bytes, std::io::Error>> = watch(stream::iter(parts), meter.clone()).collect().await;
            let out: Vec<u8> = out.into_iter().flat_map(|part| part.unwrap()).collect();
            assert_eq!(out, text.as_bytes());
            assert_eq!(meter.generated.load(Ordering::Relaxed), 2);
        }
    }
}
