//! `citer chat`: routed conversations in the terminal, with servers, presets, budgets and a summary of each answer.

use crate::Failure;
use crate::manner::{Manner, summary};
use crate::paint::{Paint, show};
use crate::reach::{Reach, named};
use crate::spending::{Account, Spending};
use citer_core::message::{Role, Turn};
use citer_core::trace::Part;
use citer_core::{Notices, Preset, RoutedDecoder, Settings, Split, StopFlag, Trace, Waits};
use citer_lm::{Engine, LocalVocabulary, SlmFiles, device};
use citer_remote::{Servers, SharedVocabulary};
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

#[derive(clap::Args)]
pub struct Args {
    /// Questions to answer, one after the other; without any they are read from the terminal.
    question: Vec<String>,
    /// Folder of the pair.
    #[arg(long, default_value = "web/models")]
    models: PathBuf,
    /// Who is preferred: local-only, prefer-local, prefer-remote or remote-only.
    #[arg(long, default_value = "prefer-local", value_parser = named::<Preset>)]
    policy: Preset,
    /// Threshold instead of the router card's.
    #[arg(long)]
    threshold: Option<f32>,
    /// Share of tokens to ask the LLM for, 0 to 1: the threshold then moves to meet it.
    #[arg(long)]
    share: Option<f32>,
    /// Most tokens of an answer.
    #[arg(long, default_value_t = 128)]
    max_tokens: usize,
    /// Wait for the server instead of going on locally meanwhile. The answer is the same.
    #[arg(long)]
    no_hiding: bool,
    /// Folder that gets a trace of every answer.
    #[arg(long)]
    traces: Option<PathBuf>,
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    spending: Spending,
}

/// What is typed instead of a question.
const HELP: &str = "/new begins a conversation, /policy NAME prefers local-only, prefer-local, prefer-remote or \
    remote-only, /servers connects again, /quit ends.";

struct Chat<'a> {
    args: &'a Args,
    engine: Engine,
    decoder: RoutedDecoder,
    vocabulary: SharedVocabulary,
    servers: Servers,
    account: Account,
    recommended: f32,
    policy: Preset,
    turns: Vec<Turn>,
    answers: usize,
    paint: Paint,
    /// The answer in progress, for Ctrl-C.
    stop: Arc<Mutex<Option<StopFlag>>>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let (engine, card) = SlmFiles::read(&args.models)?.engine(usize::MAX, &device::cpu())?;
    let vocabulary: SharedVocabulary = Arc::new(LocalVocabulary::new(engine.shared_tokenizer(), engine.format()));
    args.manner.sampling()?;
    args.manner.warn(engine.format().has_system);
    // The connections live on threads of their own, so that they go on while the SLM computes on this one.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let stop = Arc::<Mutex<Option<StopFlag>>>::default();
    runtime.spawn(watch(stop.clone()));
    let servers = runtime.block_on(args.reach.connect(&vocabulary))?;
    let mut chat = Chat {
        args,
        engine,
        decoder: RoutedDecoder::new(),
        vocabulary,
        servers,
        account: args.spending.account()?,
        recommended: args.threshold.unwrap_or(card.threshold),
        policy: args.policy,
        turns: args.manner.turns(),
        answers: 0,
        paint: Paint::of_output(),
        stop,
    };
    if let Some(legend) = chat.paint.legend() {
        show(&format!("{legend}\n"));
    }
    if args.question.is_empty() {
        chat.read(&runtime)?;
    }
    for question in &args.question {
        show(&format!("> {question}\n"));
        chat.answer(&runtime, question)?;
    }
    runtime.block_on(chat.servers.close());
    Ok(())
}

/// Ctrl-C ends the answer in progress, or the program when there is none.
async fn watch(stop: Arc<Mutex<Option<StopFlag>>>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        match stop.lock().ok().and_then(|mut flag| flag.take()) {
            Some(flag) => flag.stop(),
            None => std::process::exit(130),
        }
    }
}

