//! What a hub says of a repository: its newest commit, or its list of files. What is recorded of it is read back.
#![no_main]

use citer_core::StopFlag;
use citer_fuzz::library::{Memory, Site, ready};
use citer_library::{Library, Source};
use libfuzzer_sys::fuzz_target;

const COMMIT: &[u8] = br#"{"sha":"0123456789abcdef0123456789abcdef01234567"}"#;
const LISTING: &[u8] = br#"[{"type":"file","path":"m.gguf","size":9}]"#;

fuzz_target!(|data: &[u8]| {
    let is_commit = data.trim_ascii_start().starts_with(b"{");
    let (commit, listing) = if is_commit { (data, LISTING) } else { (COMMIT, data) };
    let site = Site { files: vec![("/revision/", commit), ("/tree/", listing)], beyond: Some(0) };
    let stop = StopFlag::default();
    for name in ["o/n", "o/n:Q4_0"] {
        let Ok(source) = Source::parse(name) else { return };
        let library = Library::new(Memory::default());
        let Ok(added) = ready(library.add(&site, &source, &stop)) else { continue };
        assert!(added.files.iter().all(|file| !file.name.split('/').any(|part| part.is_empty() || part == "..")));
        assert!(added.files.iter().all(|file| file.url.starts_with("https://huggingface.co/o/n/resolve/")));
        let _ = (added.size(), added.weights(), added.stored());
        assert_eq!(ready(library.manifest(&source.id())).ok(), Some(added), "what is recorded is read back");
    }
});
