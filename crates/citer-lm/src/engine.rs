//! The engine: one sequence through a decoder, token by token, with its router, sampler and KV cache, on the CPU in
//! plain operations or on the GPU by the fused path.

use crate::{
    chat::ChatFormat, config::Config, entropy::EntropyScore, error::EngineError, sampler::Sampler, tokenizer::Tokenizer,
};
#[cfg(feature = "cpu")]
use crate::{decoder::Decoder, entropy::entropy, error::LoadError, plain::Plain, router::Router};
#[cfg(feature = "cpu")]
use burn::tensor::Device;
use citer_core::{LocalModel, LocalStep, Sampling, TokenId};
use std::sync::Arc;

/// Candidates reported with every step.
pub const TOP: usize = 5;
#[cfg(feature = "gpu")]
const _: () = assert!(TOP == citer_gpu::kernels::choose::TOP);

/// Where the decoder runs.
enum Path {
    #[cfg(feature = "cpu")]
    Plain(Box<Plain>),
    #[cfg(feature = "gpu")]
    Fused(Box<citer_gpu::Decoder>),
}

/// A model ready to run.
pub struct Engine {
    config: Config,
    path: Path,
    tokenizer: Arc<Tokenizer>,
    format: ChatFormat,
    /// How tokens are chosen.
    pub sampler: Sampler,
    /// What stands in for the router of a model that has none; without it such a model's scores are 1.
    pub stand_in: Option<EntropyScore>,
    /// Hears how many of how many tokens of a prefill are computed and may end it; the fused path computes in chunks.
    pub watch: Option<Watch>,
}

/// What hears a prefill's progress; `false` ends it.
pub type Watch = Box<dyn FnMut(usize, usize) -> bool + Send>;

/// What the model says after the newest token.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// One logit per token of the vocabulary.
    pub logits: Vec<f32>,
    /// The router's score, 0 to 1, or that of what stands in for it.
    pub score: f32,
}

/// What the model knows after a token.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The final hidden state, `[hidden_size]`: what the head and the router read.
    pub hidden: Vec<f32>,
    /// One logit per token of the vocabulary.
    pub logits: Vec<f32>,
}

#[cfg(feature = "cpu")]
impl Engine {
    /// Puts the parts of a model of the shipped kind together, with its control tokens as chat format.
    pub fn new(
        config: Config,
        decoder: Decoder,
        router: Option<Router>,
        tokenizer: Arc<Tokenizer>,
        capacity: usize,
        device: &Device,
    ) -> Result<Self, LoadError> {
        let format = ChatFormat::new(&tokenizer)?;
        Self::with_format(config, decoder, router, tokenizer, format, capacity, device)
    }

    /// Puts the parts together after checking that they fit. `capacity` is cut to the model's positions.
    pub fn with_format(
        config: Config,
        decoder: Decoder,
        router: Option<Router>,
        tokenizer: Arc<Tokenizer>,
        format: ChatFormat,
        capacity: usize,
        device: &Device,
    ) -> Result<Self, LoadError> {
        if tokenizer.vocab_size() > config.vocab_size {
            let detail = format!("it has {} tokens and the model {}", tokenizer.vocab_size(), config.vocab_size);
            return Err(LoadError::Tokenizer(detail));
        }
        let capacity = capacity.min(config.max_position_embeddings);
        let path = Path::Plain(Box::new(Plain::new(&config, decoder, router, capacity, device)));
        Ok(Self { config, path, tokenizer, format, sampler: Sampler::default(), stand_in: None, watch: None })
    }

    /// The router, if it has one on the plain path.
    pub fn router(&self) -> Option<&Router> {
        match &self.path {
            Path::Plain(plain) => plain.router(),
            #[cfg(feature = "gpu")]
            Path::Fused(_) => None,
        }
    }
}

impl Engine {
    /// A model on the GPU; see [`crate::fused`].
    #[cfg(feature = "gpu")]
    pub(crate) fn on_gpu(
        config: Config,
        decoder: citer_gpu::Decoder,
        tokenizer: Arc<Tokenizer>,
        format: ChatFormat,
    ) -> Self {
        Self {
            config,
            path: Path::Fused(Box::new(decoder)),
            tokenizer,
            format,
            sampler: Sampler::default(),
            stand_in: None,
            watch: None,
        }
    }

    /// The model's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// A handle on the tokenizer that outlives a borrow of the engine.
    pub fn shared_tokenizer(&self) -> Arc<Tokenizer> {
        self.tokenizer.clone()
    }

    /// The chat format.
    pub fn format(&self) -> &ChatFormat {
        &self.format
    }

    /// The decoder on the GPU, if it runs there.
    #[cfg(feature = "gpu")]
    pub fn gpu(&mut self) -> Option<&mut citer_gpu::Decoder> {
        match &mut self.path {
            #[cfg(feature = "gpu")]
            Path::Fused(decoder) => Some(decoder),
            #[cfg(feature = "cpu")]
            Path::Plain(_) => None,
        }
    }

    fn check(&self, tokens: &[TokenId]) -> Result<(), EngineError> {
        let vocab = self.config.vocab_size;
        match tokens.iter().copied().find(|id| *id as usize >= vocab) {
            _ if tokens.is_empty() => Err(EngineError::Empty),
            Some(id) => Err(EngineError::Token { id, vocab }),
            None => Ok(()),
        }
    }

