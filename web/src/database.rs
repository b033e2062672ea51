//! Small records of this device by name, in IndexedDB: every one is written as a whole or not at all, and windows that write at
//! once write beside each other.

use crate::store_error::{StoreError, settled};
use js_sys::{Array, Function, Promise, Reflect};
use leptos::prelude::window;
use wasm_bindgen::prelude::*;

const NAME: &str = "citer";
/// What was sent.
pub const LEDGER: &str = "ledger";
/// The batch of questions and what came of them.
pub const BATCH: &str = "batch";
const TABLES: [&str; 2] = [LEDGER, BATCH];
const VERSION: u32 = 1;
/// Counts the rows that had to go.
const GONE: &str = "gone";

#[wasm_bindgen]
extern "C" {
    type Factory;
    #[wasm_bindgen(method, catch)]
    fn open(this: &Factory, name: &str, version: u32) -> Result<Asked, JsValue>;

    #[derive(Clone)]
    type Asked;
    #[wasm_bindgen(method, getter)]
    fn result(this: &Asked) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn error(this: &Asked) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_onsuccess(this: &Asked, hear: &JsValue);
    #[wasm_bindgen(method, setter)]
    fn set_onerror(this: &Asked, hear: &JsValue);
    #[wasm_bindgen(method, setter)]
    fn set_onupgradeneeded(this: &Asked, hear: &JsValue);

    type Opened;
    #[wasm_bindgen(method, catch, js_name = createObjectStore)]
    fn create(this: &Opened, name: &str) -> Result<Table, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn transaction(this: &Opened, table: &str, mode: &str) -> Result<Transaction, JsValue>;

    #[derive(Clone)]
    type Transaction;
    #[wasm_bindgen(method, catch, js_name = objectStore)]
    fn table(this: &Transaction, name: &str) -> Result<Table, JsValue>;
    #[wasm_bindgen(method, getter)]
    fn error(this: &Transaction) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_oncomplete(this: &Transaction, hear: &JsValue);
    #[wasm_bindgen(method, setter)]
    fn set_onabort(this: &Transaction, hear: &JsValue);

    type Table;
    #[wasm_bindgen(method, catch)]
    fn put(this: &Table, value: &JsValue, key: &str) -> Result<Asked, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn get(this: &Table, key: &str) -> Result<Asked, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getAll)]
    fn all(this: &Table) -> Result<Asked, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getAllKeys)]
    fn keys(this: &Table) -> Result<Asked, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn delete(this: &Table, key: &str) -> Result<Asked, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn clear(this: &Table) -> Result<Asked, JsValue>;
}

/// The database, which is being opened.
#[derive(Clone, Debug)]
pub struct Database(Promise);

impl Default for Database {
    fn default() -> Self {
        Self(Promise::new(&mut |resolve, reject| {
            if let Err(error) = open(&resolve, &reject) {
                // Rejecting a promise does not fail.
                let _ = reject.call1(&JsValue::NULL, &error);
            }
        }))
    }
}

fn open(resolve: &Function, reject: &Function) -> Result<(), JsValue> {
    let factory = Reflect::get(&window(), &"indexedDB".into())?;
    if !factory.is_object() {
        return Err(JsValue::UNDEFINED);
    }
    let asked = factory.unchecked_ref::<Factory>().open(NAME, VERSION)?;
    let made = asked.clone();
    let make = Closure::once_into_js(move || {
        for table in TABLES {
            // It is a new database, so no name is taken.
            let _ = made.result().unchecked_ref::<Opened>().create(table);
        }
    });
    asked.set_onupgradeneeded(&make);
    hear(&asked, resolve, reject);
    Ok(())
}

/// Has a promise settled by what comes of a request.
fn hear(asked: &Asked, resolve: &Function, reject: &Function) {
    let (resolve, reject) = (resolve.clone(), reject.clone());
    let (good, bad) = (asked.clone(), asked.clone());
    asked.set_onsuccess(&Closure::once_into_js(move || {
        let _ = resolve.call1(&JsValue::NULL, &good.result());
    }));
    asked.set_onerror(&Closure::once_into_js(move || {
        let _ = reject.call1(&JsValue::NULL, &bad.error());
    }));
}

async fn answer(asked: Result<Asked, JsValue>) -> Result<JsValue, StoreError> {
    let asked = asked.map_err(|error| StoreError::of(&error))?;
    settled(Promise::new(&mut |resolve, reject| hear(&asked, &resolve, &reject))).await
}

/// A transaction under way.
struct Change {
    table: Table,
    done: Promise,
}

impl Change {
    /// Waits until everything is written.
    async fn finish(self) -> Result<(), StoreError> {
        settled(self.done).await.map(drop)
    }
}

impl Database {
    async fn begin(&self, table: &str, mode: &str) -> Result<Change, StoreError> {
        let opened = settled(self.0.clone()).await.map_err(|error| match error {
            StoreError::Full => StoreError::Full,
            StoreError::Failed(words) | StoreError::Denied(words) => StoreError::Denied(words),
        })?;
        let begun = opened.unchecked_ref::<Opened>().transaction(table, mode);
        let begun = begun.map_err(|error| StoreError::of(&error))?;
        let done = Promise::new(&mut |resolve, reject| {
            let aborted = begun.clone();
            begun.set_oncomplete(&resolve);
            begun.set_onabort(&Closure::once_into_js(move || {
                let _ = reject.call1(&JsValue::NULL, &aborted.error());
            }));
        });
        let table = begun.table(table).map_err(|error| StoreError::of(&error))?;
        Ok(Change { table, done })
    }

    /// Writes a record, in the place of one of the same name.
    pub async fn put(&self, table: &str, name: &str, text: &str) -> Result<(), StoreError> {
        let change = self.begin(table, "readwrite").await?;
        // What fails here fails the whole change.
        change.table.put(&text.into(), name).map_err(|error| StoreError::of(&error))?;
        change.finish().await
    }

    /// All records, by name.
    pub async fn all(&self, table: &str) -> Result<Vec<String>, StoreError> {
        let change = self.begin(table, "readonly").await?;
        let all: Array = answer(change.table.all()).await?.unchecked_into();
        Ok(all.iter().filter_map(|text| text.as_string()).collect())
    }

    /// Forgets everything in a table.
    pub async fn clear(&self, table: &str) -> Result<(), StoreError> {
        let change = self.begin(table, "readwrite").await?;
        change.table.clear().map_err(|error| StoreError::of(&error))?;
        change.finish().await
    }

    /// Drops the records that come first by name, until `most` are left; returns how many went in all.
    pub async fn trim(&self, table: &str, most: usize) -> Result<u64, StoreError> {
        let change = self.begin(table, "readwrite").await?;
        let gone = answer(change.table.get(GONE)).await?.as_f64().unwrap_or(0.0);
        let names: Array = answer(change.table.keys()).await?.unchecked_into();
        let names: Vec<String> = names.iter().filter_map(|name| name.as_string()).filter(|name| name != GONE).collect();
        let spare = names.len().saturating_sub(most);
        for name in names.iter().take(spare) {
            answer(change.table.delete(name)).await?;
        }
        let gone = gone + spare as f64;
        if spare > 0 {
            answer(change.table.put(&gone.into(), GONE)).await?;
        }
        change.finish().await?;
        Ok(gone as u64)
    }
}
