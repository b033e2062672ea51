//! The model as the routed decoder drives it on the processor: it takes a breath before every piece of work, in which the
//! worker hears the page, and reads a long prompt in pieces.

use citer_core::{LocalModel, LocalStep, Sampling, TokenId};
use citer_lm::{Engine, EngineError};
use js_sys::{Function, Promise};
use std::ops::{Deref, DerefMut};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Tokens of a prompt that are computed at once: a fraction of a second.
pub const CHUNK: usize = 64;

#[wasm_bindgen]
extern "C" {
    type MessageChannel;
    #[wasm_bindgen(constructor)]
    fn new() -> MessageChannel;
    #[wasm_bindgen(method, getter)]
    fn port1(this: &MessageChannel) -> Port;
    #[wasm_bindgen(method, getter)]
    fn port2(this: &MessageChannel) -> Port;

    type Port;
    #[wasm_bindgen(method, setter)]
    fn set_onmessage(this: &Port, hear: &Function);
    #[wasm_bindgen(method, js_name = postMessage)]
    fn post(this: &Port, message: &JsValue);
}

/// Lets the worker hear what came meanwhile. A timer would wait for milliseconds, a promise alone lets nothing through.
async fn breathe() {
    let channel = MessageChannel::new();
    let heard = Promise::new(&mut |resolve, _| {
        channel.port1().set_onmessage(&resolve);
        channel.port2().post(&JsValue::NULL);
    });
    let _ = JsFuture::from(heard).await;
}

/// An engine that breathes.
pub struct Model(pub Engine);

impl Deref for Model {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl DerefMut for Model {
    fn deref_mut(&mut self) -> &mut Engine {
        &mut self.0
    }
}

impl LocalModel for Model {
    type Error = EngineError;

    fn sample(&mut self, sampling: Sampling) {
        self.0.sample(sampling);
    }

    async fn feed(&mut self, tokens: &[TokenId]) -> Result<LocalStep, EngineError> {
        let (needed, capacity) = (self.position() + tokens.len(), self.capacity());
        if needed > capacity {
            return Err(EngineError::ContextFull { needed, capacity });
        }
        let (mut done, mut last) = (0, Err(EngineError::Empty));
        for chunk in tokens.chunks(CHUNK) {
            breathe().await;
            last = Ok(self.0.feed(chunk).await?);
            done += chunk.len();
            let watched = tokens.len() > 1;
            let goes_on = !watched || self.0.watch.as_mut().is_none_or(|watch| watch(done, tokens.len()));
            if done < tokens.len() && !goes_on {
                return Err(EngineError::Stopped);
            }
        }
        last
    }

    fn position(&self) -> usize {
        self.0.position()
    }

    fn truncate(&mut self, position: usize) {
        self.0.truncate(position);
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }

    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    fn is_end(&self, token: TokenId) -> bool {
        self.0.is_end(token)
    }

    fn token_bytes(&self, token: TokenId) -> Vec<u8> {
        self.0.token_bytes(token)
    }
}
