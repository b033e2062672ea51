//! CITER labels: which states need the LLM, by the shortcut of arXiv 2502.01976 (section on preference collection).
//!
//! The gold answer is walked token by token, its end included. Where the SLM's greedy token is right the SLM is
//! preferred; where only the LLM's is, the LLM; where both are wrong the answer is rolled out from the SLM's token and
//! the judge decides.

use crate::{
    batch::{Example, collate},
    error::TrainError,
};
use burn::tensor::{Device, Tensor};
use citer_core::{LocalModel, TokenId};
use citer_lm::{Config, Decoder, Engine, LlmFiles, Sequence, Tokenizer, chat::ChatFormat, rope::Rope, weights};
use citer_tasks::{Question, is_correct};
use futures::executor::block_on;

/// Which of the three cases a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// The SLM's token is the gold one.
    SlmRight,
    /// Only the LLM's token is.
    OnlyLlmRight,
    /// Neither is, and the SLM's token still led to a right answer.
    BothWrongSaved,
    /// Neither is, and the answer was lost.
    BothWrongLost,
}

impl Case {
    /// Whether the SLM's token is preferred.
    pub fn prefers_slm(self) -> bool {
        matches!(self, Self::SlmRight | Self::BothWrongSaved)
    }
}

/// One labelled state.
#[derive(Clone, Debug)]
pub struct Label {
    /// Which question of the run; the split between training and checking goes by question.
    pub question: usize,
    /// The SLM's final hidden state.
    pub hidden: Vec<f32>,
    /// Its case.
    pub case: Case,
}

/// One model as the labeller needs it: all positions of an answer in one pass.
struct Walker {
    config: Config,
    decoder: Decoder,
    rope: Rope,
    device: Device,
}

impl Walker {
    fn new(files: &LlmFiles, device: &Device) -> Result<Self, TrainError> {
        let config = Config::from_json(&files.config)?;
        let decoder = weights::load(&config, &files.weights, device)?;
        let rope = Rope::new(&config, config.max_position_embeddings, device);
        Ok(Self { config, decoder, rope, device: device.clone() })
    }

    /// Final hidden states and greedy tokens at every state of the gold answer.
    fn walk(&self, example: &Example) -> Result<(Vec<Vec<f32>>, Vec<TokenId>), TrainError> {
        let batch = collate(std::slice::from_ref(example), &self.device);
        let hidden = self.decoder.hidden(&self.config, &self.rope, batch.inputs, None);
        let width = self.config.hidden_size;
        let [_, tokens, _] = hidden.dims();
        let states: Tensor<2> = hidden.reshape([tokens, width]).select(0, batch.positions);
        let greedy = self.decoder.logits(states.clone()).argmax(1);
        let device_error = |e: String| citer_lm::EngineError::Device(e);
        let states = block_on(states.into_data_async()).map_err(|e| device_error(e.to_string()))?;
        let greedy = block_on(greedy.into_data_async()).map_err(|e| device_error(e.to_string()))?;
        let states: Vec<f32> = states.iter::<f32>().collect();
        let rows = states.chunks(width).map(<[f32]>::to_vec).collect();
        Ok((rows, greedy.iter::<i64>().map(|id| id as TokenId).collect()))
    }
}

/// Labels every state of `questions`' gold answers. `report` hears how far it is.
pub fn label(
    questions: &[Question],
    slm: &LlmFiles,
    llm: &LlmFiles,
    device: &Device,
    report: &mut dyn FnMut(String),
) -> Result<Vec<Label>, TrainError> {
    let tokenizer = Tokenizer::from_json(&slm.tokenizer)?;
    let format = ChatFormat::new(&tokenizer)?;
    let (small, large) = (Walker::new(slm, device)?, Walker::new(llm, device)?);
    let mut rollout = Rollout::new(slm.engine(usize::MAX, device)?);
    let mut labels = Vec::new();
    for (index, question) in questions.iter().enumerate() {
        let example = Example::new(&tokenizer, &format, &question.prompt, &question.solution)?;
        let (states, small_tokens) = small.walk(&example)?;
        let (_, large_tokens) = large.walk(&example)?;
        for (step, hidden) in states.into_iter().enumerate() {
            let position = example.answer + step;
            let (gold, token) = (example.ids[position], small_tokens[step]);
            let case = if token == gold {
                Case::SlmRight
            } else if large_tokens[step] == gold {
                Case::OnlyLlmRight
            } else {
                let mut prefix = example.ids[..position].to_vec();
                prefix.push(token);
                if is_correct(question, &rollout.finish(prefix, example.answer)?) {
                    Case::BothWrongSaved
                } else {
                    Case::BothWrongLost
                }
            };
            labels.push(Label { question: index, hidden, case });
        }
        if (index + 1).is_multiple_of(100) {
            report(format!("labelled {} of {} questions, {} states", index + 1, questions.len(), labels.len()));
        }
    }
    Ok(labels)
}

/// Finishes answers with the SLM alone.
struct Rollout(Sequence);

/// Most tokens of a rolled-out answer.
const LONGEST: usize = 120;

impl Rollout {
    fn new(engine: Engine) -> Self {
        Self(Sequence::new(engine))
    }

    /// Goes on greedily from `ids` to the end and returns the answer's text, which begins at `answer`.
    fn finish(&mut self, mut ids: Vec<TokenId>, answer: usize) -> Result<String, TrainError> {
        let end = self.0.engine().format().end;
        let limit = (answer + LONGEST).min(self.0.engine().capacity());
        while ids.last() != Some(&end) && ids.len() < limit {
            let (output, _) = block_on(self.0.after(&ids))?;
            ids.push(citer_lm::Sampler::default().choose(&output.logits, ids.len(), 1).0);
        }
        Ok(self.0.engine().tokenizer().decode(&ids[answer..]))
    }
}
