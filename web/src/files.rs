//! Files of the person: saving one, and reading those that are chosen or dropped.

use leptos::prelude::document;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag, File, FileList, HtmlAnchorElement, Url};

/// Largest file that is read, in bytes.
const LARGEST: f64 = 256e6;

/// Saves a text as a file.
pub fn save(text: &str, name: &str, kind: &str) {
    // A browser that refuses downloads says so itself.
    let _ = download(text, name, kind);
}

fn download(text: &str, name: &str, kind: &str) -> Result<(), JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    let blob = Blob::new_with_str_sequence_and_options(&js_sys::Array::of1(&text.into()), &options)?;
    let url = Url::create_object_url_with_blob(&blob)?;
    let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    Url::revoke_object_url(&url)
}

/// The files of a list.
pub fn all(list: Option<FileList>) -> Vec<File> {
    list.map_or_else(Vec::new, |list| (0..list.length()).filter_map(|place| list.get(place)).collect())
}

/// A file's text.
pub async fn text(file: &File) -> Result<String, String> {
    if file.size() > LARGEST {
        return Err(crate::strings::chats::TOO_LARGE.into());
    }
    let text = JsFuture::from(file.text()).await.map_err(|error| format!("{error:?}"))?;
    Ok(text.as_string().unwrap_or_default())
}
