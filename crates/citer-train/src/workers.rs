//! Workers: questions spread over threads, each with its own copy of the models, results in the questions' order.

use crate::{
    error::TrainError,
    label::{Limits, Skip, gold},
    models::Models,
    teacher::Teacher,
};
pub use burn::tensor::Device;
use citer_lm::{Config, LlmFiles, LoadError, Tokenizer, chat::ChatFormat};
use citer_tasks::Question;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What both models are made from, once a worker.
pub struct Workers<'a> {
    /// The SLM.
    pub slm: &'a LlmFiles,
    /// The LLM.
    pub llm: Teacher<'a>,
    /// Where they run.
    pub device: &'a Device,
    /// How many threads: as many questions are in work at once.
    pub threads: usize,
    /// Most tokens of an answer.
    pub longest: usize,
}

/// A question that is left out, by its name, and why.
pub type Skipped = (String, Skip);

impl Workers<'_> {
    /// The questions that both models can hold with their gold answers, and why the others are left out.
    pub fn fitting(&self, questions: Vec<Question>) -> Result<(Vec<Question>, Vec<Skipped>), TrainError> {
        let room = |files: &LlmFiles| Ok::<_, LoadError>(Config::from_json(&files.config)?.max_position_embeddings);
        let llm = match &self.llm {
            Teacher::Files(files) => Some(room(files)?),
            Teacher::Asked { ask, .. } => ask.room(),
        };
        let slm = room(self.slm)?;
        let limits = Limits { room: llm.map_or(slm, |llm| llm.min(slm)), longest: self.longest };
        let tokenizer = Tokenizer::from_json(&self.slm.tokenizer)?;
        let format = ChatFormat::new(&tokenizer)?;
        let (mut kept, mut skipped) = (Vec::with_capacity(questions.len()), Vec::new());
        for question in questions {
            match gold(&tokenizer, &format, limits, &question)? {
                Ok(_) => kept.push(question),
                Err(skip) => skipped.push((question.id, skip)),
            }
        }
        Ok((kept, skipped))
    }

    /// Runs `work` on the numbers below `count` and returns the results in order. `done` hears how many are finished;
    /// `stop` ends the run early with [`TrainError::Stopped`].
    pub fn each<T: Send>(
        &self,
        count: usize,
        work: impl Fn(&mut Models, usize) -> Result<T, TrainError> + Sync,
        done: &(dyn Fn(usize) + Sync),
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<T>, TrainError> {
        let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let failed = AtomicBool::new(false);
        let results = Mutex::new(Vec::with_capacity(count));
        let run = || {
            let mut models = Models::load(self.slm, &self.llm, self.device, self.longest)?;
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return Ok(());
                }
                if stop() {
                    return Err(TrainError::Stopped);
                }
                // One worker's failure ends the others' work too: its results would be thrown away.
                if failed.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let result = work(&mut models, index).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
                if let Ok(mut results) = results.lock() {
                    results.push((index, result));
                }
                done(finished.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        let outcomes: Vec<Result<(), TrainError>> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..self.threads.max(1)).map(|_| scope.spawn(run)).collect();
            let broken = || TrainError::Settings("a worker broke off: run the command again".into());
            handles.into_iter().map(|handle| handle.join().unwrap_or_else(|_| Err(broken()))).collect()
        });
        outcomes.into_iter().collect::<Result<(), _>>()?;
        let mut results = results.into_inner().unwrap_or_default();
        results.sort_by_key(|(index, _)| *index);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }
}
