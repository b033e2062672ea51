//! Workers: questions spread over threads, each with its own copy of the models, results in the questions' order.

use crate::{error::TrainError, models::Models};
use burn::tensor::Device;
use citer_lm::LlmFiles;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The files both models are loaded from, once a worker.
pub struct Workers<'a> {
    /// The SLM.
    pub slm: &'a LlmFiles,
    /// The LLM.
    pub llm: &'a LlmFiles,
    /// Where they run.
    pub device: &'a Device,
    /// How many threads.
    pub threads: usize,
}

impl Workers<'_> {
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
            let mut models = Models::load(self.slm, self.llm, self.device)?;
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
