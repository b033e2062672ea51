//! Writing a model: a folder with safetensors, or a GGUF file.

use crate::Failure;
use citer_files::{Format, Parts, folder, gguf_writer, safetensors_writer, write::Progress};
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;

/// Kind of the files that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A folder as Hugging Face tools write it.
    Safetensors,
    /// One file for llama.cpp.
    Gguf,
}

/// Number format of the matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Dtype {
    F32,
    F16,
    Bf16,
    #[value(name = "q8_0")]
    Q8,
    #[value(name = "q4_0")]
    Q4,
}

impl Dtype {
    pub fn format(self) -> Format {
        match self {
            Self::F32 => Format::F32,
            Self::F16 => Format::F16,
            Self::Bf16 => Format::BF16,
            Self::Q8 => Format::Q8_0,
            Self::Q4 => Format::Q4_0,
        }
    }
}

impl Kind {
    /// The kind that the name of `out` tells.
    pub fn of(out: &Path) -> Self {
        if out.extension().is_some_and(|ending| ending == "gguf") { Self::Gguf } else { Self::Safetensors }
    }
}

/// Writes `parts` to `out`: the path of a folder, or of a GGUF file.
pub fn export(parts: &Parts, kind: Kind, format: Format, out: &Path) -> Result<(), Failure> {
    let name = out.file_stem().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned());
    match kind {
        Kind::Gguf => file(out, |to, progress| gguf_writer::write(&name, parts, format, to, progress))?,
        Kind::Safetensors => {
            std::fs::create_dir_all(out).map_err(|e| format!("{}: {e}", out.display()))?;
            for (name, bytes) in parts.folder_files()? {
                let path = out.join(name);
                std::fs::write(&path, bytes).map_err(|e| format!("{}: {e}", path.display()))?;
            }
            let (config, tensors) = (&parts.config, &*parts.tensors);
            let weights = out.join(folder::WEIGHTS);
            file(&weights, |to, progress| safetensors_writer::write(config, tensors, format, to, progress))?;
        }
    }
    println!("{}: {} parameters, {}", out.display(), parts.config.parameters(), format.name());
    Ok(())
}

/// Writes a file under another name first, so that one that was there before is lost only for a whole new one.
fn file<E: Into<Failure>>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write, Progress) -> Result<(), E>,
) -> Result<(), Failure> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    let named = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut to = BufWriter::new(File::create(&unfinished).map_err(named)?);
    let shown = std::io::stderr().is_terminal();
    let mut percent = 0;
    let mut progress = |written: u64, all: u64| {
        let now = 100 * written / all.max(1);
        if shown && now > percent {
            percent = now;
            eprint!("\r{percent:>3} %");
        }
    };
    let written = write(&mut to, &mut progress).map_err(Into::into);
    if percent > 0 {
        eprint!("\r      \r");
    }
    drop(to);
    let result = written.and_then(|()| Ok(std::fs::rename(&unfinished, path).map_err(named)?));
    if result.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    result
}
