//! The program `citer`: trains, measures, serves and asks from the command line.

mod ask;
mod bench;
mod convert;
mod curves;
mod eval;
mod export;
mod pretrain;
mod serve;
mod shutdown;
mod synth;
mod train;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Token-level routing between a small model on your device and a large model on a server.
#[derive(Parser)]
#[command(version)]
struct Citer {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train the shipped pair's tokenizer and one of its models; run it again to go on after a stop.
    Pretrain(pretrain::Args),
    /// Label states, fit and calibrate the router in rounds, and choose its threshold.
    Train(train::Args),
    /// Measure SLM, routed pair and LLM on held-out questions.
    Eval(eval::Args),
    /// Serve the LLM with an OpenAI-compatible API, and the chat page.
    Serve(serve::Args),
    /// Answer one question in the terminal, with or without a server.
    Ask(ask::Args),
    /// Convert a model to safetensors or GGUF.
    Convert(convert::Args),
    /// Write a model of a published shape with random weights.
    Synth(synth::Args),
    /// Measure a model's speed on the graphics adapter.
    Bench(bench::Args),
}

/// What ends the program with a message.
type Failure = Box<dyn std::error::Error>;

/// As many threads as the processor runs at once.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn main() -> ExitCode {
    let result = match Citer::parse().command {
        Command::Pretrain(args) => pretrain::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Ask(args) => ask::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Synth(args) => synth::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("citer: {error}");
            ExitCode::FAILURE
        }
    }
}
