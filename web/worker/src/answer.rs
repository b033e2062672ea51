//! One answer: the routed decoder with its events sent to the page as they happen.

use crate::{engine::Loaded, post, server::Server};
use citer_core::message::{FromWorker, Turn};
use citer_core::notice::Notices;
use citer_core::revival::{Cause, Death, Fault};
use citer_core::trace::{ENTROPY, Part};
use citer_core::{Candidate, DecodeError, Settings, StopFlag, TokenEvent, Trace};
use citer_lm::Tokenizer;

/// What is to be answered.
pub struct Request {
    /// The page's number for the answer.
    pub answer: u64,
    /// The conversation, ending in a user turn.
    pub turns: Vec<Turn>,
    /// What was answered already, by a worker that died.
    pub events: Vec<TokenEvent>,
    /// How to answer.
    pub settings: Settings,
    /// A failure on purpose.
    pub fault: Option<Fault>,
}

/// Answers the last turn, or goes on with its answer. An error is what the page is to be told.
pub async fn answer(
    loaded: &mut Loaded,
    server: &mut Server,
    request: Request,
    stop: &StopFlag,
) -> Result<(), FromWorker> {
    let Request { answer, turns, events, settings, fault } = request;
    let failed = |error: String| FromWorker::Failed { answer: Some(answer), error };
    let tokenizer = loaded.engine.shared_tokenizer();
    let prompt = loaded.engine.format().prompt(&tokenizer, &turns).map_err(|e| failed(e.to_string()))?;
    server.begin(answer, &turns, prompt.len());
    let errand = server.errand();
    let mut notices = Notices::default();
    for event in &events {
        notices.due(event);
    }
    let asked = stop.clone();
    loaded.engine.watch = Some(Box::new(move |done, total| {
        post(&FromWorker::Reading { answer, done, total });
        !asked.is_stopped()
    }));
    let made = loaded
        .decoder
        .go_on(&mut loaded.engine, server, &prompt, events, &settings, stop, |event| {
            let (local_text, remote_text) = (texts(&tokenizer, &event.local), texts(&tokenizer, &event.remote));
            // What a request under way brings late belongs to no other token.
            let (requests, server) = match event.source.was_asked() {
                true => (errand.requests.take(), errand.last.take()),
                false => (Vec::new(), None),
            };
            post(&FromWorker::Token { answer, event: event.clone(), local_text, remote_text, requests, server });
            if let Some(text) = notices.due(event) {
                post(&FromWorker::Notice { answer, text: text.into() });
            }
            if let Some(fault) = fault.filter(|fault| fault.at == event.index) {
                fail_on_purpose(fault);
            }
        })
        .await
        .map_err(|error| match error {
            // The device or its memory is gone: only a new worker can go on.
            DecodeError::Local { source, .. } => FromWorker::Died(Death::of(&source.to_string())),
            other => failed(other.to_string()),
        })?;
    let finish = made.finish;
    let mut trace = Trace::new(&prompt, &settings, made);
    let [slm, router] = loaded.hashes.clone();
    trace.slm = Some(Part { name: loaded.info.model.clone(), hash: Some(slm) });
    let judge = if loaded.info.by_entropy { ENTROPY } else { "citer-router" };
    // A model without a router has no hash of one.
    trace.router = (!router.is_empty()).then(|| Part { name: judge.into(), hash: Some(router) });
    trace.llm = server.model().map(|name| Part { name, hash: None });
    post(&FromWorker::Finished { answer, finish, trace });
    Ok(())
}

fn texts(tokenizer: &Tokenizer, candidates: &[Candidate]) -> Vec<String> {
    candidates.iter().map(|candidate| tokenizer.decode(&[candidate.id])).collect()
}

#[expect(clippy::panic, reason = "the page was opened with an address that asks for it")]
fn fail_on_purpose(fault: Fault) {
    let words = "the page's address asks for this fault";
    if fault.cause != Cause::Panic {
        post(&FromWorker::Died(Death { cause: fault.cause, detail: words.into() }));
    }
    panic!("{words}");
}
