//! The header of a GGUF file on a server, read before the rest is fetched, and whether its model fits.
#![no_main]

use citer_core::StopFlag;
use citer_files::Config;
use citer_fuzz::library::{Memory, Site, ready};
use citer_library::{Library, Machine, Needs, Outline, Source, verdict};
use libfuzzer_sys::fuzz_target;

const URL: &str = "https://example.org/m.gguf";

fuzz_target!(|data: &[u8]| {
    // The file is as long as it is, longer than what the server gives of it, or of a length that nobody tells.
    let beyond = match data.last().map(|byte| byte % 3) {
        Some(0) => Some(0),
        Some(1) => Some(1 << 40),
        _ => None,
    };
    let site = Site { files: vec![("m.gguf", data)], beyond };
    let (library, stop) = (Library::new(Memory::default()), StopFlag::default());
    let Ok(mut manifest) = ready(library.add(&site, &Source::Gguf { url: URL.into() }, &stop)) else { return };
    let bytes = |_, values: u64| values.saturating_mul(4);
    if ready(library.outline(&site, &mut manifest, &stop, bytes)).is_err() {
        return;
    }
    assert_eq!(ready(library.manifest(&manifest.id())).ok(), Some(manifest.clone()), "what is recorded is read back");
    let Some(Outline::Model { config, sizes }) = manifest.outline else { return };
    let Ok(config) = Config::from_json(config.as_bytes()) else { panic!("{config} was read once") };
    let needs = Needs::of(&config, &sizes, 4096, 64, manifest.files[0].size.unwrap_or(0));
    let _ = needs.memory();
    let machine = Machine { bandwidth: Some(1e9), max_buffer: u64::MAX, max_binding: u64::MAX, ..Machine::default() };
    let _ = verdict(&needs, &machine);
});
