//! The worker's own memory.

use wasm_bindgen::JsCast;

/// Size of this program's memory in bytes, which never shrinks: also its peak.
pub fn size() -> Option<u64> {
    let memory = wasm_bindgen::memory().dyn_into::<js_sys::WebAssembly::Memory>().ok()?;
    let buffer = memory.buffer().dyn_into::<js_sys::ArrayBuffer>().ok()?;
    Some(u64::from(buffer.byte_length()))
}
