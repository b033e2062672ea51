//! Trials: every kernel variant is run on a known input, compared with the oracle, and timed.

use crate::{
    activations::PREFILL as ROWS,
    buffer::Buffer,
    error::GpuError,
    format::PANEL,
    kernels::attention::CHUNK,
    oracle::{Expected, attention, norm, numbers, product, silu},
    shape::padded,
    step::{Ends, Step},
    tuning::{Choice, Choices, DECODE, PREFILL, Product, SOFTWARE, Trial, Tuning},
    weights::Stored,
};
use half::f16;
use web_time::Instant;

/// A variant whose error, as a share of what rounding may add up to, is above this is wrong.
const LIMIT: f32 = 1.0;
/// Shortest time that is measured, in milliseconds.
const SHORTEST: f64 = 4.0;
/// Most runs to reach it.
const RUNS: usize = 32;
/// Batches of runs.
const BATCHES: usize = 5;
/// A variant this many times slower than the best on the smallest product is not tried on the others.
const HOPELESS: f64 = 2.0;

/// Known inputs of one step, as they lie in the buffers.
struct Known {
    plain: Vec<f32>,
    scaled: Vec<f32>,
    attended: Vec<f32>,
    inner: Vec<f32>,
}

/// Rows of `width` numbers padded with zeros.
fn rows(seed: u64, width: usize) -> Vec<f32> {
    let mut all = vec![0.0; ROWS * padded(width)];
    for (index, row) in all.chunks_mut(padded(width)).enumerate() {
        row[..width].copy_from_slice(&numbers(seed + index as u64, width));
    }
    all
}

