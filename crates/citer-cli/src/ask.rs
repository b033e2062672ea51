//! `citer ask`: one routed answer in the terminal, made by the same decoder as the page's.

use crate::Failure;
use crate::manner::{Manner, summary};
use crate::paint::{Paint, show};
use crate::reach::Reach;
use citer_core::message::{Role, Turn};
use citer_core::notice::Notices;
use citer_core::{Mode, RoutedDecoder, Settings, Split, StopFlag, Trace};
use citer_lm::{LocalVocabulary, SlmFiles, device};
use citer_remote::SharedVocabulary;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(clap::Args)]
pub struct Args {
    /// The question.
    question: String,
    /// Folder of the pair.
    #[arg(long, default_value = "web/models")]
    models: PathBuf,
    /// Threshold instead of the router card's.
    #[arg(long)]
    threshold: Option<f32>,
    /// Most tokens of the answer.
    #[arg(long, default_value_t = 128)]
    max_tokens: usize,
    /// Print the answer's trace as JSON instead of the text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    reach: Reach,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let (mut engine, card) = SlmFiles::read(&args.models)?.engine(usize::MAX, &device::cpu())?;
    let vocabulary: SharedVocabulary = Arc::new(LocalVocabulary::new(engine.shared_tokenizer(), engine.format()));
    let mut turns = args.manner.turns();
    turns.push(Turn { role: Role::User, content: args.question.clone() });
    args.manner.warn(engine.format().has_system);
    let prompt = engine.format().prompt(engine.tokenizer(), &turns)?;
    let mode = if args.reach.server.is_empty() { Mode::LocalOnly } else { Mode::Router };
    let threshold = args.threshold.unwrap_or(card.threshold);
    let sampling = args.manner.sampling()?;
    let settings = Settings { mode, threshold, max_tokens: args.max_tokens, sampling, ..Settings::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let answer = runtime.block_on(async {
        let mut servers = args.reach.connect(&vocabulary).await?;
        if mode == Mode::Router && servers.remotes().next().is_none() {
            return Err("no server can be used: start `citer serve` or leave --server out".into());
        }
        servers.begin(&turns, prompt.len());
        let mut notices = Notices::default();
        let paint = Paint::of_output();
        let stop = StopFlag::default();
        let mut decoder = RoutedDecoder::new();
        let made = decoder.answer(&mut engine, &mut servers, &prompt, &settings, &stop, |event| {
            if !args.json {
                show(&paint.token(event));
                if let Some(notice) = notices.due(event) {
                    eprintln!("\n[{notice}]");
                }
            }
        });
        let made = made.await?;
        servers.close().await;
        Ok::<_, Failure>(made)
    })?;
    let split: Split = answer.events.iter().collect();
    let tail = answer.tail.clone();
    let trace = Trace::new(&prompt, &settings, answer);
    if args.json {
        show(&(trace.to_json()? + "\n"));
    } else {
        show(&format!("{tail}\n\n{split}\n{}", summary(&sampling)));
    }
    Ok(())
}
