//! The decoder on the GPU: one sequence, fed with tokens, run ahead of the host and taken back by moving a cursor.

use crate::{
    activations::{Activations, PREFILL, SLOTS},
    error::GpuError,
    format::Format,
    gpu::Gpu,
    kernels::attention::CHUNK,
    model::{Model, RouterWeights},
    pace::Pace,
    record::Record,
    shape::{Shape, padded},
    step::Step,
    tuning::{Choice, Trial, Tuning},
    weights::Weights,
};
use cubecl::client::Graph;
use std::{cell::Cell, collections::VecDeque};
use web_time::Instant;

/// Contexts for which a step is recorded: attention launches cubes for no more than this.
const REACHES: [usize; 3] = [4 * CHUNK, 16 * CHUNK, 64 * CHUNK];

/// A step that ran before anybody asked.
struct Ahead {
    position: usize,
    input: u32,
    record: Record,
}

/// A model with its KV cache on the GPU.
pub struct Decoder {
    gpu: Gpu,
    model: Model,
    buffers: Activations,
    tuning: Tuning,
    trials: Vec<Trial>,
    /// A recorded decode step for contexts up to a length, shortest first.
    graphs: Vec<(usize, Graph)>,
    position: usize,
    /// Position and next input as the GPU's own state has them.
    device: Option<(usize, u32)>,
    /// Steps whose records were written, as the GPU counts them.
    step: usize,
    ahead: VecDeque<Ahead>,
    /// Position after the last record, and its token.
    said: Option<(usize, u32)>,
    /// How far to run ahead.
    pub pace: Pace,
    /// For tests: what becomes of the variants that are to be tried.
    #[doc(hidden)]
    pub vary: fn(Vec<Choice>) -> Vec<Choice>,
    launched: Cell<usize>,
    last_row: usize,
}

impl Decoder {
    /// Loads a model; a cache of 16-bit floats becomes one of 32 where the adapter has none. `rotation` holds cosines and sines, `[capacity, head_dim / 2]` each. `progress` hears the share
    /// that is loaded, 0 to 1. Call [`Decoder::prepare`] before the first token.
    ///
    /// # Errors
    /// What the source of the weights says, and buffers larger than the device allows.
    pub fn load<W: Weights>(
        gpu: &Gpu,
        shape: &Shape,
        weights: &W,
        router: Option<&RouterWeights>,
        rotation: [&[f32]; 2],
        progress: impl FnMut(f32),
    ) -> Result<Self, W::Error> {
        if shape.capacity < 2 {
            return Err(GpuError::Capacity(shape.capacity).into());
        }
        let mut shape = shape.clone();
        shape.half_cache &= gpu.has_half();
        let shape = &shape;
        let model = Model::load(gpu, shape, weights, router, rotation, progress)?;
        let buffers = Activations::new(gpu, shape, router.map_or(0, |router| router.bias.len()))?;
        Ok(Self {
            gpu: gpu.clone(),
            model,
            buffers,
            tuning: Tuning::default(),
            trials: Vec::new(),
            graphs: Vec::new(),
            position: 0,
            device: None,
            step: 0,
            ahead: VecDeque::new(),
            said: None,
            pace: Pace::default(),
            vary: |variants| variants,
            launched: Cell::new(0),
            last_row: 0,
        })
    }

