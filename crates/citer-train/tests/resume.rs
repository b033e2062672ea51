//! An interrupted pre-training run goes on as if it had never stopped, and refuses another recipe's checkpoint.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_lm::{Tokenizer, device};
use citer_train::schedule::Schedule;
use citer_train::{Outcome, Recipe, TrainError, pretrain, recipes, vocabulary};
use std::cell::Cell;
use std::path::{Path, PathBuf};

const SIZE: usize = 400;

fn recipe(cycles: &[usize]) -> Recipe {
    let mut recipe = recipes::recipe("slm").unwrap();
    recipe.config.vocab_size = SIZE;
    recipe.config.hidden_size = 16;
    recipe.config.head_dim = Some(4);
    recipe.config.intermediate_size = 24;
    recipe.schedule = Schedule { cycles: cycles.into(), peak: 1e-2, warmup: 2 };
    recipe.batch = 4;
    recipe
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("citer-resume-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Trains until done or until `steps` more steps are made.
fn train(recipe: &Recipe, tokenizer: &Tokenizer, folder: &Path, steps: usize) -> Result<Outcome, TrainError> {
    let left = Cell::new(steps);
    let stop = || {
        left.set(left.get().saturating_sub(1));
        left.get() == 0
    };
    pretrain(recipe, tokenizer, folder, &device::cpu(), &stop, &mut |_| {})
}

#[test]
fn a_stopped_run_ends_with_the_same_weights() {
    let json = vocabulary::train(SIZE, 50, 1).unwrap();
    let tokenizer = Tokenizer::from_json(json.as_bytes()).unwrap();
    let (whole, parts) = (Folder::new("whole"), Folder::new("parts"));
    let six = recipe(&[6]);
    assert_eq!(train(&six, &tokenizer, &whole.0, 100).unwrap(), Outcome::Finished);
    assert_eq!(train(&six, &tokenizer, &parts.0, 2).unwrap(), Outcome::Stopped(2));
    assert!(!parts.0.join("model.safetensors").exists(), "an unfinished run has no weights file");
    assert_eq!(train(&six, &tokenizer, &parts.0, 3).unwrap(), Outcome::Stopped(5));
    assert_eq!(train(&six, &tokenizer, &parts.0, 100).unwrap(), Outcome::Finished);
    let weights = |folder: &Folder| std::fs::read(folder.0.join("model.safetensors")).unwrap();
    assert_eq!(weights(&whole), weights(&parts));

    // A further cycle goes on from there; another recipe does not.
    assert_eq!(train(&recipe(&[6, 2]), &tokenizer, &parts.0, 100).unwrap(), Outcome::Finished);
    assert_ne!(weights(&whole), weights(&parts));
    let mut other = recipe(&[6, 2]);
    other.seed += 1;
    assert!(matches!(train(&other, &tokenizer, &parts.0, 100), Err(TrainError::Checkpoint { .. })));
}
