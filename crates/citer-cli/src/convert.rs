//! `citer convert`: a llama2.c checkpoint into a model folder.

use crate::Failure;
use citer_lm::{llama2c, pair};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// The llama2.c checkpoint (version 0, F32).
    checkpoint: PathBuf,
    /// Folder that receives config.json and model.safetensors.
    folder: PathBuf,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let bytes = std::fs::read(&args.checkpoint).map_err(|e| format!("{}: {e}", args.checkpoint.display()))?;
    let (config, weights) = llama2c::convert(&bytes)?;
    std::fs::create_dir_all(&args.folder)?;
    std::fs::write(args.folder.join(pair::CONFIG), serde_json::to_string_pretty(&config)? + "\n")?;
    std::fs::write(args.folder.join(pair::WEIGHTS), weights)?;
    println!("{}: {} parameters", args.folder.display(), config.parameters());
    Ok(())
}
