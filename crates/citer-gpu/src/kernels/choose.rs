//! The choice: the best tokens of the logits with their probabilities, beside the router's score, in one small record.

// The macro writes public items of its own beside each kernel.
#![allow(missing_docs)]

use cubecl::prelude::*;

/// Candidates in a record.
pub const TOP: usize = 5;
/// Words of a record: the token, the score, then [`TOP`] ids and [`TOP`] probabilities.
pub const RECORD: usize = 16;
/// Logits an invocation looks at.
pub const STRIP: usize = 256;
/// Invocations of the second pass.
pub const LANES: usize = 64;
/// Below every logit.
const LOWEST: f32 = -3.0e38;

/// Groups of logits for a vocabulary.
pub const fn strips(vocab: usize) -> usize {
    vocab.div_ceil(STRIP)
}

/// Fills a shortlist with what every logit beats.
#[cube]
fn empty(values: &mut Array<f32>, ids: &mut Array<u32>) {
    #[unroll]
    for rank in 0..TOP {
        values[rank] = LOWEST.runtime();
        ids[rank] = 4294967295u32;
    }
}

/// Puts `value` of `id` where it belongs among the best so far; of equals the lower id stays first.
#[cube]
fn insert(values: &mut Array<f32>, ids: &mut Array<u32>, value: f32, id: u32) {
    let mut value = value;
    let mut id = id;
    #[unroll]
    for rank in 0..TOP {
        let better = value > values[rank] || (value == values[rank] && id < ids[rank]);
        let kept_value = select(better, value, values[rank]);
        let kept_id = select(better, id, ids[rank]);
        let next_value = select(better, values[rank], value);
        let next_id = select(better, ids[rank], id);
        values[rank] = kept_value;
        ids[rank] = kept_id;
        value = next_value;
        id = next_id;
    }
}

/// The best of every strip (a strip is every `strips`-th logit) and the sum of its exponentials.
///
/// Shapes: `logits` `[vocab]`; `values` `[strips, TOP + 1]`, the last the sum below the strip's best; `ids`
/// `[strips, TOP]`.
#[cube(launch_unchecked)]
pub fn shortlist(
    logits: &[f32],
    values: &mut [f32],
    ids: &mut [u32],
    #[comptime] vocab: usize,
    #[comptime] strips: usize,
) {
    let strip = ABSOLUTE_POS;
    if strip < strips {
        let mut best = Array::<f32>::new(TOP);
        let mut names = Array::<u32>::new(TOP);
        empty(&mut best, &mut names);
        for id in range_stepped(strip, vocab, strips) {
            let value = logits[id];
            if value > best[TOP - 1] {
                insert(&mut best, &mut names, value, id as u32);
            }
        }
        let mut sum = 0.0f32;
        for id in range_stepped(strip, vocab, strips) {
            sum += (logits[id] - best[0]).exp();
        }
        #[unroll]
        for rank in 0..TOP {
            values[strip * (TOP + 1) + rank] = best[rank];
            ids[strip * TOP + rank] = names[rank];
        }
        values[strip * (TOP + 1) + TOP] = sum;
    }
}

/// The best of all strips into `records[step % slots]`; then the token becomes the next input and the cursor moves on.
///
/// Shapes: `values`, `ids` as in [`shortlist`]; `score` `[1]`; `records` `[slots, RECORD]`; `state` is position, tokens
/// of this step, and step; `inputs` `[tokens]`. One cube of [`LANES`].
#[cube(launch_unchecked)]
pub fn decide(
    values: &[f32],
    ids: &[u32],
    score: &[f32],
    records: &mut [u32],
    state: &mut [u32],
    inputs: &mut [u32],
    #[comptime] known: usize,
    #[comptime] strips: usize,
    #[comptime] slots: usize,
) {
    let lane = UNIT_POS as usize;
    let mut best = Array::<f32>::new(TOP);
    let mut names = Array::<u32>::new(TOP);
    empty(&mut best, &mut names);
    let mut sum = 0.0f32;
    for strip in range_stepped(lane, strips, LANES) {
        let high = values[strip * (TOP + 1)];
        let peak = max(best[0], high);
        sum = sum * (best[0] - peak).exp() + values[strip * (TOP + 1) + TOP] * (high - peak).exp();
        #[unroll]
        for rank in 0..TOP {
            insert(&mut best, &mut names, values[strip * (TOP + 1) + rank], ids[strip * TOP + rank]);
        }
    }
    let mut shared_values = Shared::new_slice(LANES * (TOP + 1));
    let mut shared_ids = Shared::new_slice(LANES * TOP);
    #[unroll]
    for rank in 0..TOP {
        shared_values[lane * (TOP + 1) + rank] = best[rank];
        shared_ids[lane * TOP + rank] = names[rank];
    }
    shared_values[lane * (TOP + 1) + TOP] = sum;
    sync_cube();
    if lane == 0 {
        for other in 1..LANES {
            let high = shared_values[other * (TOP + 1)];
            let peak = max(best[0], high);
            sum = sum * (best[0] - peak).exp() + shared_values[other * (TOP + 1) + TOP] * (high - peak).exp();
            #[unroll]
            for rank in 0..TOP {
                insert(&mut best, &mut names, shared_values[other * (TOP + 1) + rank], shared_ids[other * TOP + rank]);
            }
        }
        let slot = state[2] as usize % slots * RECORD;
        records[slot] = names[0];
        records[slot + 1] = u32::reinterpret(score[0]);
        #[unroll]
        for rank in 0..TOP {
            records[slot + 2 + rank] = names[rank];
            records[slot + 2 + TOP + rank] = u32::reinterpret((best[rank] - best[0]).exp() / sum);
        }
        // Logits that are no numbers name no token; the host sees that in the record.
        inputs[0] = select(names[0] < known as u32, names[0], 0u32);
        state[0] += state[1];
        state[1] = 1u32;
        state[2] += 1u32;
    }
}

/// The router's last layer: `score = sigmoid(hidden . weights + bias)`; one cube of [`LANES`].
#[cube(launch_unchecked)]
pub fn judge(hidden: &[f32], weights: &[f32], score: &mut [f32], #[comptime] width: usize) {
    let lane = UNIT_POS as usize;
    let mut sum = 0.0f32;
    for place in range_stepped(lane, width, LANES) {
        sum += hidden[place] * weights[place];
    }
    let mut shared = Shared::new_slice(LANES);
    shared[lane] = sum;
    sync_cube();
    if lane == 0 {
        // The bias stands behind the weights.
        let mut total = weights[width];
        for other in 0..LANES {
            total += shared[other];
        }
        score[0] = 1.0f32 / (1.0f32 + (-total).exp());
    }
}
