//! English texts about the engine on the processor.

use crate::processor::Why;
use crate::strings::sentence;

pub const AGAIN: &str = "Try WebGPU again";
pub const READ: &str = "Understood";
pub const WHAT_TO_DO: &str = "What to do";
pub const READY: &str = "Engine ready, on the processor";
pub const TOLD: &str = "The engine runs on the processor now.";

/// Why answers come from the processor.
pub fn note(why: &Why) -> String {
    let why = match why {
        Why::Asked => "as the page's address asks for.".to_owned(),
        Why::Failed(detail) => format!("because the graphics device failed. {}", sentence(detail)),
        Why::Insecure => "because this page does not come over https.".to_owned(),
        Why::NoWebGpu => "because this browser has no WebGPU.".to_owned(),
        Why::NoAdapter => "because this browser offers WebGPU no graphics adapter.".to_owned(),
        Why::Came => "because there was no graphics adapter when it started. There is one now.".to_owned(),
    };
    format!("The model runs on the processor, {why} Answers may come more slowly.")
}

/// What gives the page WebGPU.
pub fn advice(why: &Why) -> Option<&'static str> {
    match why {
        Why::Asked | Why::Failed(_) | Why::Came => None,
        Why::Insecure => Some(
            "Browsers give WebGPU only to pages that come over https or from this computer. Open this page by an \
             https:// address.",
        ),
        Why::NoWebGpu => Some(
            "Chrome and Edge have WebGPU from version 123 on, as do current versions of Safari and Firefox. In Chrome \
             on Linux chrome://flags/#enable-unsafe-webgpu may have to be switched on.",
        ),
        Why::NoAdapter => Some(
            "Switch hardware acceleration on in the browser's settings and update the graphics driver. In Chrome on \
             Linux switch on chrome://flags/#enable-unsafe-webgpu. chrome://gpu says what is missing.",
        ),
    }
}
