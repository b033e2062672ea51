//! English texts about the engine on the processor.

use crate::processor::Why;
use crate::strings::sentence;

pub const AGAIN: &str = "Try WebGPU again";
pub const READ: &str = "Understood";
pub const READY: &str = "Engine ready, on the processor";
pub const TOLD: &str = "The engine runs on the processor now.";

/// Why answers come from the processor, and what to do for WebGPU.
pub fn note(why: &Why) -> String {
    let why = match why {
        Why::Asked => "as the page's address asks for.".to_owned(),
        Why::Failed(detail) => format!("because the graphics device failed. {}", sentence(detail)),
        Why::Insecure => "because browsers give WebGPU only to pages that come over https or from this computer. Open \
            this page by an https:// address to have it."
            .to_owned(),
        Why::NoWebGpu => "because this browser has no WebGPU. Chrome and Edge have it from version 123 on, as do \
            current versions of Safari and Firefox; in Chrome on Linux chrome://flags/#enable-unsafe-webgpu may have to \
            be switched on."
            .to_owned(),
        Why::NoAdapter => "because this browser offers WebGPU no graphics adapter. Switch hardware acceleration on in \
            its settings and update the graphics driver; in Chrome on Linux switch on \
            chrome://flags/#enable-unsafe-webgpu. chrome://gpu says what is missing."
            .to_owned(),
        Why::Came => "because there was no graphics adapter when it started. There is one now.".to_owned(),
    };
    format!("The model runs on the processor, {why} Answers may come more slowly.")
}
