//! Waiting: for time to pass, and for work that may stall or be stopped.

use citer_core::StopFlag;
use citer_library::FetchError;
use futures::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use wasm_bindgen_futures::JsFuture;

/// How often a stop is looked for, in milliseconds.
const LOOK_MS: u64 = 200;
/// Milliseconds without a byte after which a connection counts as lost.
const STALL_MS: u64 = 30_000;

/// Sleeps.
pub async fn sleep(milliseconds: u64) {
    let milliseconds = i32::try_from(milliseconds).unwrap_or(i32::MAX);
    let timer = js_sys::Promise::new(&mut |resolve, _| {
        // A worker without timers does not exist; if it refused one, the wait would just be over.
        if crate::scope().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds).is_err() {
            let _ = resolve.call0(&wasm_bindgen::JsValue::NULL);
        }
    });
    let _ = JsFuture::from(timer).await;
}

/// Sleeps unless it is stopped.
pub async fn sleep_unless(stop: &StopFlag, milliseconds: u64) {
    let mut left = milliseconds;
    while left > 0 && !stop.is_stopped() {
        let step = left.min(LOOK_MS);
        sleep(step).await;
        left -= step;
    }
}

/// The result of `work`, unless it is stopped or nothing comes for too long.
pub async fn or_stopped<T>(work: impl Future<Output = T>, stop: &StopFlag) -> Result<T, FetchError> {
    let mut work = pin!(work);
    let mut waited = 0;
    while waited < STALL_MS {
        match select(work.as_mut(), pin!(sleep(LOOK_MS))).await {
            Either::Left((done, _)) => return Ok(done),
            Either::Right(_) if stop.is_stopped() => return Err(FetchError::Stopped),
            Either::Right(_) => waited += LOOK_MS,
        }
    }
    Err(FetchError::Unreachable(format!("nothing came for {} s", STALL_MS / 1000)))
}