    fn steps(&self) -> Step<'_> {
        Step {
            gpu: &self.gpu,
            model: &self.model,
            buffers: &self.buffers,
            tuning: &self.tuning,
            launched: &self.launched,
        }
    }

    /// Chooses kernel variants, compiles everything an answer needs, records the decode step and measures it. What was
    /// `remembered` as the fastest is tried first, and alone where it computes right.
    ///
    /// # Errors
    /// A device whose kernels all compute wrong numbers, or that fails.
    pub async fn prepare(&mut self, remembered: Option<&Tuning>) -> Result<(), GpuError> {
        let mut trials = Vec::new();
        let tuned = self.steps().tune(remembered, self.vary, &mut trials).await;
        self.trials = trials;
        self.retune(tuned?).await?;
        let capacity = self.model.shape.capacity;
        // A prompt of one chunk and of a few tokens: the kernels of prefill.
        for tokens in [2, PREFILL.min(capacity)] {
            self.position = 0;
            self.feed(&vec![0; tokens]).await?;
        }
        self.measure().await?;
        self.truncate(0);
        Ok(())
    }

    /// Records a decode step for contexts up to `reach`.
    async fn record(&self, reach: usize) -> Result<Graph, GpuError> {
        let failed = |error: cubecl::server::ServerError| GpuError::Device(error.to_string());
        let client = &self.gpu.client;
        client.graph_prepare().map_err(failed)?;
        self.steps().run(1, reach);
        self.gpu.read(&self.buffers.state, 0, 16).await?;
        client.start_capture().map_err(failed)?;
        self.steps().run(1, reach);
        client.stop_capture().map_err(failed)
    }

    /// Measures a step and a look.
    async fn measure(&mut self) -> Result<(), GpuError> {
        let few = self.model.shape.capacity.saturating_sub(2).min(9);
        if few < 2 {
            return Ok(());
        }
        let mut best = [f64::INFINITY; 2];
        for _ in 0..2 {
            for (which, steps) in [1, few].into_iter().enumerate() {
                self.truncate(0);
                self.pace.fix(steps);
                let begun = Instant::now();
                self.feed(&[0]).await?;
                best[which] = best[which].min(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
        self.pace.adapt();
        self.pace.step_ms = ((best[1] - best[0]) / (few - 1) as f64).max(1e-3);
        self.pace.look_ms = (best[0] - self.pace.step_ms).max(0.0);
        Ok(())
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.model.shape
    }

    /// Format of the layers' matrices, by the first layer's MLP.
    pub fn format(&self) -> Format {
        self.model.layers.first().map_or(self.model.embedding.format, |layer| layer.gate_up.format)
    }

    /// What was found out about the kernel variants.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The variants in use.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// Uses these variants and records the decode step with them; tests and benchmarks choose others than the fastest.
    pub async fn retune(&mut self, tuning: Tuning) -> Result<(), GpuError> {
        self.tuning = tuning;
        self.graphs.clear();
        let capacity = self.model.shape.capacity;
        for reach in REACHES.into_iter().filter(|reach| *reach < capacity).chain([capacity]) {
            self.set(0, &[0], 0);
            let graph = self.record(reach).await?;
            self.graphs.push((reach, graph));
        }
        self.truncate(0);
        Ok(())
    }

    /// Kernels launched so far, replayed ones included.
    pub fn launched(&self) -> usize {
        self.launched.get()
    }

    /// Kernels of one decode step.
    pub fn dispatches(&self) -> usize {
        let router = if self.model.judge.is_some() { 2 } else { 0 };
        7 * self.model.shape.layers + 4 + router
    }

    /// Bytes of weights that a decoded token reads.
    pub fn bytes_per_token(&self) -> usize {
        self.model.bytes_per_token()
    }

    /// Milliseconds of a decode step without its head.
    pub(crate) async fn layers_ms(&self) -> Result<f64, GpuError> {
        let steps = self.steps();
        self.gpu.write(&self.buffers.state, 0, bytemuck::cast_slice(&[0u32, 1, 0, 0]).to_vec());
        steps.time(|| steps.layers(1, 1)).await
    }

    /// Bytes of the output head.
    pub(crate) fn head_bytes(&self) -> usize {
        self.model.head().bytes()
    }

    /// Bytes of keys and values that a decoded token reads after `context` others.
    pub fn cache_bytes_per_token(&self, context: usize) -> usize {
        let shape = &self.model.shape;
        2 * shape.layers * shape.kv_heads * shape.attention().padded() * shape.cache_width() * (context + 1)
    }

    /// Number of tokens in the KV cache.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Forgets all tokens from `position` on; a later position changes nothing.
    pub fn truncate(&mut self, position: usize) {
        if position < self.position {
            self.position = position;
            self.ahead.clear();
        }
    }

    /// Writes position, inputs and number of the step.
    fn set(&mut self, position: usize, ids: &[u32], step: usize) {
        self.gpu.write(&self.buffers.inputs, 0, bytemuck::cast_slice(ids).to_vec());
        let state = [position as u32, ids.len() as u32, step as u32, 0];
        self.gpu.write(&self.buffers.state, 0, bytemuck::cast_slice(&state).to_vec());
        self.step = step;
    }

    /// Appends `ids` and returns the record after the last of them.
    ///
    /// # Errors
    /// No ids, more than fit, or a failed device, after which nobody knows what the cache holds.
    pub async fn feed(&mut self, ids: &[u32]) -> Result<Record, GpuError> {
        self.prefill(ids, |_, _| true).await
    }

    /// As [`Decoder::feed`]; `go_on` hears how many of how many tokens are computed after each chunk and may end it.
    pub async fn prefill(
        &mut self,
        ids: &[u32],
        mut go_on: impl FnMut(usize, usize) -> bool,
    ) -> Result<Record, GpuError> {
        let capacity = self.model.shape.capacity;
        let needed = self.position + ids.len();
        if ids.is_empty() {
            return Err(GpuError::Empty);
        }
        if needed > capacity {
            return Err(GpuError::ContextFull { needed, capacity });
        }
        if let [id] = ids {
            return self.decode(*id).await;
        }
        self.ahead.clear();
        let mut done = 0;
        let count = ids.len().div_ceil(PREFILL);
        for (index, chunk) in ids.chunks(PREFILL).enumerate() {
            self.set(self.position, chunk, 0);
            self.device = None;
            let end = self.position + chunk.len();
            if index + 1 < count {
                self.steps().layers(chunk.len(), end);
                self.gpu.read(&self.buffers.state, 0, 16).await?;
            } else {
                self.steps().run(chunk.len(), end);
            }
            done += chunk.len();
            self.position = end;
            self.last_row = chunk.len() - 1;
            // The last chunk is computed once its record is read.
            if done < ids.len() && !go_on(done, ids.len()) {
                return Err(GpuError::Stopped);
            }
        }
        let record = self.look(0, 1).await?.pop().ok_or_else(|| GpuError::Device("no record".into()))?;
        self.step = 1;
        self.device = Some((self.position, record.token));
        self.said = self.device;
        go_on(done, ids.len());
        Ok(record)
    }

    /// As [`Decoder::feed`] without running ahead, so that [`Decoder::logits`] and [`Decoder::hidden`] belong to the last
    /// of `ids`.
    pub async fn feed_alone(&mut self, ids: &[u32]) -> Result<Record, GpuError> {
        self.prefill_alone(ids, |_, _| true).await
    }

    /// As [`Decoder::prefill`] without running ahead.
    pub async fn prefill_alone(
        &mut self,
        ids: &[u32],
        go_on: impl FnMut(usize, usize) -> bool,
    ) -> Result<Record, GpuError> {
        // What ran ahead overwrote the logits: its record alone would not do.
        self.ahead.clear();
        let pace = std::mem::take(&mut self.pace);
        self.pace.fix(1);
        let fed = self.prefill(ids, go_on).await;
        self.pace = pace;
        fed
    }

    async fn look(&self, from: usize, count: usize) -> Result<Vec<Record>, GpuError> {
        let bytes = self.gpu.read(&self.buffers.records, from * Record::BYTES, count * Record::BYTES).await?;
        let records = Record::parse(&bytes);
        let known = self.model.shape.known;
        match records.iter().all(|record| (record.token as usize) < known) {
            true => Ok(records),
            false => Err(GpuError::NotANumber),
        }
    }

    /// One token: from what ran ahead, or by running ahead from it.
    async fn decode(&mut self, id: u32) -> Result<Record, GpuError> {
        if let Some((position, token)) = self.said.take()
            && position == self.position
        {
            self.pace.observe(token != id);
        }
        if let Some(ahead) = self.ahead.pop_front()
            && (ahead.position, ahead.input) == (self.position, id)
        {
            self.position += 1;
            self.said = Some((self.position, ahead.record.token));
            return Ok(ahead.record);
        }
        self.ahead.clear();
        let room = self.model.shape.capacity - self.position;
        let count = self.pace.steps().min(room).min(SLOTS);
        // Taken: after a failure nobody knows where the device is.
        if self.device.take() != Some((self.position, id)) || self.step + count > SLOTS {
            self.set(self.position, &[id], 0);
        }
        for step in 0..count {
            self.replay(self.position + step + 1)?;
        }
        let records = self.look(self.step, count).await?;
        self.step += count;
        let mut input = id;
        for (index, record) in records.into_iter().enumerate() {
            let token = record.token;
            self.ahead.push_back(Ahead { position: self.position + index, input, record });
            input = token;
        }
        self.device = Some((self.position + count, input));
        self.last_row = 0;
        self.position += 1;
        let first = self.ahead.pop_front().ok_or_else(|| GpuError::Device("no record".into()))?;
        self.said = Some((self.position, first.record.token));
        Ok(first.record)
    }

    /// Queues one recorded step that ends at position `end`.
    #[allow(unsafe_code)]
    fn replay(&self, end: usize) -> Result<(), GpuError> {
        let Some((_, graph)) = self.graphs.iter().find(|(reach, _)| end <= *reach) else {
            self.steps().run(1, end);
            return Ok(());
        };
        self.launched.set(self.launched.get() + self.dispatches());
        // SAFETY: every buffer that the recorded launches use belongs to this decoder and lives as long as the graph.
        unsafe { graph.replay() }.map_err(|error| GpuError::Device(error.to_string()))
    }

    /// Logits after the last token that was computed, `[vocab]`. Only the newest when nothing ran ahead.
    pub async fn logits(&self) -> Result<Vec<f32>, GpuError> {
        let bytes = self.gpu.read(&self.buffers.logits, 0, self.model.shape.vocab * 4).await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// Final hidden state after the last token that was computed, `[hidden]`: what head and router read.
    pub async fn hidden(&self) -> Result<Vec<f32>, GpuError> {
        let shape = &self.model.shape;
        let from = self.last_row * padded(shape.hidden) * 4;
        let plain: Vec<f32> =
            bytemuck::pod_collect_to_vec(&self.gpu.read(&self.buffers.plain, from, shape.hidden * 4).await?);
        let scaled: Vec<f32> =
            bytemuck::pod_collect_to_vec(&self.gpu.read(&self.buffers.scaled, from, shape.hidden * 4).await?);
        let factor = crate::oracle::norm(&plain, shape.epsilon) as f32;
        Ok(scaled.into_iter().map(|value| value * factor).collect())
    }
}