impl Step<'_> {
    fn known(&self) -> Known {
        let shape = &self.model.shape;
        Known {
            plain: rows(1, shape.hidden),
            scaled: rows(1001, shape.hidden),
            attended: rows(2001, shape.query()),
            inner: rows(3001, shape.intermediate),
        }
    }

    fn write(&self, buffer: &Buffer, values: &[f32]) {
        self.gpu.write(buffer, 0, bytemuck::cast_slice(values).to_vec());
    }

    async fn floats(&self, buffer: &Buffer, from: usize, count: usize) -> Result<Vec<f32>, GpuError> {
        Ok(bytemuck::pod_collect_to_vec(&self.gpu.read(buffer, from * 4, count * 4).await?))
    }

    /// The matrix of `product` in layer `index`, if the model has it.
    fn stored(&self, product: Product, index: usize) -> Option<&Stored> {
        let layer = self.model.layers.get(index)?;
        match product {
            Product::Qkv => Some(&layer.qkv),
            Product::Output => Some(&layer.output),
            Product::GateUp => Some(&layer.gate_up),
            Product::Down => Some(&layer.down),
            Product::Head => Some(self.model.head()),
            Product::Router => self.model.judge.as_ref().map(|router| &router.hidden),
        }
    }

    /// Layers whose matrix of `product` has a format that no earlier layer's has.
    fn kinds(&self, product: Product) -> Vec<usize> {
        let format = |index: usize| self.stored(product, index).map(|stored| stored.format);
        let is_new = |index: &usize| (0..*index).all(|earlier| format(earlier) != format(*index));
        (0..self.model.layers.len()).filter(is_new).collect()
    }

    /// Runs one variant of `product` of layer `index` on what the buffers hold.
    fn run_one(&self, product: Product, choice: Choice, index: usize) {
        let (b, model) = (self.buffers, self.model);
        let Some(layer) = model.layers.get(index) else { return };
        let tokens = choice.tokens;
        match product {
            Product::Qkv => {
                let bias = model.shape.qkv_bias.then_some(&layer.qkv_bias);
                let ends = Ends { input: &b.scaled, plain: &b.plain, bias, out: &b.qkv };
                self.project(&layer.qkv, &ends, true, false, false, tokens, choice);
            }
            Product::Output => {
                let bias = model.shape.output_bias.then_some(&layer.output_bias);
                self.add(&layer.output, &b.attended, bias, &layer.mlp_norm, tokens, choice);
            }
            Product::GateUp => self.gate_up(layer, tokens, choice),
            Product::Down => self.add(&layer.down, &b.inner, None, &layer.mlp_norm, tokens, choice),
            Product::Head => {
                let ends = Ends { input: &b.scaled, plain: &b.plain, bias: None, out: &b.logits };
                self.project(model.head(), &ends, true, false, true, 1, choice);
            }
            Product::Router => {
                let Some(router) = &model.judge else { return };
                let ends = Ends { input: &b.scaled, plain: &b.plain, bias: Some(&router.bias), out: &b.judged };
                self.project(&router.hidden, &ends, true, true, true, 1, choice);
            }
        }
    }

    /// Error of one variant against the oracle, over the first and the last panel of rows and all its tokens.
    async fn error(&self, product_kind: Product, choice: Choice, index: usize) -> Result<f32, GpuError> {
        let (known, b, shape) = (self.known(), self.buffers, &self.model.shape);
        let (Some(stored), Some(layer)) = (self.stored(product_kind, index), self.model.layers.get(index)) else {
            return Ok(0.0);
        };
        self.write(&b.plain, &known.plain);
        self.write(&b.scaled, &known.scaled);
        self.write(&b.attended, &known.attended);
        self.write(&b.inner, &known.inner);
        self.gpu.write(&b.state, 0, bytemuck::cast_slice(&[0u32, 1, 0, 0]).to_vec());
        self.run_one(product_kind, choice, index);
        let hidden = padded(shape.hidden);
        let width = padded(stored.rows);
        let (out, width) = match product_kind {
            Product::Qkv => (&b.qkv, width),
            Product::GateUp => (&b.inner, padded(shape.intermediate)),
            Product::Output | Product::Down => (&b.plain, hidden),
            Product::Head => (&b.logits, width),
            Product::Router => (&b.judged, width),
        };
        let found = self.floats(out, 0, choice.tokens * width).await?;
        let gate = product_kind == Product::GateUp;
        let panels = if gate { stored.panels() / 2 } else { stored.panels() };
        let bias = match product_kind {
            Product::Qkv if shape.qkv_bias => self.floats(&layer.qkv_bias, 0, width).await?,
            Product::Output if shape.output_bias => self.floats(&layer.output_bias, 0, width).await?,
            Product::Router => match &self.model.judge {
                Some(router) => self.floats(&router.bias, 0, width).await?,
                None => vec![0.0; width],
            },
            _ => vec![0.0; width],
        };
        let mut worst = 0.0f32;
        for panel in [0, panels - 1] {
            let weights = stored.panel(self.gpu, if gate { 2 * panel } else { panel }).await?;
            let ups = if gate { Some(stored.panel(self.gpu, 2 * panel + 1).await?) } else { None };
            let rows = if gate { shape.intermediate } else { stored.rows };
            for row in panel * PANEL..rows.min((panel + 1) * PANEL) {
                for token in 0..choice.tokens {
                    let cut = |all: &[f32], width: usize| all[token * padded(width)..][..width].to_vec();
                    let plain = cut(&known.plain, shape.hidden);
                    let factor = norm(&plain, shape.epsilon);
                    let scaled = cut(&known.scaled, shape.hidden);
                    let more = f64::from(bias[row]);
                    let expected: Expected = match product_kind {
                        Product::Qkv | Product::Head => {
                            product(stored, &weights, row, &scaled).times(factor).plus(more)
                        }
                        Product::Router => {
                            let sum = product(stored, &weights, row, &scaled).times(factor).plus(more);
                            Expected { value: sum.value.max(0.0), ..sum }
                        }
                        Product::GateUp => {
                            let gate = product(stored, &weights, row, &scaled).times(factor);
                            let up = match &ups {
                                Some(ups) => product(stored, ups, row, &scaled).times(factor),
                                None => gate,
                            };
                            Expected { value: silu(gate.value) * up.value, size: (gate.size + 1.0) * (up.size + 1.0) }
                        }
                        Product::Output | Product::Down => {
                            let (all, width) = if product_kind == Product::Output {
                                (&known.attended, shape.query())
                            } else {
                                (&known.inner, shape.intermediate)
                            };
                            let input = cut(all, width);
                            product(stored, &weights, row, &input).plus(more).plus(f64::from(plain[row]))
                        }
                    };
                    worst = worst.max(expected.error(found[token * width + row]));
                }
            }
        }
        Ok(worst)
    }

    /// Milliseconds of one call of `run`, the best of some batches: other work on the machine only ever adds.
    async fn time(&self, run: impl Fn()) -> Result<f64, GpuError> {
        let (mut runs, mut best) = (1, f64::INFINITY);
        for _ in 0..BATCHES {
            let begun = Instant::now();
            (0..runs).for_each(|_| run());
            self.gpu.read(&self.buffers.state, 0, 16).await?;
            let took = begun.elapsed().as_secs_f64() * 1e3;
            best = best.min(took / runs as f64);
            if took < SHORTEST {
                runs = (2 * runs).min(RUNS);
            }
        }
        Ok(best)
    }

    /// Tries `variants` of `product` and returns the fastest that is right in every format of its matrices; variants that
    /// are hopeless on this adapter are taken off the list.
    async fn choose_product(
        &self,
        product: Product,
        variants: &mut Vec<Choice>,
        trials: &mut Vec<Trial>,
    ) -> Result<Option<Choice>, GpuError> {
        if self.stored(product, 0).is_none() {
            return Ok(None);
        }
        let begin = trials.len();
        let kinds = self.kinds(product);
        let mut times = Vec::new();
        for choice in variants.iter() {
            let mut error = 0.0f32;
            for index in &kinds {
                error = error.max(self.error(product, *choice, *index).await?);
            }
            let micros = if error <= LIMIT {
                let time = self.time(|| self.run_one(product, *choice, 0)).await?;
                times.push((*choice, time));
                Some(time * 1e3)
            } else {
                None
            };
            let (kernel, variant) = (product.name().to_owned(), choice.to_string());
            trials.push(Trial { kernel, variant, error, micros, chosen: false });
        }
        let per_token = |(choice, time): &(Choice, f64)| time / choice.tokens as f64;
        let Some(best) = times.iter().min_by(|a, b| per_token(a).total_cmp(&per_token(b))).copied() else {
            return Ok(None);
        };
        variants.retain(|choice| {
            times.iter().any(|time| time.0 == *choice && per_token(time) <= HOPELESS * per_token(&best))
        });
        if let Some(trial) = trials[begin..].iter_mut().find(|trial| trial.variant == best.0.to_string()) {
            trial.chosen = true;
        }
        Ok(Some(best.0))
    }

    /// Error of attention over some more than one chunk.
    async fn attention_error(&self, together: bool) -> Result<f32, GpuError> {
        let (b, heads) = (self.buffers, self.model.shape.attention());
        let Some(cache) = b.cache.first() else { return Ok(0.0) };
        let positions = heads.capacity.min(CHUNK + 9);
        let (width, padded_width) = (heads.width, heads.padded());
        let half = self.model.shape.half_cache;
        let rounded = |value: f32| if half { f16::from_f32(value).to_f32() } else { value };
        let draw = |seed: u64| numbers(seed, width).into_iter().map(rounded).collect::<Vec<_>>();
        let bytes = |row: &[f32]| -> Vec<u8> {
            if half {
                row.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect()
            } else {
                bytemuck::cast_slice(row).to_vec()
            }
        };
        let unit = self.model.shape.cache_width();
        let mut query = vec![0.0; heads.queries * padded_width];
        for head in 0..heads.queries {
            query[head * padded_width..][..width].copy_from_slice(&draw(7000 + head as u64));
        }
        self.write(&b.query, &query);
        let mut all = Vec::new();
        for head in 0..heads.keys {
            let made = |kind: u64| -> Vec<Vec<f32>> {
                (0..positions).map(|p| draw(kind + (head * positions + p) as u64)).collect()
            };
            let (keys, values) = (made(10_000), made(90_000));
            for vector in 0..heads.vectors() {
                let four = |key: &Vec<f32>| {
                    (0..4).map(|i| key.get(4 * vector + i).copied().unwrap_or(0.0)).collect::<Vec<_>>()
                };
                let row: Vec<f32> = keys.iter().flat_map(four).collect();
                let from = (head * heads.vectors() + vector) * heads.capacity * 4 * unit;
                self.gpu.write(&cache[0], from, bytes(&row));
            }
            let wide =
                |value: &Vec<f32>| (0..padded_width).map(|i| value.get(i).copied().unwrap_or(0.0)).collect::<Vec<_>>();
            let row: Vec<f32> = values.iter().flat_map(wide).collect();
            self.gpu.write(&cache[1], head * heads.capacity * padded_width * unit, bytes(&row));
            all.push((keys, values));
        }
        self.gpu.write(&b.state, 0, bytemuck::cast_slice(&[positions as u32 - 1, 1, 0, 0]).to_vec());
        self.attend(cache, 1, positions, together);
        self.join(1);
        let found = self.floats(&b.attended, 0, heads.queries * width).await?;
        let mut worst = 0.0f32;
        for head in 0..heads.queries {
            let (keys, values) = &all[head / (heads.queries / heads.keys)];
            let expected = attention(&query[head * padded_width..][..width], keys, values);
            for (expected, found) in expected.iter().zip(&found[head * width..]) {
                worst = worst.max(expected.error(*found));
            }
        }
        Ok(worst)
    }

    /// Tries both kinds of attention; the fastest right one.
    async fn choose_attention(&self, trials: &mut Vec<Trial>) -> Result<bool, GpuError> {
        let Some(cache) = self.buffers.cache.first() else { return Ok(false) };
        let mut best: Option<(bool, f64)> = None;
        let begin = trials.len();
        let end = self.model.shape.capacity.min(4 * CHUNK);
        for together in [false, true] {
            let error = self.attention_error(together).await?;
            let mut micros = None;
            if error <= LIMIT {
                self.gpu.write(&self.buffers.state, 0, bytemuck::cast_slice(&[end as u32 - 1, 1, 0, 0]).to_vec());
                let time = self.time(|| self.attend(cache, 1, end, together)).await?;
                micros = Some(time * 1e3);
                if best.is_none_or(|(_, least)| time < least) {
                    best = Some((together, time));
                }
            }
            let variant = if together { "a cube a chunk" } else { "an invocation a chunk" };
            trials.push(Trial { kernel: "attention".into(), variant: variant.into(), error, micros, chosen: false });
        }
        let (together, _) = best.ok_or_else(|| GpuError::Wrong("attention".into()))?;
        trials[begin + usize::from(together)].chosen = true;
        Ok(together)
    }

    /// Tries everything and returns what to use.
    pub async fn tune(&self, trials: &mut Vec<Trial>) -> Result<Tuning, GpuError> {
        let mut tuning = Tuning::default();
        let together = self.choose_attention(trials).await?;
        let try_all =
            async |choices: &mut Choices, variants: &[Choice], products: &[Product], trials: &mut Vec<Trial>| {
                let mut left = variants.to_vec();
                for product in products {
                    if let Some(choice) = self.choose_product(*product, &mut left, trials).await? {
                        *choices.at(*product) = choice;
                    }
                }
                choices.together = together;
                Ok::<_, GpuError>(())
            };
        let tried = if self.gpu.is_software { SOFTWARE } else { usize::MAX };
        // The smallest product first: it drops what is hopeless on this adapter.
        let products = [Product::Output, Product::Qkv, Product::Down, Product::GateUp, Product::Router, Product::Head];
        try_all(&mut tuning.decode, &DECODE[..DECODE.len().min(tried)], &products, trials).await?;
        try_all(&mut tuning.prefill, &PREFILL[..PREFILL.len().min(tried)], &products[..4], trials).await?;
        Ok(tuning)
    }
}
