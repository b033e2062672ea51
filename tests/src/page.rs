//! The chat page as a test sees it: through its data attributes, once per look.

use crate::product;
use citer_core::{Source, TokenId, Trace};
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};
use thirtyfour::{By, WebDriver};

/// Longest wait for anything; a software adapter takes minutes to compile its first kernels.
const PATIENCE: Duration = Duration::from_secs(300);

const LOOK: &str = r#"
const root = document.querySelector('[data-engine]');
const answers = [...document.querySelectorAll('article[data-answer]')];
const last = answers.at(-1);
const error = document.querySelector('#engine-error');
return {
  engine: root?.dataset.engine ?? '', server: root?.dataset.server ?? '', adapter: root?.dataset.adapter ?? '',
  error: error?.textContent ?? '', answers: answers.length, state: last?.dataset.state ?? '',
  ids: [...(last?.querySelectorAll('[data-token]') ?? [])].map(span => Number(span.dataset.token)),
  sources: [...(last?.querySelectorAll('[data-token]') ?? [])].map(span => span.dataset.source),
  scores: [...(last?.querySelectorAll('[data-token]') ?? [])].map(span => Number(span.dataset.score)),
  notices: [...document.querySelectorAll('[data-notice]')].filter(e => e.checkVisibility()).map(e => e.textContent),
  question: document.querySelector('#question')?.value ?? '',
  overflow: document.documentElement.scrollWidth - window.innerWidth,
};"#;

/// What one look at the page shows; ids and sources are those of the last answer.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// `loading`, `ready` or `failed`.
    pub engine: String,
    /// `available`, `unavailable` or `unknown`.
    pub server: String,
    /// The graphics adapter and its backend.
    pub adapter: String,
    /// What the page says when the engine failed.
    pub error: String,
    /// Number of answers.
    pub answers: u64,
    /// `streaming`, `finished` or `failed`.
    pub state: String,
    /// The tokens' ids.
    pub ids: Vec<TokenId>,
    /// The tokens' marks: `local`, `remote`, `agreed`, `forced`.
    pub sources: Vec<String>,
    /// The router's scores.
    pub scores: Vec<f64>,
    /// The visible notices.
    pub notices: Vec<String>,
    /// What is typed.
    pub question: String,
    /// Pixels that the page is wider than its window.
    pub overflow: i64,
}

/// The page in a browser.
pub struct Page<'a>(pub &'a WebDriver);

