//! Web Locks: what only one tab may do at a time.

use futures::channel::oneshot;
use futures::future::{Either, select};
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

#[wasm_bindgen]
extern "C" {
    type LockManager;

    #[wasm_bindgen(method)]
    fn request(this: &LockManager, name: &str, options: &JsValue, granted: &JsValue) -> Promise;
}

/// A lock that is held until it is dropped or the worker ends.
#[derive(Debug)]
pub struct Lock {
    release: Option<Function>,
    /// Hears when another tab took the lock away.
    pub stolen: Option<oneshot::Receiver<()>>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            // It only settles a promise.
            let _ = release.call0(&JsValue::NULL);
        }
    }
}

/// The lock `name`, unless somebody holds it.
pub async fn take(name: &str) -> Option<Lock> {
    ask(name, "ifAvailable").await
}

/// The lock `name`, as soon as nobody else holds it.
pub async fn wait_for(name: &str) -> Option<Lock> {
    ask(name, "").await
}

/// The lock `name`, taken from whoever holds it.
pub async fn steal(name: &str) -> Option<Lock> {
    ask(name, "steal").await
}

/// A browser without locks, or that refuses them to this page, gives every lock.
async fn ask(name: &str, option: &str) -> Option<Lock> {
    let locks = Reflect::get(&crate::scope().navigator(), &"locks".into()).unwrap_or_default();
    if !locks.is_object() {
        return Some(Lock { release: None, stolen: None });
    }
    let options = js_sys::Object::new();
    if !option.is_empty() {
        let _ = Reflect::set(&options, &option.into(), &JsValue::TRUE);
    }
    let (tell, told) = oneshot::channel::<Option<Function>>();
    // The lock is held until the promise that this returns is settled.
    let granted = Closure::once_into_js(move |lock: JsValue| -> JsValue {
        if lock.is_null() {
            let _ = tell.send(None);
            return JsValue::UNDEFINED;
        }
        let mut release = None;
        let held = Promise::new(&mut |resolve, _| release = Some(resolve));
        // Nobody waits for it any more: it is given back at once.
        match tell.send(release) {
            Ok(()) => held.into(),
            Err(_) => JsValue::UNDEFINED,
        }
    });
    let request = locks.unchecked_into::<LockManager>().request(name, &options, &granted);
    let (gone, stolen) = oneshot::channel();
    spawn_local(async move {
        // It is rejected when the lock is stolen, and when the request is refused.
        if JsFuture::from(request).await.is_err() {
            let _ = gone.send(());
        }
    });
    match select(told, stolen).await {
        Either::Left((release, stolen)) => Some(Lock { release: Some(release.ok()??), stolen: Some(stolen) }),
        // Refused, as where pages may store nothing: as without locks.
        Either::Right(_) => Some(Lock { release: None, stolen: None }),
    }
}
