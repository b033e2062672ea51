//! The choice: the best tokens of the logits with their probabilities and the entropy of all, beside the router's score,
//! in one small record.

// The macro writes public items of its own beside each kernel.
#![allow(missing_docs)]

use cubecl::prelude::*;

/// Candidates in a record.
pub const TOP: usize = 5;
/// Words of a record: the token, the score, then [`TOP`] ids and [`TOP`] probabilities, the entropy, and three unused.
pub const RECORD: usize = 16;
/// Numbers of a shortlist: the [`TOP`] best logits, best first; below the best, the sum of the exponentials of all logits
/// and that of the exponentials times their exponents.
pub const ENTRY: usize = TOP + 2;
/// Place of the sum of exponentials in a shortlist.
const SUM: usize = TOP;
/// Place of the sum of exponentials times exponents.
const SPREAD: usize = TOP + 1;
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
    values[SUM] = 0.0f32;
    values[SPREAD] = 0.0f32;
}

/// Joins the shortlist at `place` to the one in `best` and `names`: of both the best, and both sums below the higher
/// peak.
#[cube]
fn join(best: &mut Array<f32>, names: &mut Array<u32>, values: &[f32], ids: &[u32], place: usize) {
    let at = place * ENTRY;
    let peak = max(best[0], values[at]);
    let (mine, theirs) = (best[0] - peak, values[at] - peak);
    let (kept, added) = (mine.exp(), theirs.exp());
    // Exponents are relative to a peak, so the products move with it as the exponentials do.
    best[SPREAD] = (best[SPREAD] + mine * best[SUM]) * kept + (values[at + SPREAD] + theirs * values[at + SUM]) * added;
    best[SUM] = best[SUM] * kept + values[at + SUM] * added;
    #[unroll]
    for rank in 0..TOP {
        insert(best, names, values[at + rank], ids[place * TOP + rank]);
    }
}

/// Writes a shortlist to `place`.
#[cube]
fn write(best: &Array<f32>, names: &Array<u32>, values: &mut [f32], ids: &mut [u32], place: usize) {
    #[unroll]
    for part in 0..ENTRY {
        values[place * ENTRY + part] = best[part];
    }
    #[unroll]
    for rank in 0..TOP {
        ids[place * TOP + rank] = names[rank];
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

/// The shortlist of every strip; a strip is every `strips`-th logit.
///
/// Shapes: `logits` `[vocab]`; `values` `[strips, ENTRY]`; `ids` `[strips, TOP]`.
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
        let mut best = Array::<f32>::new(ENTRY);
        let mut names = Array::<u32>::new(TOP);
        empty(&mut best, &mut names);
        for id in range_stepped(strip, vocab, strips) {
            let value = logits[id];
            if value > best[TOP - 1] {
                insert(&mut best, &mut names, value, id as u32);
            }
        }
        for id in range_stepped(strip, vocab, strips) {
            let below = logits[id] - best[0];
            let weight = below.exp();
            best[SUM] += weight;
            best[SPREAD] += weight * below;
        }
        write(&best, &names, values, ids, strip);
    }
}

/// The best of all strips into `records[step % slots]`; then the token becomes the next input and the cursor moves on.
///
/// The entropy of the distribution is `ln(sum) - spread / sum`, in nats.
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
    let mut best = Array::<f32>::new(ENTRY);
    let mut names = Array::<u32>::new(TOP);
    empty(&mut best, &mut names);
    for strip in range_stepped(lane, strips, LANES) {
        join(&mut best, &mut names, values, ids, strip);
    }
    let mut shared_values = Shared::new_slice(LANES * ENTRY);
    let mut shared_ids = Shared::new_slice(LANES * TOP);
    write(&best, &names, &mut shared_values, &mut shared_ids, lane);
    sync_cube();
    if lane == 0 {
        for other in 1..LANES {
            join(&mut best, &mut names, &shared_values, &shared_ids, other);
        }
        let slot = state[2] as usize % slots * RECORD;
        let sum = best[SUM];
        records[slot] = names[0];
        records[slot + 1] = u32::reinterpret(score[0]);
        #[unroll]
        for rank in 0..TOP {
            records[slot + 2 + rank] = names[rank];
            records[slot + 2 + TOP + rank] = u32::reinterpret((best[rank] - best[0]).exp() / sum);
        }
        records[slot + 2 + 2 * TOP] = u32::reinterpret(sum.ln() - best[SPREAD] / sum);
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
