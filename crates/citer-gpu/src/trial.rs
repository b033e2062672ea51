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
    tuning::{Choice, DECODE, PREFILL, Product, SOFTWARE, Trial, Tuning},
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
/// A variant this many times slower than the best of a product is hopeless on those that follow.
const HOPELESS: f64 = 2.0;

/// Known inputs of one step, as they lie in the buffers.
struct Known {
    plain: Vec<f32>,
    scaled: Vec<f32>,
    attended: Vec<f32>,
    inner: Vec<f32>,
}

/// Names of both kinds of attention.
const TOGETHER: &str = "a cube a chunk";
const ALONE: &str = "an invocation a chunk";

/// What one product must compute of the known inputs.
struct Answer {
    /// The layer whose matrix it is.
    index: usize,
    /// Token, place in the output, and number.
    rows: Vec<(usize, usize, Expected)>,
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

    /// The buffer that `product` writes, and the length of its rows.
    fn out(&self, product: Product, stored: &Stored) -> (&Buffer, usize) {
        let (b, shape) = (self.buffers, &self.model.shape);
        match product {
            Product::Qkv => (&b.qkv, padded(stored.rows)),
            Product::GateUp => (&b.inner, padded(shape.intermediate)),
            Product::Output | Product::Down => (&b.plain, padded(shape.hidden)),
            Product::Head => (&b.logits, padded(stored.rows)),
            Product::Router => (&b.judged, padded(stored.rows)),
        }
    }

    /// What `kind` of layer `index` must compute for up to `tokens` tokens, over the first and the last panel of rows,
    /// from weights that are read back from the GPU.
    async fn answer(&self, kind: Product, index: usize, tokens: usize, known: &Known) -> Result<Answer, GpuError> {
        let shape = &self.model.shape;
        let mut answer = Answer { index, rows: Vec::new() };
        let (Some(stored), Some(layer)) = (self.stored(kind, index), self.model.layers.get(index)) else {
            return Ok(answer);
        };
        let (_, width) = self.out(kind, stored);
        let gate = kind == Product::GateUp;
        let panels = if gate { stored.panels() / 2 } else { stored.panels() };
        let bias = match kind {
            Product::Qkv if shape.qkv_bias => self.floats(&layer.qkv_bias, 0, width).await?,
            Product::Output if shape.output_bias => self.floats(&layer.output_bias, 0, width).await?,
            Product::Router => match &self.model.judge {
                Some(router) => self.floats(&router.bias, 0, width).await?,
                None => vec![0.0; width],
            },
            _ => vec![0.0; width],
        };
        for panel in [0, panels - 1] {
            let weights = stored.panel(self.gpu, if gate { 2 * panel } else { panel }).await?;
            let ups = if gate { Some(stored.panel(self.gpu, 2 * panel + 1).await?) } else { None };
            let rows = if gate { shape.intermediate } else { stored.rows };
            for token in 0..tokens {
                let cut = |all: &[f32], width: usize| all[token * padded(width)..][..width].to_vec();
                let (plain, scaled) = (cut(&known.plain, shape.hidden), cut(&known.scaled, shape.hidden));
                let input = match kind {
                    Product::Output => cut(&known.attended, shape.query()),
                    Product::Down => cut(&known.inner, shape.intermediate),
                    Product::Qkv | Product::GateUp | Product::Head | Product::Router => scaled,
                };
                let factor = norm(&plain, shape.epsilon);
                for row in panel * PANEL..rows.min((panel + 1) * PANEL) {
                    let sum = product(stored, &weights, row, &input);
                    let more = f64::from(bias[row]);
                    let expected: Expected = match kind {
                        Product::Qkv | Product::Head => sum.times(factor).plus(more),
                        Product::Router => {
                            let sum = sum.times(factor).plus(more);
                            Expected { value: sum.value.max(0.0), ..sum }
                        }
                        Product::GateUp => {
                            let gate = sum.times(factor);
                            let up = ups.as_ref().map_or(gate, |ups| product(stored, ups, row, &input).times(factor));
                            Expected { value: silu(gate.value) * up.value, size: (gate.size + 1.0) * (up.size + 1.0) }
                        }
                        Product::Output | Product::Down => sum.plus(more).plus(f64::from(plain[row])),
                    };
                    answer.rows.push((token, token * width + row, expected));
                }
            }
        }
        Ok(answer)
    }

    /// Error of one variant against the oracle.
    async fn error(&self, kind: Product, choice: Choice, known: &Known, answer: &Answer) -> Result<f32, GpuError> {
        let b = self.buffers;
        let Some(stored) = self.stored(kind, answer.index) else { return Ok(0.0) };
        self.write(&b.plain, &known.plain);
        self.write(&b.scaled, &known.scaled);
        self.write(&b.attended, &known.attended);
        self.write(&b.inner, &known.inner);
        self.gpu.write(&b.state, 0, bytemuck::cast_slice(&[0u32, 1, 0, 0]).to_vec());
        self.run_one(kind, choice, answer.index);
        let (out, width) = self.out(kind, stored);
        let found = self.floats(out, 0, choice.tokens * width).await?;
        let rows = answer.rows.iter().filter(|(token, ..)| *token < choice.tokens);
        Ok(rows.map(|(_, place, expected)| expected.error(found[*place])).fold(0.0, f32::max))
    }

