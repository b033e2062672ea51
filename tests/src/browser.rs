//! A headless Chrome with WebGPU on the software adapter, driven by chromedriver.

use crate::{folder::TemporaryFolder, process::Process, product};
use serde_json::{Value, json};
use std::process::Command;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

/// No traffic of the browser's own.
const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

/// The same adapter everywhere.
const WEBGPU: [&str; 2] = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/// A host whose pages come over an insecure connection.
pub const INSECURE: &str = "citer.test";

/// A browser with a fresh profile.
pub struct Browser {
    /// The session.
    pub driver: WebDriver,
    process: Process,
    _profile: TemporaryFolder,
}

impl Browser {
    /// Starts the driver and the browser named by `CHROMEDRIVER` and `CHROME`, for somebody who agreed to ask the LLM.
    pub async fn start() -> Self {
        Self::with(json!({})).await
    }

    /// The same with preferences, as a person sets them.
    pub async fn with(preferences: Value) -> Self {
        Self::agreed(&WEBGPU, preferences).await
    }

    /// A browser without an adapter for WebGPU. It finds [`INSECURE`] on this machine.
    pub async fn without_webgpu() -> Self {
        Self::agreed(&["--disable-gpu", "--host-resolver-rules=MAP citer.test 127.0.0.1"], json!({})).await
    }

    /// A private window.
    pub async fn private() -> Self {
        Self::agreed(&[WEBGPU[0], WEBGPU[1], "--incognito"], json!({})).await
    }

    async fn agreed(flags: &[&str], preferences: Value) -> Self {
        let browser = Self::open(flags, preferences).await;
        let agree = "try { localStorage.setItem(`citer.consent.${location.origin}`, 'yes') } catch {}";
        let agree = json!({"source": agree});
        browser.driver.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", agree).await.unwrap();
        browser
    }

    /// The same for somebody who was never here.
    pub async fn start_new() -> Self {
        Self::open(&WEBGPU, json!({})).await
    }

    async fn open(flags: &[&str], preferences: Value) -> Self {
        let profile = TemporaryFolder::new();
        let mut command = Command::new(product::told("CHROMEDRIVER"));
        let (process, port) = Process::start(command.arg("--port=0"), "started successfully on port ");
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(&product::told("CHROME").to_string_lossy()).unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        for flag in FLAGS.iter().chain(flags).copied().chain([folder.as_str()]) {
            wanted.add_arg(flag).unwrap();
        }
        wanted.add_experimental_option("prefs", preferences).unwrap();
        let url = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
        let driver = WebDriver::new(url, wanted).await.expect("Chrome starts: see chromedriver's message");
        Self { driver, process, _profile: profile }
    }

    /// Closes the browser.
    pub async fn close(mut self) {
        let _ = self.driver.quit().await;
        self.process.kill();
    }
}
