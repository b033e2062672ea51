//! What can go wrong with the browser's storage.

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::DomException;

/// Why something could not be stored or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The browser gives this page no storage, as in some private windows.
    Denied(String),
    /// No room is left.
    Full,
    /// Something else, in the browser's words.
    Failed(String),
}

impl StoreError {
    /// What an error of the browser means.
    pub fn of(error: &JsValue) -> Self {
        match error.dyn_ref::<DomException>().map(DomException::name) {
            Some(name) if name == "QuotaExceededError" => Self::Full,
            _ => Self::Failed(text_of(error)),
        }
    }
}

/// What a promise comes to.
pub async fn settled(promise: Promise) -> Result<JsValue, StoreError> {
    JsFuture::from(promise).await.map_err(|error| StoreError::of(&error))
}

/// An error in the browser's words.
pub fn text_of(error: &JsValue) -> String {
    match error.dyn_ref::<DomException>() {
        Some(error) => format!("{}: {}", error.name(), error.message()),
        None => format!("{error:?}"),
    }
}
