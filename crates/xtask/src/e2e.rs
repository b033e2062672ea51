//! The browser test: a real browser on the built page and the built server.

use crate::{browser, command, failure::Failure, place::Place, step::Steps, tools};

/// The tests of `cargo xtask e2e`.
pub const ALL: [&str; 13] = [
    "bench",
    "browser",
    "chat",
    "cpu",
    "craft",
    "endpoints",
    "ledger",
    "library",
    "limits",
    "revival",
    "settings",
    "shell",
    "storage",
];
/// That of `cargo xtask memory`.
pub const MEMORY: [&str; 1] = ["memory"];

/// Runs `tests`; [`crate::native::build`] and [`crate::web::build`] come before.
pub fn run(place: &Place, steps: &mut Steps, tests: &[&str]) -> Result<(), Failure> {
    let browser = steps.run("browser", "Chrome or Chromium and its driver", || browser::ready(place))?;
    let axe = steps.run("audit", "axe-core", || Ok(tools::axe(place)))?;
    let shots = place.target.join("screenshots");
    steps.run("browser test", &format!("the page in a real browser; screenshots in {}", shots.display()), || {
        let mut test = place.cargo();
        // The test crate depends on nothing heavy, so choosing it leaves the native build as it is.
        test.args(["test", "--package", "citer-tests"]);
        test.args(tests.iter().flat_map(|name| ["--test", name]));
        test.args(["--", "--ignored", "--nocapture", "--test-threads", "1"]);
        test.env("CITER_BIN", place.citer()).env("CITER_DIST", place.dist()).env("CITER_MODELS", place.models());
        test.env("CHROME", &browser.chrome).env("CHROMEDRIVER", &browser.driver).env("CITER_SHOTS", &shots);
        if let Some(axe) = axe {
            test.env("CITER_AXE", axe);
        }
        command::run(&mut test, "Read the assertion above; the screenshots show the page as the test saw it.")
    })
}
