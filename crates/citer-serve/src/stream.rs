//! Streams: runs a generation for a request and answers with server-sent events or with one body.

use crate::{
    answer::{Answer, Kind},
    error::ApiError,
    generation::{Event, Prompt},
    meter::Meter,
    options::Options,
    server::{Engine, Shared},
    worker::{Begun, died},
};
use axum::{
    Json,
    response::{
        IntoResponse, Response,
        sse::{Event as SseEvent, KeepAlive, Sse},
    },
};
use futures::{StreamExt, stream};
use serde_json::Value;
use std::{convert::Infallible, sync::Arc};
use tokio::sync::mpsc::UnboundedReceiver;

/// Generates and answers as the options say.
pub(crate) async fn respond(
    shared: &Shared,
    meter: Arc<Meter>,
    kind: Kind,
    prompt: Prompt,
    options: Options,
) -> Result<Response, ApiError> {
    let Engine::Local(worker) = &shared.engine else { return Err(died()) };
    let Begun { prompt, cached, events, .. } = worker.begin(kind.path(), prompt, options.clone(), meter).await?;
    let answer = Answer::new(kind, &shared.models[0].name, &options, prompt, cached);
    if options.output.stream { Ok(chunks(answer, events)) } else { whole(answer, events).await }
}

async fn whole(answer: Answer, mut events: UnboundedReceiver<Event>) -> Result<Response, ApiError> {
    let (mut text, mut tokens) = (String::new(), Vec::new());
    loop {
        match events.recv().await {
            Some(Event::Started { .. }) => {}
            Some(Event::Token(token)) => {
                text.push_str(&token.text);
                tokens.push(token);
            }
            Some(Event::Finished { finish, rest }) => {
                text.push_str(&rest);
                return Ok(Json(answer.whole(&text, &tokens, finish)).into_response());
            }
            Some(Event::Failed(error)) => return Err(error),
            None => return Err(died()),
        }
    }
}

/// Where a stream stands.
struct Progress {
    answer: Answer,
    events: UnboundedReceiver<Event>,
    generated: usize,
    over: bool,
}

impl Progress {
    /// The data of the next server-sent events; `None` after the last.
    async fn next(&mut self) -> Option<Vec<String>> {
        if self.over {
            return None;
        }
        let write = |chunks: Vec<Value>| chunks.iter().map(Value::to_string).collect::<Vec<_>>();
        Some(match self.events.recv().await {
            Some(Event::Started { .. }) => Vec::new(),
            Some(Event::Token(token)) => {
                self.generated += 1;
                write(self.answer.token(&token).into_iter().collect())
            }
            Some(Event::Finished { finish, rest }) => {
                self.over = true;
                let mut data = write(self.answer.ending(&rest, self.generated, finish));
                data.push("[DONE]".into());
                data
            }
            Some(Event::Failed(error)) => self.fail(error),
            None => self.fail(died()),
        })
    }

    /// The status is sent already, so the error travels as the last event.
    fn fail(&mut self, error: ApiError) -> Vec<String> {
        self.over = true;
        vec![error.json().to_string()]
    }
}

/// Dropping the response drops the receiver, which ends the generation.
fn chunks(answer: Answer, events: UnboundedReceiver<Event>) -> Response {
    let opening: Vec<String> = answer.opening().iter().map(Value::to_string).collect();
    let progress = Progress { answer, events, generated: 0, over: false };
    let rest = stream::unfold(progress, |mut progress| async move { Some((progress.next().await?, progress)) });
    let data = stream::once(async { opening }).chain(rest).flat_map(stream::iter);
    let events = data.map(|data| Ok::<_, Infallible>(SseEvent::default().data(data)));
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}
