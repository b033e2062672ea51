//! Locks over all windows of this page.

use js_sys::{Array, Function, Promise, Reflect};
use leptos::prelude::window;
use std::collections::BTreeSet;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    type LockManager;
    #[wasm_bindgen(method)]
    fn request(this: &LockManager, name: &str, granted: &JsValue) -> Promise;
    #[wasm_bindgen(method)]
    fn query(this: &LockManager) -> Promise;
}

fn manager() -> Option<LockManager> {
    let locks = Reflect::get(&window().navigator(), &"locks".into()).unwrap_or_default();
    locks.is_object().then(|| locks.unchecked_into())
}

/// The names of the locks that are held now; `None` where the browser does not say.
pub async fn held() -> Option<BTreeSet<String>> {
    let state = JsFuture::from(manager()?.query()).await.ok()?;
    let held: Array = Reflect::get(&state, &"held".into()).ok()?.dyn_into().ok()?;
    let name = |lock: JsValue| Reflect::get(&lock, &"name".into()).ok()?.as_string();
    Some(held.iter().filter_map(name).collect())
}

/// A lock over all tabs, held until it is dropped; a browser without locks gives every lock.
pub struct Lock(Option<Function>);

impl Lock {
    /// Waits for it.
    pub async fn take(name: &str) -> Self {
        let Some(locks) = manager() else { return Self(None) };
        let mut release = None;
        let held = Promise::new(&mut |resolve, _| release = Some(resolve));
        let granted = Promise::new(&mut |resolve, _| {
            let held = held.clone();
            let hold = Closure::once_into_js(move || -> JsValue {
                let _ = resolve.call0(&JsValue::NULL);
                held.into()
            });
            // It ends when `held` does.
            let _ = locks.request(name, &hold);
        });
        let _ = JsFuture::from(granted).await;
        Self(release)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            // It only settles a promise.
            let _ = release.call0(&JsValue::NULL);
        }
    }
}
