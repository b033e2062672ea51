//! The program `citer`: trains, measures, serves and asks from the command line.

mod ask;
mod bench;
mod bench_remote;
mod bench_training;
mod chat;
mod convert;
mod costs;
mod curves;
mod data;
mod endpoints;
mod eval;
mod export;
mod key;
mod label;
mod manner;
mod paint;
mod pair;
mod pretrain;
mod reach;
mod serve;
mod shutdown;
mod spending;
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
    /// Label the states of gold answers, on disk.
    Label(label::Args),
    /// Label states, fit and calibrate the router in rounds, and choose its threshold.
    Train(train::Args),
    /// Time label, train and eval, and print JSON.
    BenchTraining(bench_training::Args),
    /// Measure SLM, routed pair and LLM on held-out questions.
    Eval(eval::Args),
    /// Serve the LLM with an OpenAI-compatible API, and the chat page.
    Serve(serve::Args),
    /// Make an API key for `serve`.
    Key(key::Args),
    /// Answer one question in the terminal, with or without a server.
    Ask(ask::Args),
    /// Talk in the terminal: presets, budgets, several servers, and a summary of each answer.
    Chat(chat::Args),
    /// Convert a model to safetensors or GGUF.
    Convert(convert::Args),
    /// Write a model of a published shape with random weights.
    Synth(synth::Args),
    /// Measure a model's speed on the graphics adapter.
    Bench(bench::Args),
    /// Measure what a critical token costs over connections of several round trips, and print JSON.
    BenchRemote(bench_remote::Args),
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
        Command::Label(args) => label::run(&args),
        Command::Train(args) => train::run(&args),
        Command::BenchTraining(args) => bench_training::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Key(args) => key::run(&args),
        Command::Ask(args) => ask::run(&args),
        Command::Chat(args) => chat::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Synth(args) => synth::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::BenchRemote(args) => bench_remote::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("citer: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `citer ...` of a text, in blocks and in lines.
    fn commands(text: &str) -> Vec<String> {
        let spans = text.split('`').flat_map(str::lines).map(str::trim);
        let start = |span: &str| span.split_once("--bin citer -- ").map(|(_, rest)| format!("citer {rest}"));
        spans.filter_map(|span| start(span).or_else(|| span.starts_with("citer ").then(|| span.to_owned()))).collect()
    }

    #[test]
    fn every_command_in_the_documents_can_be_typed() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut count = 0;
        for file in [
            "README.md",
            "ARCHITECTURE.md",
            "CHANGELOG.md",
            "crates/citer-serve/README.md",
            "crates/citer-train/README.md",
            "web/models/slm/README.md",
            "web/models/llm/README.md",
            "web/models/router/README.md",
        ] {
            for command in commands(&std::fs::read_to_string(root.join(file)).unwrap()) {
                if command == "citer COMMAND" {
                    continue;
                }
                let parsed = Citer::try_parse_from(command.split_whitespace());
                // A command may be named without what it needs, but never with what it does not know.
                if let Err(error) = parsed {
                    let missing = clap::error::ErrorKind::MissingRequiredArgument;
                    assert_eq!(error.kind(), missing, "{file}: {command}\n{error}");
                }
                count += 1;
            }
        }
        assert!(count > 10, "only {count} commands were found");
    }
}
