//! What this machine has: limits of the graphics adapter, memory and storage, as far as the browser tells.

use crate::device;
use citer_core::library::StorageUse;
use citer_library::{Machine, room};
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::StorageEstimate;

/// Bytes in a GiB.
const GIB: f64 = 1_073_741_824.0;
/// The share of the memory that a model may take: the system and other pages need the rest.
const SHARE: f64 = 0.5;

/// What the engine's device allows.
pub struct Limits {
    /// Bytes of memory that a model may take, where the device says so.
    pub memory: Option<u64>,
    /// Largest buffer.
    pub max_buffer: u64,
    /// Largest part of a buffer that a kernel may see.
    pub max_binding: u64,
}

/// What a decode step costs.
#[derive(Clone, Copy)]
pub struct Speed {
    /// Bytes of weights a second.
    pub bytes_per_s: f64,
    /// Seconds of a kernel that reads nothing.
    pub kernel_s: f64,
}

/// A property of a JavaScript object.
pub fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_default()
}

/// Calls the method `name`, where there is one, and waits for its promise.
pub async fn call(object: &JsValue, name: &str) -> Option<JsValue> {
    let method: Function = get(object, name).dyn_into().ok()?;
    let promise: Promise = method.call0(object).ok()?.dyn_into().ok()?;
    JsFuture::from(promise).await.ok()
}

/// The machine, with `storage` already asked for, what was used when a write was last `refused`, and `speed`, if it was
/// measured.
pub async fn machine(storage: &StorageUse, refused: Option<u64>, speed: Option<Speed>) -> Machine {
    let navigator: JsValue = crate::scope().navigator().into();
    let limits = device::limits().await;
    let memory = get(&navigator, "deviceMemory").as_f64().map(|gib| (gib * GIB * SHARE) as u64);
    Machine {
        memory: [memory, limits.memory].into_iter().flatten().min(),
        max_buffer: limits.max_buffer,
        max_binding: limits.max_binding,
        free_storage: room(storage, refused),
        bandwidth: speed.map(|speed| speed.bytes_per_s),
        kernel_seconds: speed.map_or(0.0, |speed| speed.kernel_s),
    }
}

/// How much storage is used.
pub async fn storage() -> StorageUse {
    let manager = get(&crate::scope().navigator(), "storage");
    if !manager.is_object() {
        return StorageUse::default();
    }
    let estimate = call(&manager, "estimate").await.map(JsCast::unchecked_into::<StorageEstimate>);
    let persistent = call(&manager, "persisted").await.is_some_and(|answer| answer.is_truthy());
    let (used, quota) = estimate.map_or((None, None), |estimate| (estimate.get_usage(), estimate.get_quota()));
    StorageUse { used: used.unwrap_or(0.0) as u64, quota: quota.map(|quota| quota as u64), persistent }
}

/// Asks the browser to keep the models when space gets short. It may refuse; they are kept all the same until then.
pub async fn persist() {
    let manager = get(&crate::scope().navigator(), "storage");
    if manager.is_object() {
        call(&manager, "persist").await;
    }
}
