//! English texts of the page as an app: offline, versions, the network switch.

pub const NO_SERVICE_WORKER: &str = "this browser window keeps no pages for offline use, as private windows do";
pub const NOT_KEPT: &str = "the page could not be stored for offline use: free some space and reload";
pub const NEW_VERSION: &str = "A new version of this page is ready.";
pub const RELOAD: &str = "Reload";

pub const AIRPLANE: &str = "Airplane mode";
pub const AIRPLANE_ON: &str = "Airplane mode is on: this page makes no request at all. Press to allow requests";
pub const AIRPLANE_OFF: &str = "Airplane mode is off. Press to refuse every request of this page";
pub const AIRPLANE_STATE: &str = "Airplane mode: nothing is sent";
pub const AIRPLANE_MODELS: &str =
    "Airplane mode is on, so nothing can be looked up or downloaded. Switch it off first.";

/// Told about a request that was not let out.
pub fn refused(reason: &str) -> &'static str {
    if reason == "airplane" { "refused: airplane mode" } else { "refused: you have not allowed this server" }
}
