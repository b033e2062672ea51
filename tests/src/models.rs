//! The dialog of models as a test sees it, and what is really in the browser's storage.

use crate::page::Page;
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use thirtyfour::By;

const PATIENCE: Duration = Duration::from_secs(180);

const LOOK: &str = r#"
const row = document.querySelector('#models li[data-model-state]');
return {
  rows: document.querySelectorAll('#models li[data-model-state]').length,
  model: row?.dataset.model ?? '', state: row?.dataset.modelState ?? '',
  stored: Number(row?.dataset.stored ?? 0), bytes: Number(row?.dataset.bytes ?? 0),
  verdict: row?.querySelector('[data-verdict]')?.dataset.verdict ?? '',
  speed: Number(row?.querySelector('[data-speed]')?.dataset.speed ?? NaN),
  memory: Number(document.querySelector('#models-storage')?.dataset.memory ?? 0),
  said: row?.querySelector('.model-words')?.textContent ?? '',
  words: document.querySelector('#models-words')?.textContent ?? '',
  actions: [...(row?.querySelectorAll('[data-action]') ?? [])].map(button => button.dataset.action),
};"#;

/// Everything below the models' folder: names with lengths.
const STORED: &str = r#"
const root = await navigator.storage.getDirectory();
const found = [];
try {
  const models = await root.getDirectoryHandle('models');
  for await (const [model, folder] of models.entries())
    for await (const [piece, file] of folder.entries()) found.push([`${model}/${piece}`, (await file.getFile()).size]);
} catch (error) { if (error.name !== 'NotFoundError') throw error; }
return found.sort();"#;

/// Flips a byte in the middle of a stored piece.
const DAMAGE: &str = r#"
const [model, piece] = arguments;
const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
const file = await (await models.getDirectoryHandle(model)).getFileHandle(piece);
const bytes = new Uint8Array(await (await file.getFile()).arrayBuffer());
bytes[bytes.length >> 1] ^= 1;
const stream = await file.createWritable();
await stream.write(bytes);
await stream.close();
return bytes.length;"#;

/// Whether the pieces of a stored file, joined, are what is at an address.
const SAME: &str = r#"
const [model, prefix, url] = arguments;
const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
const folder = await models.getDirectoryHandle(model);
const names = [];
for await (const name of folder.keys()) if (name.startsWith(prefix)) names.push(name);
const parts = await Promise.all(names.sort().map(async name => (await folder.getFileHandle(name)).getFile()));
const stored = new Uint8Array(await new Blob(parts).arrayBuffer());
const wanted = new Uint8Array(await (await fetch(url)).arrayBuffer());
return stored.length === wanted.length && stored.every((byte, place) => byte === wanted[place]);"#;

/// What one look at the dialog shows; the fields are those of the first stored model.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    /// Number of stored models.
    pub rows: u64,
    /// The model's folder.
    pub model: String,
    /// `partial`, `downloading`, `checking`, `complete` or `damaged`.
    pub state: String,
    /// Bytes stored.
    pub stored: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// `runs`, `slowly` or `does-not-fit`.
    pub verdict: String,
    /// Predicted tokens a second, where there is a prediction.
    pub speed: Option<f64>,
    /// Bytes of the library worker's memory.
    pub memory: u64,
    /// What is said about the model.
    pub said: String,
    /// What is said about the library.
    pub words: String,
    /// The model's buttons.
    pub actions: Vec<String>,
}

/// The dialog in a page.
pub struct Models<'a>(pub &'a Page<'a>);

impl Models<'_> {
    /// Opens it.
    pub async fn open(&self) {
        self.0.script("document.querySelector('#models-open').click();", vec![]).await;
    }

    /// Closes it.
    pub async fn close(&self) {
        self.0.script("document.querySelector('#models [data-close]').click();", vec![]).await;
    }

    /// Types a source and looks it up.
    pub async fn add(&self, source: &str) {
        let script = "const field = document.querySelector('#models-source'); field.value = arguments[0];
            field.dispatchEvent(new Event('input', { bubbles: true })); document.querySelector('#models-add').click();";
        self.0.script(script, vec![json!(source)]).await;
    }

    /// Chooses files of this device.
    pub async fn import(&self, files: &[PathBuf]) {
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let field = self.0.0.find(By::Id("models-file")).await.unwrap();
        field.send_keys(names.join("\n")).await.unwrap();
    }

    /// Presses a button of the first stored model.
    pub async fn press(&self, action: &str) {
        let script = "document.querySelector(`#models li[data-model-state] [data-action=${arguments[0]}]`).click();";
        self.0.script(script, vec![json!(action)]).await;
    }

    /// Looks once.
    pub async fn look(&self) -> Shelf {
        let value = self.0.script(LOOK, vec![]).await;
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| value[name].as_u64().unwrap_or_default();
        Shelf {
            rows: number("rows"),
            model: text("model"),
            state: text("state"),
            stored: number("stored"),
            bytes: number("bytes"),
            verdict: text("verdict"),
            speed: value["speed"].as_f64(),
            memory: number("memory"),
            said: text("said"),
            words: text("words"),
            actions: serde_json::from_value(value["actions"].clone()).unwrap_or_default(),
        }
    }

    /// Looks until the dialog is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Shelf) -> bool) -> Shelf {
        self.within(PATIENCE, what, wanted).await
    }

    /// The same with another patience.
    pub async fn within(&self, patience: Duration, what: &str, wanted: impl Fn(&Shelf) -> bool) -> Shelf {
        let begun = Instant::now();
        loop {
            let shelf = self.look().await;
            if wanted(&shelf) {
                return shelf;
            }
            if begun.elapsed() > patience {
                self.0.shot("models-timeout").await;
                panic!("{what}: not so after {} s: {shelf:?}", patience.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// All pieces in the storage, as `model/piece` with lengths.
    pub async fn stored(&self) -> Vec<(String, u64)> {
        serde_json::from_value(self.run(STORED, vec![]).await).unwrap()
    }

    /// Damages a stored piece; returns its length.
    pub async fn damage(&self, model: &str, piece: &str) -> u64 {
        self.run(DAMAGE, vec![json!(model), json!(piece)]).await.as_u64().unwrap()
    }

    /// Whether the pieces that begin with `prefix` are, joined, the file at `url`.
    pub async fn same(&self, model: &str, prefix: &str, url: &str) -> bool {
        self.run(SAME, vec![json!(model), json!(prefix), json!(url)]).await == Value::Bool(true)
    }

    async fn run(&self, body: &str, arguments: Vec<Value>) -> Value {
        self.0.script(&format!("return (async function () {{ {body} }}).apply(null, arguments);"), arguments).await
    }
}
