//! `citer pretrain`: the tokenizer and the two models of the shipped pair.

use crate::{Failure, shutdown::Interrupted};
use citer_lm::{Tokenizer, device, pair};
use citer_train::{Outcome, pretrain, recipes, vocabulary};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// Which model: slm or llm.
    model: String,
    /// Folder for checkpoints and the loss curve.
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
    /// Folder of the pair; receives the tokenizer and, at the end, the model.
    #[arg(long, default_value = "web/models")]
    models: PathBuf,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let recipe = recipes::recipe(&args.model)?;
    let path = args.models.join(pair::TOKENIZER);
    if !path.exists() {
        println!("training the tokenizer: {} tokens", recipes::VOCABULARY);
        let json = vocabulary::train(recipes::VOCABULARY, recipes::VOCABULARY_QUESTIONS, recipes::SEED)?;
        std::fs::create_dir_all(&args.models)?;
        std::fs::write(&path, json)?;
    }
    let tokenizer = Tokenizer::from_json(&std::fs::read(&path)?)?;
    let folder = args.runs.join(&args.model);
    println!(
        "{}: {:.2} M parameters, {} steps, in {}",
        args.model,
        recipe.config.parameters() as f64 / 1e6,
        recipe.schedule.steps(),
        folder.display()
    );
    let interrupted = Interrupted::listen();
    let outcome = pretrain(&recipe, &tokenizer, &folder, &device::cpu(), &|| interrupted.is_set(), &mut |line| {
        println!("{line}")
    })?;
    match outcome {
        Outcome::Stopped(step) => println!("stopped at step {step}; run the same command to go on"),
        Outcome::Finished => {
            let target = args.models.join(&args.model);
            std::fs::create_dir_all(&target)?;
            for name in [pair::CONFIG, pair::WEIGHTS] {
                std::fs::copy(folder.join(name), target.join(name))?;
            }
            println!("finished: {}", target.display());
        }
    }
    Ok(())
}
