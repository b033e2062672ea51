//! `citer ask`: one routed answer in the terminal, made by the same decoder as the page's.

use crate::Failure;
use citer_core::notice::Notices;
use citer_core::{Mode, RoutedDecoder, Settings, Source, Split, StopFlag, TokenEvent, Trace};
use citer_lm::{SlmFiles, device};
use citer_remote::{OptionalRemote, Remote};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

#[derive(clap::Args)]
pub struct Args {
    /// The question.
    question: String,
    /// Folder of the pair.
    #[arg(long, default_value = "web/models")]
    models: PathBuf,
    /// Address of the LLM's server, such as http://127.0.0.1:8080; without it the answer is local.
    #[arg(long)]
    server: Option<String>,
    /// Threshold instead of the router card's.
    #[arg(long)]
    threshold: Option<f32>,
    /// Most tokens of the answer.
    #[arg(long, default_value_t = 128)]
    max_tokens: usize,
    /// Print the answer's trace as JSON instead of the text.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let (mut engine, card) = SlmFiles::read(&args.models)?.engine(usize::MAX, &device::cpu())?;
    let prompt = engine.format().question(engine.tokenizer(), &args.question)?;
    let mode = if args.server.is_some() { Mode::Router } else { Mode::LocalOnly };
    let threshold = args.threshold.unwrap_or(card.threshold);
    let settings = Settings { mode, threshold, max_tokens: args.max_tokens, ..Settings::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let mut remote = OptionalRemote::default();
        if let Some(url) = &args.server {
            let mut server = Remote::new(url, None, Duration::from_secs(5))?;
            server.probe().await?;
            remote = OptionalRemote(Some(server));
        }
        let mut notices = Notices::default();
        let colour = std::io::stdout().is_terminal();
        let stop = StopFlag::default();
        let mut decoder = RoutedDecoder::new();
        let made = decoder.answer(&mut engine, &mut remote, &prompt, &settings, &stop, |event| {
            if !args.json {
                show(&piece(event, colour));
                if let Some(notice) = notices.due(event) {
                    eprintln!("\n[{notice}]");
                }
            }
        });
        Ok::<_, Failure>(made.await?)
    })?;
    let split: Split = answer.events.iter().collect();
    let tail = answer.tail.clone();
    let trace = Trace::new(&prompt, &settings, answer);
    if args.json {
        show(&(trace.to_json()? + "\n"));
    } else {
        show(&format!("{tail}\n\n{split}\n"));
    }
    Ok(())
}

/// Prints at once. A reader that is gone sees nothing; the answer goes on.
fn show(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A token's text, coloured by its source on a terminal.
fn piece(event: &TokenEvent, colour: bool) -> String {
    let code = match event.source {
        _ if !colour => return event.text.clone(),
        Source::Local => return event.text.clone(),
        Source::Agreed => "36",
        Source::Remote => "1;35",
        Source::Forced(_) => "33",
    };
    format!("\u{1b}[{code}m{}\u{1b}[0m", event.text)
}
