//! The browser: Chrome or Chromium with its driver, found or installed.

use crate::{command, failure::Failure, place::Place, system};
use std::{env, path::PathBuf};

const CHROMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const CHROME_FILES: [&str; 3] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
];
const DRIVER_FILES: [&str; 2] = ["/usr/lib/chromium/chromedriver", "/usr/lib/chromium-browser/chromedriver"];

/// A browser and the driver that fits it.
pub struct Browser {
    pub chrome: PathBuf,
    pub driver: PathBuf,
}

/// Finds the browser, after installing it where that is possible.
pub fn ready(place: &Place) -> Result<Browser, Failure> {
    if let Some(browser) = find(place) {
        return Ok(browser);
    }
    if system::may_install(place) {
        println!("    Chromium or its driver is missing, is installed");
        let ubuntu = ["chromium-browser", "chromium-chromedriver"];
        system::install(place, if system::is_ubuntu() { &ubuntu } else { &["chromium", "chromium-driver"] })?;
    }
    find(place).ok_or_else(|| {
        Failure::new(
            "Chrome (or Chromium) or the chromedriver of the same version was not found.\nInstall both: on Debian \
             `sudo apt-get install chromium chromium-driver`, on macOS `brew install --cask google-chrome chromedriver`, \
             elsewhere from https://googlechromelabs.github.io/chrome-for-testing. Or set CHROME and CHROMEDRIVER to \
             their paths.",
        )
    })
}

fn find(place: &Place) -> Option<Browser> {
    let chrome = one(place, "CHROME", &CHROMES, &CHROME_FILES)?;
    let driver = one(place, "CHROMEDRIVER", &["chromedriver"], &DRIVER_FILES)?;
    for program in [&chrome, &driver] {
        let version = command::read(place.command(program).arg("--version")).unwrap_or_default();
        println!("    {}: {version}", program.display());
    }
    Some(Browser { chrome, driver })
}

fn one(place: &Place, variable: &str, names: &[&str], files: &[&str]) -> Option<PathBuf> {
    let told = env::var_os(variable).map(PathBuf::from);
    let on_path = names.iter().filter_map(|name| place.which(name));
    let elsewhere = files.iter().map(PathBuf::from).filter(|path| path.is_file());
    told.into_iter().chain(on_path).chain(elsewhere).next()
}
