//! The program `citer`: trains, measures, serves and asks from the command line.

mod ask;
mod convert;
mod eval;
mod pretrain;
mod router;
mod serve;
mod shutdown;

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
    /// Label states by CITER's shortcut, fit the router and choose its threshold.
    Router(router::Args),
    /// Measure SLM, routed pair and LLM on held-out questions.
    Eval(eval::Args),
    /// Serve the LLM with an OpenAI-compatible API, and the chat page.
    Serve(serve::Args),
    /// Answer one question in the terminal, with or without a server.
    Ask(ask::Args),
    /// Convert a llama2.c checkpoint into a model folder.
    Convert(convert::Args),
}

/// What ends the program with a message.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let result = match Citer::parse().command {
        Command::Pretrain(args) => pretrain::run(&args),
        Command::Router(args) => router::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Ask(args) => ask::run(&args),
        Command::Convert(args) => convert::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("citer: {error}");
            ExitCode::FAILURE
        }
    }
}
