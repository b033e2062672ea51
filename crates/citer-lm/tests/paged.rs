//! Paged decoding says what the plain path says, for many sequences at once and over shared blocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::TokenId;
use citer_lm::{
    Engine, LlmFiles, Paged, Sampler, device,
    paged::{BLOCK, KvBlock, PagedRow},
    pair,
};
use futures::executor::block_on;
use std::path::Path;

fn files() -> LlmFiles {
    LlmFiles::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/models"), pair::LLM).unwrap()
}

fn models() -> (Engine, Paged) {
    let (files, device) = (files(), device::cpu());
    let engine = files.engine(256, &device).unwrap();
    (engine, Paged::new(&files.model(&device).unwrap(), 256, &device).unwrap())
}

/// Ids of no meaning, the same for a seed.
fn ids(seed: u32, count: usize) -> Vec<TokenId> {
    (0..count as u32).map(|place| (seed * 7_919 + place * 104_729) % 2_000).collect()
}

fn plain(engine: &mut Engine, ids: &[TokenId]) -> Vec<f32> {
    use citer_core::LocalModel;
    engine.truncate(0);
    block_on(engine.forward(ids)).unwrap().logits
}

fn differ(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn one(paged: &Paged, blocks: &mut Vec<KvBlock>, position: usize, tokens: &[TokenId]) -> Vec<f32> {
    paged.step(&mut [PagedRow { blocks, position, tokens }]).unwrap().remove(0)
}

#[test]
fn logits_are_those_of_the_plain_path_at_every_border_of_a_block() {
    let (mut engine, paged) = models();
    for count in [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 100, 256] {
        let ids = ids(count as u32, count);
        let expected = plain(&mut engine, &ids);
        // At once, token by token, and in pieces short and long.
        for piece in [count, 1, 3, 7, BLOCK + 5] {
            let (mut blocks, mut position, mut logits) = (Vec::new(), 0, Vec::new());
            for part in ids.chunks(piece) {
                logits = one(&paged, &mut blocks, position, part);
                position += part.len();
            }
            assert_eq!(blocks.len(), count.div_ceil(BLOCK));
            assert!(differ(&logits, &expected) < 1e-3, "{count} by {piece}: {}", differ(&logits, &expected));
        }
    }
}

#[test]
fn sequences_of_any_length_go_together() {
    let (mut engine, paged) = models();
    let lengths = [1, 5, 16, 17, 40, 90];
    let sequences: Vec<Vec<TokenId>> = lengths.iter().map(|length| ids(*length as u32, *length)).collect();
    let mut blocks: Vec<Vec<KvBlock>> = vec![Vec::new(); lengths.len()];
    let mut texts = sequences.clone();
    let mut fed = vec![0; lengths.len()];
    for _ in 0..12 {
        let rows = blocks.iter_mut().zip(&texts).zip(&fed);
        let mut rows: Vec<_> = rows
            .map(|((blocks, ids), position)| PagedRow { blocks, position: *position, tokens: &ids[*position..] })
            .collect();
        let logits = paged.step(&mut rows).unwrap();
        for (row, logits) in logits.iter().enumerate() {
            fed[row] = texts[row].len();
            texts[row].push(Sampler::default().choose(logits, 0, 1).0);
        }
    }
    for (text, start) in texts.iter().zip(&sequences) {
        let mut alone = start.clone();
        for _ in 0..12 {
            let logits = plain(&mut engine, &alone);
            alone.push(Sampler::default().choose(&logits, 0, 1).0);
        }
        assert_eq!(*text, alone);
    }
}

#[test]
fn shared_blocks_are_not_written() {
    let (mut engine, paged) = models();
    let start = ids(3, 20);
    let mut first = Vec::new();
    one(&paged, &mut first, 0, &start);
    let mut second = first.clone();
    one(&paged, &mut second, 20, &[5, 6, 7]);
    // Back to the middle of the first block, on another way.
    let mut third = second.clone();
    let turned = one(&paged, &mut third, 10, &[9, 8]);
    let expected = plain(&mut engine, &[&start[..10], &[9, 8]].concat());
    assert!(differ(&turned, &expected) < 1e-3);
    let on = one(&paged, &mut first, 20, &[11]);
    assert!(differ(&on, &plain(&mut engine, &[&start[..], &[11]].concat())) < 1e-3);
    let on = one(&paged, &mut second, 23, &[12]);
    assert!(differ(&on, &plain(&mut engine, &[&start[..], &[5, 6, 7, 12]].concat())) < 1e-3);
}

#[test]
fn what_cannot_be_read_changes_nothing() {
    let (_, paged) = models();
    let mut blocks = Vec::new();
    let good = one(&paged, &mut blocks, 0, &[1, 2]);
    for tokens in [&[][..], &[2_048], &[1; 257]] {
        let mut other = Vec::new();
        let mut rows = [
            PagedRow { blocks: &mut other, position: 0, tokens: &[3] },
            PagedRow { blocks: &mut blocks, position: 2, tokens },
        ];
        assert!(paged.step(&mut rows).is_err());
        assert!(other.is_empty());
    }
    assert_eq!(one(&paged, &mut blocks, 1, &[2]), one(&paged, &mut blocks, 1, &[2]));
    assert!(differ(&one(&paged, &mut blocks, 1, &[2]), &good) < 1e-3);
}
