//! Sizes: what a visitor downloads, raw and compressed.

use crate::failure::Failure;
use std::{
    fs,
    io::{self, Read},
    path::Path,
    process::{Command, Stdio},
};

/// One file's sizes in bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Size {
    name: String,
    raw: u64,
    /// `None` where the program `gzip` is missing.
    gzip: Option<u64>,
}

/// Measures a file.
pub fn of(file: &Path) -> Result<Size, Failure> {
    let raw = fs::metadata(file).map_err(|error| Failure::file(file, &error))?.len();
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Size { name, raw, gzip: gzip(file).ok() })
}

fn gzip(file: &Path) -> io::Result<u64> {
    let mut child = Command::new("gzip").args(["-9", "-c"]).arg(file).stdout(Stdio::piped()).spawn()?;
    let mut bytes = Vec::new();
    if let Some(output) = child.stdout.as_mut() {
        output.read_to_end(&mut bytes)?;
    }
    if child.wait()?.success() { Ok(bytes.len() as u64) } else { Err(io::Error::other("gzip failed")) }
}

/// The sizes as one line of JSON.
pub fn json(sizes: &[Size]) -> String {
    let row = |size: &Size| {
        let gzip = size.gzip.map_or_else(|| "null".to_owned(), |bytes| bytes.to_string());
        format!("{{\"file\":\"{}\",\"raw\":{},\"gzip\":{gzip}}}", size.name.replace(['"', '\\'], "_"), size.raw)
    };
    format!("[{}]", sizes.iter().map(row).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_a_file_that_compresses_well() {
        let file = std::env::temp_dir().join(format!("xtask-sizes-{}", std::process::id()));
        fs::write(&file, vec![7; 100_000]).expect("the temporary folder can be written");
        let size = of(&file).expect("the file is there");
        fs::remove_file(&file).expect("it can be removed");
        assert_eq!(size.raw, 100_000);
        assert!(size.gzip.is_none_or(|bytes| (20..1_000).contains(&bytes)), "{size:?}");
        assert!(of(&file).is_err());
    }

    #[test]
    fn writes_json() {
        let size = |gzip| Size { name: "a.wasm".into(), raw: 3, gzip };
        let row = |gzip| format!("{{\"file\":\"a.wasm\",\"raw\":3,\"gzip\":{gzip}}}");
        assert_eq!(json(&[size(Some(2)), size(None)]), format!("[{},{}]", row("2"), row("null")));
    }
}
