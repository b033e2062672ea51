//! `citer convert`: a model into a folder with safetensors, or into a GGUF file.

use crate::Failure;
use crate::export::{Dtype, Kind, export};
use citer_files::{Config, Gguf, Parts, bytes::DiskFile, folder, llama2c};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    /// A model's folder, one of a pair (such as web/models/llm), a GGUF file, or a llama2.c checkpoint (version 0, F32).
    model: PathBuf,
    /// Folder that receives the model or, when it ends with .gguf, the file.
    out: PathBuf,
    /// Number format of the matrices; q8_0 and q4_0 only in GGUF.
    #[arg(long, default_value = "f16")]
    dtype: Dtype,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    if args.model.is_file() && !Gguf::is_gguf(&DiskFile::open(&args.model)?) {
        return checkpoint(&args.model, &args.out);
    }
    export(&Parts::open(&args.model)?, Kind::of(&args.out), args.dtype.format(), &args.out)
}

/// A llama2.c checkpoint has no tokenizer.
fn checkpoint(from: &Path, to: &Path) -> Result<(), Failure> {
    if Kind::of(to) == Kind::Gguf {
        return Err("a llama2.c checkpoint has no tokenizer: convert it to a folder and add one first".into());
    }
    let bytes = std::fs::read(from).map_err(|e| format!("{}: {e}", from.display()))?;
    let (config, weights): (Config, Vec<u8>) = llama2c::convert(&bytes)?;
    std::fs::create_dir_all(to)?;
    std::fs::write(to.join(folder::CONFIG), serde_json::to_string_pretty(&config)? + "\n")?;
    std::fs::write(to.join(folder::WEIGHTS), weights)?;
    println!("{}: {} parameters", to.display(), config.parameters());
    Ok(())
}