    /// Milliseconds of one call of `run`, the best of some batches: other work on the machine only ever adds.
    pub(crate) async fn time(&self, run: impl Fn()) -> Result<f64, GpuError> {
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

    /// Tries `variants` of `kind` and returns the fastest that is right in every format of its matrices; those put `last`
    /// are tried only where no other is right. What is hopeless on this adapter joins them.
    async fn choose_product(
        &self,
        kind: Product,
        variants: &[Choice],
        last: &mut Vec<Choice>,
        trials: &mut Vec<Trial>,
    ) -> Result<Option<Choice>, GpuError> {
        if self.stored(kind, 0).is_none() {
            return Ok(None);
        }
        let known = self.known();
        let tokens = variants.iter().map(|choice| choice.tokens).max().unwrap_or(1);
        let mut answers = Vec::new();
        for index in self.kinds(kind) {
            answers.push(self.answer(kind, index, tokens, &known).await?);
        }
        let begin = trials.len();
        let (others, first): (Vec<Choice>, Vec<Choice>) = variants.iter().partition(|choice| last.contains(choice));
        let mut times = Vec::new();
        for some in [first, others] {
            if !times.is_empty() {
                break;
            }
            for choice in some {
                let mut error = 0.0f32;
                for answer in &answers {
                    error = error.max(self.error(kind, choice, &known, answer).await?);
                }
                let micros = if error <= LIMIT {
                    let time = self.time(|| self.run_one(kind, choice, 0)).await?;
                    times.push((choice, time));
                    Some(time * 1e3)
                } else {
                    None
                };
                let (kernel, variant) = (kind.name().to_owned(), choice.to_string());
                trials.push(Trial { kernel, variant, error, micros, chosen: false });
            }
        }
        let per_token = |(choice, time): &(Choice, f64)| time / choice.tokens as f64;
        let best = times.iter().min_by(|a, b| per_token(a).total_cmp(&per_token(b))).copied();
        let best = best.ok_or_else(|| GpuError::Wrong(kind.name().into()))?;
        last.extend(times.iter().filter(|time| per_token(time) > HOPELESS * per_token(&best)).map(|time| time.0));
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
                let from = (head * heads.vectors() + vector) * heads.stride() * 4 * unit;
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

    /// Tries both kinds of attention; the fastest right one. What was `remembered` is tried alone where it is right.
    async fn choose_attention(&self, remembered: Option<bool>, trials: &mut Vec<Trial>) -> Result<bool, GpuError> {
        let Some(cache) = self.buffers.cache.first() else { return Ok(false) };
        let mut best: Option<(usize, f64)> = None;
        let end = self.model.shape.capacity.min(4 * CHUNK);
        let first = remembered.unwrap_or(false);
        for together in [first, !first] {
            if best.is_some() && remembered.is_some() {
                break;
            }
            let error = self.attention_error(together).await?;
            let mut micros = None;
            if error <= LIMIT {
                self.gpu.write(&self.buffers.state, 0, bytemuck::cast_slice(&[end as u32 - 1, 1, 0, 0]).to_vec());
                let time = self.time(|| self.attend(cache, 1, end, together)).await?;
                micros = Some(time * 1e3);
                if best.is_none_or(|(_, least)| time < least) {
                    best = Some((trials.len(), time));
                }
            }
            let variant = if together { TOGETHER } else { ALONE };
            trials.push(Trial { kernel: "attention".into(), variant: variant.into(), error, micros, chosen: false });
        }
        let (place, _) = best.ok_or_else(|| GpuError::Wrong("attention".into()))?;
        trials[place].chosen = true;
        Ok(trials[place].variant == TOGETHER)
    }

    /// Tries everything that `vary` leaves and returns what to use; see [`crate::Decoder::prepare`].
    pub async fn tune(
        &self,
        remembered: Option<&Tuning>,
        vary: fn(Vec<Choice>) -> Vec<Choice>,
        trials: &mut Vec<Trial>,
    ) -> Result<Tuning, GpuError> {
        let mut tuning = Tuning::default();
        let together = self.choose_attention(remembered.map(|tuning| tuning.decode.together), trials).await?;
        let tried = if self.gpu.is_software { SOFTWARE } else { usize::MAX };
        let variants = |own: &[Choice]| vary(own.iter().take(tried).copied().collect());
        // The smallest product first: it finds out what is hopeless on this adapter.
        let products = [Product::Output, Product::Qkv, Product::Down, Product::GateUp, Product::Router, Product::Head];
        for (choices, variants, products, remembered) in [
            (&mut tuning.decode, variants(&DECODE), &products[..], remembered.map(|tuning| tuning.decode)),
            (&mut tuning.prefill, variants(&PREFILL), &products[..4], remembered.map(|tuning| tuning.prefill)),
        ] {
            let mut hopeless = Vec::new();
            for product in products {
                let mut last = hopeless.clone();
                if let Some(mut remembered) = remembered {
                    let fastest = *remembered.at(*product);
                    last = variants.iter().copied().filter(|choice| *choice != fastest).collect();
                }
                if let Some(choice) = self.choose_product(*product, &variants, &mut last, trials).await? {
                    *choices.at(*product) = choice;
                }
                hopeless = last;
            }
            choices.together = together;
        }
        Ok(tuning)
    }
}
