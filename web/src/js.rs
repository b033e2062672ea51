//! JavaScript objects where the browser's interfaces are not bound: properties, methods that promise, messages of errors.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// The property `name`; undefined where there is none.
pub fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_default()
}

/// Calls the method `name`, where there is one, and waits for its promise.
pub async fn call(object: &JsValue, name: &str) -> Option<JsValue> {
    let method: Function = get(object, name).dyn_into().ok()?;
    let promise: Promise = method.call0(object).ok()?.dyn_into().ok()?;
    JsFuture::from(promise).await.ok()
}

/// The `message` of an error or event, where it has one.
pub fn message(value: &JsValue) -> Option<String> {
    get(value, "message").as_string()
}
