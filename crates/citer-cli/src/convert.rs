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
    /// Tokenizer of a llama2.c checkpoint, such as tok512.bin.
    #[arg(long)]
    tokenizer: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let parts = match (is_checkpoint(&args.model)?, &args.tokenizer) {
        (false, None) => Parts::open(&args.model)?,
        (true, Some(tokenizer)) => llama2c::parts(&read(&args.model)?, &read(tokenizer)?)?,
        (true, None) => return weights(&args.model, &args.out),
        (false, Some(_)) => return Err("this model has a tokenizer of its own: leave --tokenizer out".into()),
    };
    export(&parts, Kind::of(&args.out), args.dtype.format(), &args.out)
}

fn is_checkpoint(model: &Path) -> Result<bool, Failure> {
    Ok(model.is_file() && !Gguf::is_gguf(&DiskFile::open(model)?))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?)
}

/// Writes a llama2.c checkpoint without a tokenizer.
fn weights(from: &Path, to: &Path) -> Result<(), Failure> {
    if Kind::of(to) == Kind::Gguf {
        return Err("a llama2.c checkpoint has no tokenizer: give the file that came with it as --tokenizer".into());
    }
    let (config, weights): (Config, Vec<u8>) = llama2c::convert(&read(from)?)?;
    std::fs::create_dir_all(to)?;
    std::fs::write(to.join(folder::CONFIG), serde_json::to_string_pretty(&config)? + "\n")?;
    std::fs::write(to.join(folder::WEIGHTS), weights)?;
    println!("{}: {} parameters", to.display(), config.parameters());
    Ok(())
}
