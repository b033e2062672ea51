//! Drawn tokens: the same whether a wait is hidden or not, on the plain path and on the graphics adapter, and a long question
//! is read in parts that can be stopped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::{
    LocalModel, Mode, RemoteError, RemoteModel, RemoteToken, RoutedDecoder, Sampling, Settings, StopFlag, TokenId,
};
use citer_lm::{Engine, Gpu, SlmFiles, device, fused::Options};
use futures::executor::block_on;
use std::{
    future::poll_fn,
    path::PathBuf,
    sync::{Arc, Mutex},
    task::Poll,
};

const PROMPT: [TokenId; 5] = [1, 5, 9, 30, 2];

fn files() -> SlmFiles {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/tied");
    SlmFiles::read(&folder).unwrap()
}

fn plain() -> Engine {
    files().engine(usize::MAX, &device::cpu()).unwrap().0
}

fn fused() -> Engine {
    let gpu = block_on(Gpu::open()).expect("a graphics adapter; on Debian install mesa-vulkan-drivers");
    block_on(files().fused(Options::default(), &gpu, |_| ())).unwrap().0
}

/// An LLM that takes some turns of the executor and agrees with nobody, by a rule over the prefix.
struct Llm(u64);

impl RemoteModel for Llm {
    fn sample(&mut self, _: Sampling) {}

    async fn next_token(&mut self, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
        let random = prefix.iter().fold(self.0, |sum, id| (sum ^ u64::from(*id)).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for _ in 0..random >> 60 {
            let mut waited = false;
            poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        Ok(RemoteToken { token: 3 + (random >> 40) as TokenId % 40, ..RemoteToken::default() })
    }
}

fn draw(engine: &mut Engine, sampling: Sampling, hide_wait: bool) -> Vec<TokenId> {
    let settings =
        Settings { mode: Mode::Router, threshold: 0.5, max_tokens: 20, sampling, hide_wait, ..Settings::default() };
    let (mut decoder, stop, mut llm) = (RoutedDecoder::new(), StopFlag::default(), Llm(sampling.seed));
    engine.truncate(0);
    block_on(decoder.answer(engine, &mut llm, &PROMPT, &settings, &stop, |_| ())).unwrap().ids()
}

fn waits_change_nothing(engine: &mut Engine, seeds: u64) {
    let mut different = 0;
    for seed in 0..seeds {
        let sampling = Sampling { temperature: 1.0, top_p: 0.95, seed };
        let waited = draw(engine, sampling, false);
        assert_eq!(draw(engine, sampling, true), waited, "seed {seed}");
        different += usize::from(draw(engine, Sampling { seed: seed + 1_000, ..sampling }, true) != waited);
        // What was drawn before leaves nothing behind.
        let greedy = Sampling { seed, ..Sampling::GREEDY };
        assert_eq!(draw(engine, greedy, true), draw(engine, greedy, false));
    }
    assert!(different as u64 > seeds / 2, "{different} of {seeds} answers changed with the seed");
}

#[test]
fn a_hidden_wait_changes_no_drawn_token_on_the_plain_path() {
    waits_change_nothing(&mut plain(), 40);
}

#[test]
fn a_hidden_wait_changes_no_drawn_token_on_the_adapter_and_long_questions_are_read_in_parts() {
    let mut engine = fused();
    waits_change_nothing(&mut engine, 12);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let seen = heard.clone();
    engine.watch = Some(Box::new(move |done, all| {
        seen.lock().unwrap().push((done, all));
        false
    }));
    engine.sample(Sampling { temperature: 1.0, top_p: 0.95, seed: 1 });
    engine.truncate(0);
    let long = vec![1; engine.capacity().min(citer_gpu::PREFILL + 1)];
    assert!(block_on(engine.feed(&long)).is_err(), "it was stopped");
    assert_eq!(*heard.lock().unwrap(), [(citer_gpu::PREFILL, citer_gpu::PREFILL + 1)]);
}
