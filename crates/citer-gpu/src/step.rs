//! One step of the decoder: the sequence of kernels from token ids to a record.

use crate::{
    activations::{Activations, PREFILL, SLOTS},
    buffer::Buffer,
    gpu::Gpu,
    kernels::{
        attention::{CHUNK, attend_alone, attend_together, chunks, join},
        choose::{LANES, decide, judge, shortlist, strips},
        embed::embed,
        matmul::{Projection, add, gate_up, project},
        rotary::rotate,
    },
    model::{Layer, Model},
    pack::blocks,
    shape::padded,
    tuning::{Choice, Tuning},
    weights::Stored,
};
use cubecl::prelude::*;
use half::f16;
use std::cell::Cell;

/// Invocations of a cube where every invocation is on its own.
const CUBE: usize = 64;
/// Chunks of attention in a cube where every invocation is on its own.
const ALONE: usize = 8;

/// Launches the kernels of one model on one set of buffers.
pub(crate) struct Step<'a> {
    pub gpu: &'a Gpu,
    pub model: &'a Model,
    pub buffers: &'a Activations,
    pub tuning: &'a Tuning,
    /// Kernels launched so far.
    pub launched: &'a Cell<usize>,
}

/// What a projection reads and writes besides its matrix.
pub(crate) struct Ends<'a> {
    pub input: &'a Buffer,
    pub plain: &'a Buffer,
    pub bias: Option<&'a Buffer>,
    pub out: &'a Buffer,
}

fn cubes(invocations: usize) -> CubeCount {
    CubeCount::Static(invocations.div_ceil(CUBE) as u32, 1, 1)
}

