//! English texts of the endpoints.

pub const ENDPOINTS: &str = "Servers";
pub const TITLE: &str = "Servers of the large model";
pub const INTRO: &str = "Asked in this order: the first one that is there makes the tokens. Keys stay in this page's memory unless \
    you keep them. Only these servers, and those you download models from, can be reached from this page.";
pub const NAMED: &str = "The page's address names the server of this visit; changes are not kept.";
pub const NONE: &str = "No server: all tokens are made on this device.";
pub const ADD_LABEL: &str = "Address of a server with an OpenAI-compatible API";
pub const ADD: &str = "Add";
pub const NO_ADDRESS: &str = "Write a whole address, such as http://localhost:8000 or https://llm.example.";
pub const KNOWN: &str = "This server is in the list.";
pub const UP: &str = "Up";
pub const TEST: &str = "Test";
pub const TESTING: &str = "Asking it…";
pub const REMOVE: &str = "Remove";
pub const AGREED: &str = "You agreed that text is sent there for doubtful tokens.";
pub const NOT_AGREED: &str = "You will be asked before any text is sent there.";
pub const WITHDRAW: &str = "Take that back";
pub const MODEL: &str = "Model";
pub const MODEL_FIRST: &str = "the server's first one";
pub const KEY: &str = "API key";
pub const KEY_NONE: &str = "none";
pub const KEY_SET: &str = "set; type to replace it";
pub const KEEP_KEY: &str = "Keep the key on this device (who uses this browser can read it)";
pub const PRICE_PROMPT: &str = "US$ per million prompt tokens";
pub const PRICE_CACHED: &str = "cached prompt tokens";
pub const PRICE_OUTPUT: &str = "tokens made";

pub fn own(address: &str) -> String {
    format!("This page's own server ({address})")
}
