//! Sleeping, natively and in the browser.

use std::time::Duration;

/// Lets time pass; natively within a tokio runtime.
#[cfg(not(target_family = "wasm"))]
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Lets time pass, on the page or in a worker.
#[cfg(target_family = "wasm")]
pub(crate) async fn sleep(time: Duration) {
    use wasm_bindgen::prelude::*;

    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_name = setTimeout)]
        fn set_timeout(done: &js_sys::Function, milliseconds: i32) -> JsValue;
    }

    let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    let timer = js_sys::Promise::new(&mut |resolve, _| {
        set_timeout(&resolve, milliseconds);
    });
    // A timer cannot fail; if it did, the wait would just be over.
    let _ = wasm_bindgen_futures::JsFuture::from(timer).await;
}