#[allow(unsafe_code)]
impl Step<'_> {
    fn count(&self) {
        self.launched.set(self.launched.get() + 1);
    }

    /// Token ids to the residual stream.
    pub fn embed(&self, tokens: usize) {
        let (table, b) = (&self.model.embedding, self.buffers);
        let groups = blocks(table.columns) * 8;
        self.count();
        // SAFETY: ids are below the vocabulary: the host's are checked before they are written, the device's own by
        // `decide`. So every index is in its buffer.
        unsafe {
            embed::launch_unchecked(
                &self.gpu.client,
                cubes(tokens * groups),
                CubeDim::new_1d(CUBE as u32),
                table.words.vectors(),
                table.scales.words(),
                b.inputs.words(),
                self.first_gain().vectors(),
                b.plain.vectors(),
                b.scaled.vectors(),
                table.format,
                blocks(table.columns),
                // Every number of tokens would be a pipeline of its own.
                if tokens == 1 { 1 } else { PREFILL },
            );
        }
    }

    fn first_gain(&self) -> &Buffer {
        self.model.layers.first().map_or(&self.model.norm, |layer| &layer.attention_norm)
    }

    /// A product of normalised or plain inputs.
    #[expect(clippy::too_many_arguments, reason = "a product, and three choices that its kernel is compiled for")]
    pub fn project(
        &self,
        matrix: &Stored,
        ends: &Ends,
        norm: bool,
        relu: bool,
        last: bool,
        tokens: usize,
        choice: Choice,
    ) {
        let tiling = matrix.tiling(choice);
        let shape = &self.model.shape;
        let projection = Projection {
            tiling,
            norm: if norm { shape.hidden } else { 0 },
            epsilon: shape.epsilon.to_bits(),
            bias: ends.bias.is_some(),
            relu,
            last,
        };
        self.count();
        // SAFETY: inputs and outputs have a row for every token of a whole number of tiles; rows beyond the matrix are
        // clamped or not written.
        unsafe {
            project::launch_unchecked(
                &self.gpu.client,
                tiling.count(tokens),
                tiling.cube(),
                matrix.words.vectors(),
                matrix.scales.words(),
                ends.input.vectors(),
                ends.plain.vectors(),
                ends.bias.unwrap_or(&self.buffers.score).words(),
                self.buffers.state.words(),
                ends.out.words(),
                projection,
            );
        }
    }

    /// A product added to the residual stream, with the gain of the norm that follows.
    pub fn add(
        &self,
        matrix: &Stored,
        input: &Buffer,
        bias: Option<&Buffer>,
        gain: &Buffer,
        tokens: usize,
        choice: Choice,
    ) {
        let tiling = matrix.tiling(choice);
        self.count();
        // SAFETY: as in `project`.
        unsafe {
            add::launch_unchecked(
                &self.gpu.client,
                tiling.count(tokens),
                tiling.cube(),
                matrix.words.vectors(),
                matrix.scales.words(),
                input.vectors(),
                bias.unwrap_or(&self.buffers.score).words(),
                gain.words(),
                self.buffers.plain.words(),
                self.buffers.scaled.words(),
                bias.is_some(),
                tiling,
            );
        }
    }

    /// The gated half of the MLP.
    pub fn gate_up(&self, layer: &Layer, tokens: usize, choice: Choice) {
        let tiling = layer.gate_up.tiling(choice);
        let (b, shape) = (self.buffers, &self.model.shape);
        self.count();
        // SAFETY: as in `project`.
        unsafe {
            gate_up::launch_unchecked(
                &self.gpu.client,
                tiling.count(tokens),
                tiling.cube(),
                layer.gate_up.words.vectors(),
                layer.gate_up.scales.words(),
                b.scaled.vectors(),
                b.plain.vectors(),
                b.inner.words(),
                shape.hidden,
                shape.epsilon.to_bits(),
                tiling,
            );
        }
    }

    /// Rotation and the write into the cache.
    pub fn rotate(&self, layer: &Layer, cache: &[Buffer; 2], tokens: usize) {
        if self.model.shape.half_cache {
            self.rotate_in::<f16>(layer, cache, tokens);
        } else {
            self.rotate_in::<f32>(layer, cache, tokens);
        }
    }

    fn rotate_in<C: Float + CubeElement>(&self, layer: &Layer, cache: &[Buffer; 2], tokens: usize) {
        let (b, model) = (self.buffers, self.model);
        let heads = model.shape.attention();
        let pairs = tokens * (heads.queries + 2 * heads.keys) * (heads.width / 2);
        self.count();
        // SAFETY: position plus tokens is at most the capacity (checked before a step).
        unsafe {
            rotate::launch_unchecked::<C>(
                &self.gpu.client,
                cubes(pairs),
                CubeDim::new_1d(CUBE as u32),
                b.qkv.words(),
                layer.head_norms.words(),
                model.cosines.words(),
                model.sines.words(),
                b.state.words(),
                b.query.words(),
                cache[0].numbers(size_of::<C>()),
                cache[1].numbers(size_of::<C>()),
                heads,
                model.shape.head_norms,
                model.shape.epsilon.to_bits(),
            );
        }
    }

    /// Attention of `tokens` queries over the first `end` positions.
    pub fn attend(&self, cache: &[Buffer; 2], tokens: usize, end: usize, together: bool) {
        if self.model.shape.half_cache {
            self.attend_in::<f16>(cache, tokens, end, together);
        } else {
            self.attend_in::<f32>(cache, tokens, end, together);
        }
    }

    fn attend_in<C: Float + CubeElement>(&self, cache: &[Buffer; 2], tokens: usize, end: usize, together: bool) {
        let b = self.buffers;
        let heads = self.model.shape.attention();
        let used = chunks(end.min(heads.capacity));
        self.count();
        // SAFETY: chunks beyond the position return at once; the others stay within the cache and their own rows.
        unsafe {
            if together {
                attend_together::launch_unchecked::<C>(
                    &self.gpu.client,
                    CubeCount::Static(used as u32, heads.queries as u32, tokens as u32),
                    CubeDim::new_1d(CHUNK as u32),
                    b.query.vectors(),
                    cache[0].numbers(4 * size_of::<C>()),
                    cache[1].numbers(size_of::<C>()),
                    b.state.words(),
                    b.mixed.words(),
                    b.peaks.words(),
                    heads,
                );
            } else {
                attend_alone::launch_unchecked::<C>(
                    &self.gpu.client,
                    CubeCount::Static(
                        used.div_ceil(ALONE) as u32,
                        (heads.queries / heads.shared()) as u32,
                        tokens as u32,
                    ),
                    CubeDim::new_1d(ALONE as u32),
                    b.query.vectors(),
                    cache[0].numbers(4 * size_of::<C>()),
                    cache[1].numbers(4 * size_of::<C>()),
                    b.state.words(),
                    b.mixed.vectors(),
                    b.peaks.words(),
                    heads,
                );
            }
        }
    }

    /// Joins the chunks of attention.
    pub fn join(&self, tokens: usize) {
        let b = self.buffers;
        let heads = self.model.shape.attention();
        self.count();
        // SAFETY: one invocation a value, guarded by their number.
        unsafe {
            join::launch_unchecked(
                &self.gpu.client,
                cubes(tokens * heads.queries * heads.width),
                CubeDim::new_1d(CUBE as u32),
                b.mixed.words(),
                b.peaks.words(),
                b.state.words(),
                b.attended.words(),
                heads,
                padded(heads.queries * heads.width),
            );
        }
    }

    /// All layers: `tokens` ids to the residual stream after the last layer, with the final norm's gain.
    pub fn layers(&self, tokens: usize, end: usize) {
        let (b, model) = (self.buffers, self.model);
        let tuning = self.tuning.at(tokens);
        self.embed(tokens);
        for (index, layer) in model.layers.iter().enumerate() {
            let next = model.layers.get(index + 1).map_or(&model.norm, |layer| &layer.attention_norm);
            let bias = model.shape.qkv_bias.then_some(&layer.qkv_bias);
            let ends = Ends { input: &b.scaled, plain: &b.plain, bias, out: &b.qkv };
            self.project(&layer.qkv, &ends, true, false, false, tokens, tuning.qkv);
            self.rotate(layer, &b.cache[index], tokens);
            self.attend(&b.cache[index], tokens, end, tuning.together);
            self.join(tokens);
            let bias = model.shape.output_bias.then_some(&layer.output_bias);
            self.add(&layer.output, &b.attended, bias, &layer.mlp_norm, tokens, tuning.output);
            self.gate_up(layer, tokens, tuning.gate_up);
            self.add(&layer.down, &b.inner, None, next, tokens, tuning.down);
        }
    }

    /// The router's score of the last token.
    pub fn judge(&self) {
        let (b, Some(router)) = (self.buffers, &self.model.judge) else { return };
        let ends = Ends { input: &b.scaled, plain: &b.plain, bias: Some(&router.bias), out: &b.judged };
        self.project(&router.hidden, &ends, true, true, true, 1, self.tuning.decode.router);
        self.count();
        // SAFETY: the weights hold the bias behind `width` values.
        unsafe {
            judge::launch_unchecked(
                &self.gpu.client,
                CubeCount::Static(1, 1, 1),
                CubeDim::new_1d(LANES as u32),
                b.judged.words(),
                router.out.words(),
                b.score.words(),
                router.width,
            );
        }
    }

    /// Logits of the last token.
    pub fn logits(&self) {
        let b = self.buffers;
        let ends = Ends { input: &b.scaled, plain: &b.plain, bias: None, out: &b.logits };
        self.project(self.model.head(), &ends, true, false, true, 1, self.tuning.decode.head);
    }

    /// The record of the step; the cursor moves on.
    pub fn choose(&self) {
        let (b, known) = (self.buffers, self.model.shape.known);
        let count = strips(known);
        self.count();
        self.count();
        // SAFETY: the shortlist has an entry for every strip, the records one for every slot.
        unsafe {
            shortlist::launch_unchecked(
                &self.gpu.client,
                cubes(count),
                CubeDim::new_1d(CUBE as u32),
                b.logits.words(),
                b.shortlist.words(),
                b.names.words(),
                known,
                count,
            );
            decide::launch_unchecked(
                &self.gpu.client,
                CubeCount::Static(1, 1, 1),
                CubeDim::new_1d(LANES as u32),
                b.shortlist.words(),
                b.names.words(),
                b.score.words(),
                b.records.words(),
                b.state.words(),
                b.inputs.words(),
                known,
                count,
                SLOTS,
            );
        }
    }

    /// A whole step of `tokens` tokens that ends at position `end`.
    pub fn run(&self, tokens: usize, end: usize) {
        self.layers(tokens, end);
        self.judge();
        self.logits();
        self.choose();
    }
}