impl Page<'_> {
    /// Opens an address and waits until the page has drawn itself.
    pub async fn open(&self, url: &str) {
        self.0.goto(url).await.unwrap();
        self.until("the page is drawn", |look| !look.engine.is_empty()).await;
    }

    /// Opens the address of a page whose own server is there, and waits until the page has found it.
    pub async fn open_served(&self, url: &str) {
        self.open(url).await;
        self.until("the server is found", |look| look.server == "available").await;
    }

    /// Looks once.
    pub async fn look(&self) -> Look {
        let value = self.script(LOOK, vec![]).await;
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let list = |name: &str| serde_json::from_value(value[name].clone()).unwrap();
        Look {
            engine: text("engine"),
            server: text("server"),
            adapter: text("adapter"),
            error: text("error"),
            answers: value["answers"].as_u64().unwrap_or_default(),
            state: text("state"),
            ids: serde_json::from_value(value["ids"].clone()).expect("data-token holds the token's id"),
            sources: list("sources"),
            scores: serde_json::from_value(value["scores"].clone()).expect("data-score holds the score"),
            notices: list("notices"),
            question: text("question"),
            overflow: value["overflow"].as_i64().unwrap_or_default(),
        }
    }

    /// Looks until the page is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Look) -> bool) -> Look {
        self.within(PATIENCE, what, wanted).await
    }

    /// The same with another patience.
    pub async fn within(&self, patience: Duration, what: &str, wanted: impl Fn(&Look) -> bool) -> Look {
        let begun = Instant::now();
        loop {
            let look = self.look().await;
            if wanted(&look) {
                return look;
            }
            if begun.elapsed() > patience {
                self.shot("timeout").await;
                panic!("{what}: not so after {} s: {look:?}", patience.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Chooses who may make tokens: `local-only`, `router` or `remote-only`.
    pub async fn mode(&self, mode: &str) {
        let script = "document.querySelector(`input[name=mode][value=${arguments[0]}]`).click()";
        self.script(script, vec![json!(mode)]).await;
    }

    /// Moves the threshold slider.
    pub async fn threshold(&self, threshold: f32) {
        let script = "const slider = document.querySelector('#threshold'); slider.value = arguments[0];
            for (const name of ['input', 'change']) slider.dispatchEvent(new Event(name, { bubbles: true }));
            return slider.value;";
        let set = self.script(script, vec![json!(threshold.to_string())]).await;
        let set: Option<f32> = set.as_str().and_then(|text| text.parse().ok());
        assert_eq!(set, Some(threshold), "the slider takes the threshold");
    }

    /// The last answer's trace, as "Save trace" gives it to the person.
    pub async fn trace(&self) -> Trace {
        let script = "const make = URL.createObjectURL;
            URL.createObjectURL = blob => { window.savedTrace = blob.text(); return make.call(URL, blob); };
            [...document.querySelectorAll('article[data-answer] footer button')].at(-1).click();
            URL.createObjectURL = make;
            return window.savedTrace;";
        let json = self.script(script, vec![]).await;
        Trace::parse(json.as_str().expect("the button saves a trace")).unwrap()
    }

    /// Types a question without sending it.
    pub async fn write(&self, question: &str) {
        self.0.find(By::Id("question")).await.unwrap().send_keys(question).await.unwrap();
    }

    /// Types and sends a question; returns once its answer has begun.
    pub async fn ask(&self, question: &str) {
        let before = self.look().await.answers;
        self.write(question).await;
        self.0.find(By::Id("send")).await.unwrap().click().await.unwrap();
        self.until("a new answer begins", |look| look.answers > before && !look.state.is_empty()).await;
    }

    /// Starts a new conversation.
    pub async fn new_chat(&self) {
        self.0.find(By::Id("new-chat")).await.unwrap().click().await.unwrap();
        self.until("the conversation is empty", |look| look.answers == 0).await;
    }

    /// Emulates a window size and a colour scheme, `light` or `dark`.
    pub async fn appearance(&self, width: u32, height: u32, scheme: &str) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.0.cdp().send_raw("Emulation.setDeviceMetricsOverride", metrics).await.unwrap();
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.0.cdp().send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
    }

    /// The same for somebody who wants less motion and perhaps more contrast, `more` or `no-preference`.
    pub async fn look_as(&self, width: u32, height: u32, scheme: &str, contrast: &str) {
        self.appearance(width, height, scheme).await;
        let media = json!({"features": [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-contrast", "value": contrast},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.0.cdp().send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
    }

    /// Presses a key as a person does.
    pub async fn key(&self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" && kind == "keyDown" { "\r" } else { "" };
            let event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
            self.0.cdp().send_raw("Input.dispatchKeyEvent", event).await.unwrap();
        }
    }

    /// Waits for the end of the answer, which must be that of an answer that went well.
    pub async fn finished(&self) -> Look {
        let done = self.until("the answer ends", |look| look.state != "streaming").await;
        assert_eq!(done.state, "finished", "{done:?}");
        done
    }

    /// Clicks what a selector finds, which must be there.
    pub async fn click(&self, selector: &str) {
        let script = "const e = document.querySelector(arguments[0]); e?.click(); return !!e;";
        assert_eq!(self.script(script, vec![json!(selector)]).await, json!(true), "{selector} is there");
    }

    /// Runs a script until its value is as wanted.
    pub async fn value(&self, patience: Duration, what: &str, script: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let value = self.script(script, vec![]).await;
            if wanted(&value) {
                return value;
            }
            if begun.elapsed() > patience {
                self.shot("timeout").await;
                panic!("{what}: not so after {} s: {script} gives {value}", patience.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Looks at the page in windows of these widths and heights: nothing may be wider, and each is a screenshot.
    pub async fn fits(&self, name: &str, windows: &[(&str, u32, u32)]) {
        for (scheme, width, height) in windows {
            self.appearance(*width, *height, scheme).await;
            self.shot(&format!("{name}-{scheme}-{width}")).await;
            assert!(self.look().await.overflow <= 0, "nothing is wider than {width} pixels");
        }
    }

    /// Saves a screenshot.
    pub async fn shot(&self, name: &str) {
        let folder = product::shots();
        fs::create_dir_all(&folder).unwrap();
        self.0.screenshot(&folder.join(format!("{name}.png"))).await.unwrap();
    }

    /// Runs a script in the page; a promise that it returns is awaited.
    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.0.execute(script, arguments).await.unwrap().json().clone()
    }
}

/// The mark that the page puts on a token of this source.
pub fn mark(source: Source) -> &'static str {
    match source {
        Source::Local => "local",
        Source::Remote => "remote",
        Source::Agreed => "agreed",
        Source::Forced(_) => "forced",
    }
}
