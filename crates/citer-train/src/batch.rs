//! Training batches: a fixed function of seed and step, so an interrupted run resumes with the batches it would have had.

use crate::error::TrainError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use citer_core::TokenId;
use citer_lm::{Tokenizer, chat::ChatFormat};
use citer_tasks::{Family, Split, question};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Families in the order they are drawn: maths twice as often, since its problems hardly repeat.
const MIX: [Family; 7] = [
    Family::Word,
    Family::Algebra,
    Family::Commonsense,
    Family::Word,
    Family::Algebra,
    Family::Science,
    Family::Psychology,
];

/// Batches that are drawn together and sorted by length, so that little is padded.
const POOL: usize = 16;

/// A question with its gold answer as token ids.
#[derive(Clone, Debug)]
pub struct Example {
    /// Prompt ids, then answer ids with the end.
    pub ids: Vec<TokenId>,
    /// Where the answer begins.
    pub answer: usize,
}

impl Example {
    /// Renders a question exactly as the chat does.
    pub fn new(tokenizer: &Tokenizer, format: &ChatFormat, prompt: &str, solution: &str) -> Result<Self, TrainError> {
        let mut ids = format.question(tokenizer, prompt)?;
        let answer = ids.len();
        ids.extend(format.answer(tokenizer, solution)?);
        Ok(Self { ids, answer })
    }
}

/// The endless stream of training batches.
pub struct Batches<'a> {
    tokenizer: &'a Tokenizer,
    format: ChatFormat,
    seed: u64,
    size: usize,
    pool: Vec<Vec<Example>>,
    pool_index: Option<usize>,
}

/// One batch: inputs padded to one length, and the answer positions the loss looks at.
pub struct Batch {
    /// `[size, tokens]`.
    pub inputs: Tensor<2, Int>,
    /// Positions within the flattened `[size * tokens]` whose next token is part of an answer.
    pub positions: Tensor<1, Int>,
    /// The next token at each of them.
    pub targets: Tensor<1, Int>,
    /// Tokens that are not padding.
    pub tokens: usize,
}

impl<'a> Batches<'a> {
    /// Batches of `size` examples.
    pub fn new(tokenizer: &'a Tokenizer, seed: u64, size: usize) -> Result<Self, TrainError> {
        Ok(Self { tokenizer, format: ChatFormat::new(tokenizer)?, seed, size, pool: Vec::new(), pool_index: None })
    }

    /// The batch of `step`.
    pub fn batch(&mut self, step: usize, device: &Device) -> Result<Batch, TrainError> {
        let pool = step / POOL;
        if self.pool_index != Some(pool) {
            self.pool = self.draw(pool)?;
            self.pool_index = Some(pool);
        }
        Ok(collate(&self.pool[step % POOL], device))
    }

    fn draw(&self, pool: usize) -> Result<Vec<Vec<Example>>, TrainError> {
        let count = POOL * self.size;
        let mut examples = (pool * count..(pool + 1) * count)
            .map(|index| {
                let drawn = question(MIX[index % MIX.len()], Split::Train, self.seed, index as u64);
                Example::new(self.tokenizer, &self.format, &drawn.prompt, &drawn.solution)
            })
            .collect::<Result<Vec<_>, _>>()?;
        examples.sort_by_key(|example| example.ids.len());
        let mut batches: Vec<_> = examples.chunks(self.size).map(<[Example]>::to_vec).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(pool as u64);
        batches.shuffle(&mut rng);
        Ok(batches)
    }
}

/// Pads examples to one length.
pub fn collate(examples: &[Example], device: &Device) -> Batch {
    let width = examples.iter().map(|e| e.ids.len() - 1).max().unwrap_or(0);
    let (mut inputs, mut positions, mut targets, mut tokens) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (row, example) in examples.iter().enumerate() {
        let used = example.ids.len() - 1;
        inputs.extend(example.ids[..used].iter().map(|id| *id as i32));
        inputs.extend(std::iter::repeat_n(0, width - used));
        for position in example.answer - 1..used {
            positions.push((row * width + position) as i32);
            targets.push(example.ids[position + 1] as i32);
        }
        tokens += used;
    }
    let vector = |values: Vec<i32>| {
        let length = values.len();
        Tensor::from_data(TensorData::new(values, [length]), device)
    };
    Batch {
        inputs: Tensor::from_data(TensorData::new(inputs, [examples.len(), width]), device),
        positions: vector(positions),
        targets: vector(targets),
        tokens,
    }
}