impl Chat<'_> {
    /// Answers what is typed, until the end of the input.
    fn read(&mut self, runtime: &tokio::runtime::Runtime) -> Result<(), Failure> {
        let typed = std::io::stdin().is_terminal();
        if typed {
            show(&format!("Ask something. {HELP}\n"));
        }
        let mut lines = std::io::stdin().lock().lines();
        loop {
            if typed {
                show("> ");
            }
            let Some(line) = lines.next() else { return Ok(()) };
            let line = line?;
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                ["/quit"] => return Ok(()),
                ["/new"] => {
                    self.turns = self.args.manner.turns();
                    self.account.begin_conversation();
                }
                ["/servers"] => self.servers = runtime.block_on(self.args.reach.connect(&self.vocabulary))?,
                ["/policy", name] => match named(name) {
                    Ok(policy) => self.policy = policy,
                    Err(error) => show(&format!("{error}\n")),
                },
                [word, ..] if word.starts_with('/') => show(&format!("{HELP}\n")),
                _ => {
                    // What cannot be answered must not end the conversation.
                    if let Err(error) = self.answer(runtime, &line) {
                        eprintln!("citer: {error}");
                    }
                }
            }
        }
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let (mode, threshold) = self.policy.apply(self.recommended);
        let settings = Settings {
            mode,
            threshold,
            max_tokens: self.args.max_tokens,
            hide_wait: !self.args.no_hiding,
            target_share: self.args.share,
            sampling: self.args.manner.sampling()?,
            ..Settings::default()
        };
        Ok(self.args.spending.limit(&self.account, settings))
    }

    /// Answers one question and shows what it took.
    fn answer(&mut self, runtime: &tokio::runtime::Runtime, question: &str) -> Result<(), Failure> {
        let settings = self.settings()?;
        let mut turns = self.turns.clone();
        turns.push(Turn { role: Role::User, content: question.into() });
        let prompt = self.engine.format().prompt(self.engine.tokenizer(), &turns)?;
        self.servers.begin(&turns, prompt.len());
        let flag = StopFlag::default();
        if let Ok(mut stop) = self.stop.lock() {
            *stop = Some(flag.clone());
        }
        let (mut notices, paint) = (Notices::default(), self.paint);
        let made = runtime.block_on(self.decoder.answer(
            &mut self.engine,
            &mut self.servers,
            &prompt,
            &settings,
            &flag,
            |event| {
                show(&paint.token(event));
                if let Some(notice) = notices.due(event) {
                    eprintln!("\n[{notice}]");
                }
            },
        ));
        if let Ok(mut stop) = self.stop.lock() {
            *stop = None;
        }
        let answer = made?;
        show(&format!("{}\n", answer.tail));
        turns.push(Turn { role: Role::Assistant, content: answer.text() });
        self.turns = turns;
        let split: Split = answer.events.iter().collect();
        let waits: Waits = answer.events.iter().collect();
        self.account.add(&split.spent)?;
        let prices = self.args.spending.prices();
        let (cost, sum) = (prices.usd(&split.spent), prices.usd(self.account.conversation()));
        show(&format!("\n{split}\n{waits}\n{}", summary(&settings.sampling)));
        if sum > 0.0 {
            show(&format!("money: {cost:.6} USD, {sum:.6} USD in this conversation\n"));
        }
        let mut trace = Trace::new(&prompt, &settings, answer);
        let model = self.servers.remotes().next().and_then(|remote| remote.model());
        trace.llm = model.map(|name| Part { name: name.into(), hash: None });
        self.keep(&trace)
    }

    fn keep(&mut self, trace: &Trace) -> Result<(), Failure> {
        self.answers += 1;
        let Some(folder) = &self.args.traces else { return Ok(()) };
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("answer-{}.json", self.answers));
        Ok(std::fs::write(&path, trace.to_json()? + "\n").map_err(|e| format!("{}: {e}", path.display()))?)
    }
}
