//! `citer synth`: a model of a published shape with random weights, to try loading and to measure speed.

use crate::Failure;
use crate::export::{Dtype, Kind, export};
use citer_files::{shapes, synth};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// The shape.
    #[arg(value_parser = shapes::NAMES)]
    shape: String,
    /// Folder that receives the model or, when it ends with .gguf, the file.
    out: PathBuf,
    /// Kind of files, where the name of OUT does not tell.
    #[arg(long)]
    format: Option<Kind>,
    /// Number format of the matrices; q8_0 and q4_0 only in GGUF.
    #[arg(long, default_value = "f16")]
    dtype: Dtype,
    /// Seed of the weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let config = shapes::shape(&args.shape).ok_or_else(|| format!("choose one of {}", shapes::NAMES.join(", ")))?;
    let kind = args.format.unwrap_or_else(|| Kind::of(&args.out));
    export(&synth::parts(config, args.seed)?, kind, args.dtype.format(), &args.out)
}