    /// Appends `tokens` to the sequence and returns the output after the last of them: one prefill, or one decode step
    /// when there is one token.
    pub async fn forward(&mut self, tokens: &[TokenId]) -> Result<Output, EngineError> {
        self.check(tokens)?;
        let stand_in = self.stand_in;
        match &mut self.path {
            #[cfg(feature = "cpu")]
            Path::Plain(plain) => {
                let output = plain.forward(&self.config, tokens).await?;
                Ok(judged(stand_in, output, self.tokenizer.vocab_size()))
            }
            #[cfg(feature = "gpu")]
            Path::Fused(decoder) => {
                let record = decoder.feed_alone(tokens).await?;
                let score = score(stand_in, &record);
                Ok(Output { logits: decoder.logits().await?, score })
            }
        }
    }

    /// Appends `tokens` to the sequence and returns the states after the last `count` of them: what labels and
    /// baselines look at.
    pub async fn states(&mut self, tokens: &[TokenId], count: usize) -> Result<Vec<State>, EngineError> {
        self.check(tokens)?;
        let count = count.clamp(1, tokens.len());
        match &mut self.path {
            #[cfg(feature = "cpu")]
            Path::Plain(plain) => plain.states(&self.config, tokens, count).await,
            #[cfg(feature = "gpu")]
            Path::Fused(decoder) => {
                let (needed, capacity) = (decoder.position() + tokens.len(), decoder.shape().capacity);
                if needed > capacity {
                    return Err(EngineError::ContextFull { needed, capacity });
                }
                let (start, rest) = tokens.split_at(tokens.len() - count + 1);
                decoder.feed_alone(start).await?;
                let mut states = Vec::with_capacity(count);
                for next in rest.iter().map(Some).chain([None]) {
                    states.push(State { hidden: decoder.hidden().await?, logits: decoder.logits().await? });
                    if let Some(token) = next {
                        decoder.feed_alone(&[*token]).await?;
                    }
                }
                Ok(states)
            }
        }
    }
}

/// The plain path's output with the score of what stands in for a router, over the `known` tokens.
#[cfg(feature = "cpu")]
fn judged(stand_in: Option<EntropyScore>, output: Output, known: usize) -> Output {
    let logits = &output.logits[..known.min(output.logits.len())];
    let score = stand_in.map_or(output.score, |stand_in| stand_in.score(entropy(logits)));
    Output { score, ..output }
}

/// A record's score, by the router or what stands in for it.
#[cfg(feature = "gpu")]
fn score(stand_in: Option<EntropyScore>, record: &citer_gpu::Record) -> f32 {
    stand_in.map_or(record.score, |stand_in| stand_in.score(record.entropy))
}

impl LocalModel for Engine {
    type Error = EngineError;

    fn sample(&mut self, sampling: Sampling) {
        self.sampler.sampling = sampling;
    }

    async fn feed(&mut self, tokens: &[TokenId]) -> Result<LocalStep, EngineError> {
        self.check(tokens)?;
        let (stand_in, known) = (self.stand_in, self.tokenizer.vocab_size());
        let output = match &mut self.path {
            #[cfg(feature = "cpu")]
            Path::Plain(plain) => judged(stand_in, plain.forward(&self.config, tokens).await?, known),
            #[cfg(feature = "gpu")]
            Path::Fused(decoder) => {
                let watch = &mut self.watch;
                let go_on = |done, total| watch.as_mut().is_none_or(|watch| watch(done, total));
                if !self.sampler.draws() {
                    let record = decoder.prefill(tokens, go_on).await?;
                    let score = score(stand_in, &record);
                    let top = record.top.into_iter();
                    let top = top.map(|(id, probability)| citer_core::Candidate { id, probability }).collect();
                    return Ok(LocalStep { token: record.token, score, top });
                }
                // What is drawn depends on all logits, so nothing runs ahead of reading them.
                let record = decoder.prefill_alone(tokens, go_on).await?;
                Output { logits: decoder.logits().await?, score: score(stand_in, &record) }
            }
        };
        let known = &output.logits[..known.min(output.logits.len())];
        let (token, top) = self.sampler.choose(known, self.position(), TOP);
        Ok(LocalStep { token, score: output.score, top })
    }

    fn position(&self) -> usize {
        match &self.path {
            #[cfg(feature = "cpu")]
            Path::Plain(plain) => plain.cache().position(),
            #[cfg(feature = "gpu")]
            Path::Fused(decoder) => decoder.position(),
        }
    }

    fn truncate(&mut self, position: usize) {
        match &mut self.path {
            #[cfg(feature = "cpu")]
            Path::Plain(plain) => plain.truncate(position),
            #[cfg(feature = "gpu")]
            Path::Fused(decoder) => decoder.truncate(position),
        }
    }

    fn capacity(&self) -> usize {
        match &self.path {
            #[cfg(feature = "cpu")]
            Path::Plain(plain) => plain.cache().capacity(),
            #[cfg(feature = "gpu")]
            Path::Fused(decoder) => decoder.shape().capacity,
        }
    }

    fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size()
    }

    fn is_end(&self, token: TokenId) -> bool {
        self.format.is_end(token)
    }

    fn token_bytes(&self, token: TokenId) -> Vec<u8> {
        self.tokenizer.token_bytes(token).to_vec()
    }
}
