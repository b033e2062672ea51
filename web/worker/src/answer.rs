//! One answer: the routed decoder with its events sent to the page as they happen.

use crate::{engine::Loaded, post, server::Server};
use citer_core::message::{FromWorker, Turn};
use citer_core::notice::Notices;
use citer_core::trace::Part;
use citer_core::{Candidate, Settings, StopFlag, Trace};
use citer_lm::Tokenizer;

/// Answers the last turn. Errors are words for people.
pub async fn answer(
    loaded: &mut Loaded,
    server: &mut Server,
    answer: u64,
    turns: &[Turn],
    settings: &Settings,
    stop: &StopFlag,
) -> Result<(), String> {
    let tokenizer = loaded.engine.shared_tokenizer();
    let prompt = loaded.engine.format().prompt(&tokenizer, turns).map_err(|e| e.to_string())?;
    let mut notices = Notices::default();
    let made = loaded
        .decoder
        .answer(&mut loaded.engine, server, &prompt, settings, stop, |event| {
            let (local_text, remote_text) = (texts(&tokenizer, &event.local), texts(&tokenizer, &event.remote));
            post(&FromWorker::Token { answer, event: event.clone(), local_text, remote_text });
            if let Some(text) = notices.due(event) {
                post(&FromWorker::Notice { answer, text: text.into() });
            }
        })
        .await
        .map_err(|e| e.to_string())?;
    let finish = made.finish;
    let mut trace = Trace::new(&prompt, settings, made);
    let [slm, router] = loaded.hashes.clone();
    trace.slm = Some(Part { name: loaded.info.model.clone(), hash: Some(slm) });
    trace.router = Some(Part { name: "citer-router".into(), hash: Some(router) });
    trace.llm = server.model.clone().map(|name| Part { name, hash: None });
    post(&FromWorker::Finished { answer, finish, trace });
    Ok(())
}

fn texts(tokenizer: &Tokenizer, candidates: &[Candidate]) -> Vec<String> {
    candidates.iter().map(|candidate| tokenizer.decode(&[candidate.id])).collect()
}
