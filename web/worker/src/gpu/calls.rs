//! Calls of WebGPU, counted while the benchmark runs: what a token really asks of the browser.

use citer_lm::bench::Calls;
use js_sys::{Array, Object, Reflect};
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// The count that a call adds to.
type Count = fn(&mut Calls) -> &mut u64;

/// Interface, method and the count they belong to.
const WATCHED: [(&str, &str, Count); 9] = [
    ("GPUComputePassEncoder", "dispatchWorkgroups", |calls| &mut calls.dispatches),
    ("GPUComputePassEncoder", "dispatchWorkgroupsIndirect", |calls| &mut calls.dispatches),
    ("GPUQueue", "submit", |calls| &mut calls.submits),
    ("GPUQueue", "writeBuffer", |calls| &mut calls.writes),
    ("GPUBuffer", "mapAsync", |calls| &mut calls.reads),
    ("GPUDevice", "createBuffer", |calls| &mut calls.buffers),
    ("GPUDevice", "createBindGroup", |calls| &mut calls.bind_groups),
    ("GPUDevice", "createComputePipeline", |calls| &mut calls.pipelines),
    ("GPUDevice", "createComputePipelineAsync", |calls| &mut calls.pipelines),
];

/// Counts from now on, until the worker ends.
pub fn watch() -> Rc<Cell<Calls>> {
    let counts = Rc::new(Cell::new(Calls::default()));
    for (interface, method, field) in WATCHED {
        // An interface that a browser lacks is not called either.
        let _ = wrap(interface, method, field, &counts);
    }
    counts
}

fn wrap(
    interface: &str,
    method: &str,
    field: fn(&mut Calls) -> &mut u64,
    counts: &Rc<Cell<Calls>>,
) -> Result<(), JsValue> {
    let constructor = Reflect::get(&js_sys::global(), &interface.into())?;
    let prototype = Reflect::get(&constructor, &"prototype".into())?;
    let original = Reflect::get(&prototype, &method.into())?;
    let counts = counts.clone();
    let apply = move |target: js_sys::Function, this: JsValue, arguments: Array| {
        let mut now = counts.get();
        *field(&mut now) += 1;
        counts.set(now);
        Reflect::apply(&target, &this, &arguments)
    };
    let apply = Closure::<dyn Fn(js_sys::Function, JsValue, Array) -> Result<JsValue, JsValue>>::new(apply);
    let handler = Object::new();
    Reflect::set(&handler, &"apply".into(), &apply.into_js_value())?;
    Reflect::set(&prototype, &method.into(), &js_sys::Proxy::new(&original, &handler))?;
    Ok(())
}
