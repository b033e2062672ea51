//! The fused path on the graphics adapter: every family and every number format against Hugging Face transformers and
//! the plain path, running ahead, taking back, and what a step costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Int, Tensor, TensorData};
use citer_core::LocalModel;
use citer_files::{
    Format as FileFormat, LoadError, TensorInfo,
    bytes::DiskFile,
    model_files::{folder_weights, gguf_weights},
    synth::Random,
};
use citer_gpu::{
    Decoder, Format, Gpu, GpuError, Shape, Tuning,
    format::BLOCK,
    pack::{Packer, value},
    tuning::{Choice, Choices, DECODE, PREFILL},
};
use citer_lm::rope::Rope;
use citer_lm::{
    Config, Engine, EntropyCard, LlmFiles, Safetensors, SlmFiles, TensorSource, device,
    entropy::{ENTROPY_CARD, entropy},
    fused::{Options, Parts, open},
    fused_weights, rotation, weights,
};
use futures::executor::block_on;
use half::f16;
use safetensors::SafeTensors;
use std::{ops::Range, path::PathBuf, sync::Mutex};

/// One test at a time: they share one adapter, and some count what is allocated on it.
static ALONE: Mutex<()> = Mutex::new(());

const FAMILIES: [&str; 8] =
    ["llama_biases", "llama_linear", "llama3", "smollm2", "qwen2", "qwen2_yarn", "qwen3", "qwen3_sharded"];

fn shipped() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../web/models")
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity").join(name)
}

fn gpu() -> Gpu {
    block_on(Gpu::open()).expect("a graphics adapter; on Debian install mesa-vulkan-drivers")
}

fn decoder(config: &Config, tensors: &dyn TensorSource, floats: Option<Format>) -> Decoder {
    let mut decoder = unprepared(config, tensors, floats);
    block_on(decoder.prepare(None)).unwrap();
    decoder
}

fn unprepared(config: &Config, tensors: &dyn TensorSource, floats: Option<Format>) -> Decoder {
    let capacity = config.max_position_embeddings;
    let shape = fused_weights::shape(config, config.vocab_size, capacity);
    let weights = fused_weights::FileWeights::new(config, tensors, floats);
    let [cosines, sines] = rotation::tables(config, capacity);
    Decoder::load(&gpu(), &shape, &weights, None, [&cosines, &sines], |_| ()).unwrap()
}

/// The ids of the one pass and its logits, row after row.
fn expected(bytes: &[u8]) -> (Vec<u32>, Vec<f32>) {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let ids = file.tensor("ids").unwrap().data().as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b) as u32);
    let logits = file.tensor("logits").unwrap();
    (ids.collect(), logits.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Logits after every id from `start` on: a prefill of `start` ids, then one by one.
fn logits(decoder: &mut Decoder, ids: &[u32], start: usize) -> Vec<f32> {
    decoder.truncate(0);
    let mut all = Vec::new();
    block_on(decoder.feed_alone(&ids[..start])).unwrap();
    all.extend(block_on(decoder.logits()).unwrap());
    for id in &ids[start..] {
        block_on(decoder.feed_alone(&[*id])).unwrap();
        all.extend(block_on(decoder.logits()).unwrap());
    }
    all
}

#[test]
fn every_family_agrees_with_transformers() {
    let _alone = ALONE.lock();
    for name in FAMILIES {
        let place = folder("families").join(name);
        let (config, tensors) = folder_weights(place.as_path()).unwrap();
        let (ids, expected) = expected(&std::fs::read(place.join("expected.safetensors")).unwrap());
        let mut decoder = decoder(&config, &*tensors, None);
        for start in [1, ids.len() / 2] {
            let found = logits(&mut decoder, &ids, start);
            let worst = distance(&found, &expected[(start - 1) * config.vocab_size..]);
            println!("{name}, prefill of {start}: largest logit difference {worst:e}");
            assert!(worst < 1e-3, "{name}: logits off by {worst}");
        }
    }
}

/// These files have Q8_0, Q5_0, Q4_0, F16 and BF16, all of which the GPU holds exactly.
#[test]
fn quantised_files_agree_with_transformers_on_what_their_formats_leave() {
    let _alone = ALONE.lock();
    for name in ["llama", "qwen2", "qwen3"] {
        let (config, tensors) =
            gguf_weights(DiskFile::open(&folder("gguf").join(format!("{name}.gguf"))).unwrap()).unwrap();
        let (ids, expected) = expected(&std::fs::read(folder("gguf").join(format!("{name}.safetensors"))).unwrap());
        let mut decoder = decoder(&config, &*tensors, None);
        let found = logits(&mut decoder, &ids, 2);
        let worst = distance(&found, &expected[config.vocab_size..]);
        println!("{name}.gguf: largest logit difference {worst:e}");
        assert!(worst < 1e-3, "{name}: logits off by {worst}");
    }
}

/// Seeded blocks of Q4_K and Q6_K for the matrices, as no small model's file has them; vectors are a random model's.
struct SuperBlocks {
    vectors: Random,
}

impl SuperBlocks {
    fn blocks(name: &str, format: FileFormat, rows: Range<usize>, columns: usize) -> Vec<u8> {
        let (per_block, size) = format.block();
        let mut all = Vec::new();
        for row in rows {
            let seed =
                name.bytes().fold(row as u64 + 1, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
            let mut random = numbers(seed);
            for _ in 0..columns / per_block {
                let mut block: Vec<u8> = (0..size).map(|_| (random(1 << 20) >> 12) as u8).collect();
                let mut scale =
                    |at: usize, value: f32| block[at..at + 2].copy_from_slice(&f16::from_f32(value).to_le_bytes());
                // Scales that give weights below a tenth.
                if format == FileFormat::Q4_K {
                    scale(0, 1e-4);
                    scale(2, 7e-4);
                } else {
                    scale(208, 1.5e-5);
                }
                all.extend(block);
            }
        }
        all
    }
}

impl TensorSource for SuperBlocks {
    fn info(&self, name: &str) -> Result<TensorInfo, LoadError> {
        let info = self.vectors.info(name)?;
        let format = match name {
            _ if info.shape.len() == 1 => info.format,
            _ if ["embed_tokens", "o_proj", "down_proj"].iter().any(|part| name.contains(part)) => FileFormat::Q6_K,
            _ => FileFormat::Q4_K,
        };
        Ok(TensorInfo { format, ..info })
    }

    fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>, LoadError> {
        let info = self.info(name)?;
        if info.shape.len() == 1 {
            return self.vectors.rows(name, rows);
        }
        Ok(Self::blocks(name, info.format, rows, info.columns()))
    }
}

/// The same numbers as the GPU keeps them: rounded to blocks of 32 with eight bits.
struct Rounded(SuperBlocks);

impl TensorSource for Rounded {
    fn info(&self, name: &str) -> Result<TensorInfo, LoadError> {
        let info = self.0.info(name)?;
        let format = if info.shape.len() == 1 { info.format } else { FileFormat::F32 };
        Ok(TensorInfo { format, ..info })
    }

    fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>, LoadError> {
        let (info, stored) = (self.0.info(name)?, self.0.rows(name, rows.clone())?);
        if info.shape.len() == 1 {
            return Ok(stored);
        }
        let columns = info.columns();
        let mut bytes = Vec::new();
        for row in info.format.values(&stored).chunks(columns) {
            let mut packer = Packer::new(Format::Q8, columns);
            packer.row(0, row);
            let panel = packer.finish();
            for (column, exact) in row.iter().enumerate() {
                let kept = value(Format::Q8, &panel, 0, column);
                let block = &row[column / BLOCK * BLOCK..][..BLOCK];
                let peak = block.iter().fold(0.0f32, |peak, value| peak.max(value.abs()));
                assert!((kept - exact).abs() <= peak / 253.9, "{name}: {kept} for {exact}, block's largest {peak}");
                bytes.extend(kept.to_le_bytes());
            }
        }
        Ok(bytes)
    }
}

/// Logits of the plain path on the CPU after every id.
fn plain_logits(config: &Config, tensors: &dyn TensorSource, ids: &[u32]) -> Vec<f32> {
    let device = device::cpu();
    let decoder = weights::decoder(config, tensors, &device).unwrap();
    let rope = Rope::new(config, config.max_position_embeddings, &device);
    let input: Vec<i32> = ids.iter().map(|id| *id as i32).collect();
    let input = Tensor::<2, Int>::from_data(TensorData::new(input, [1, ids.len()]), &device);
    let hidden = decoder.hidden(config, &rope, input, None).reshape([ids.len(), config.hidden_size]);
    decoder.logits(hidden).into_data().iter::<f32>().collect()
}

/// Q4_K and Q6_K: the GPU keeps them as Q8_0, which moves a weight by at most a 254th of the largest in its block of 32.
/// Beyond that rounding there is no error; over all weights it moves a logit by less than a fiftieth of the largest.
#[test]
fn super_blocks_agree_with_the_plain_path_on_what_eight_bits_leave() {
    let _alone = ALONE.lock();
    let json = r#"{"model_type":"qwen3","vocab_size":300,"hidden_size":256,"intermediate_size":512,"num_hidden_layers":2,
        "num_attention_heads":4,"num_key_value_heads":2,"head_dim":64,"max_position_embeddings":64,"rms_norm_eps":1e-6,
        "rope_theta":10000.0,"tie_word_embeddings":true}"#;
    let config = Config::from_json(json.as_bytes()).unwrap();
    let source = || SuperBlocks { vectors: Random::new(&config, 5) };
    let ids: Vec<u32> = (0..24).map(|i| (i * 71 + 5) % 300).collect();
    let found = logits(&mut decoder(&config, &source(), None), &ids, 1);
    let kept = plain_logits(&config, &Rounded(source()), &ids);
    let exact = plain_logits(&config, &source(), &ids);
    let largest = exact.iter().fold(0.0f32, |most, logit| most.max(logit.abs()));
    let (rounded, moved) = (distance(&found, &kept), distance(&found, &exact));
    println!(
        "Q4_K and Q6_K: {rounded:e} from the rounded weights, {moved:e} from the exact ones; largest logit {largest}"
    );
    assert!(rounded < 1e-3, "logits off by {rounded}");
    assert!(moved < 0.02 * largest, "logits moved by {moved} of {largest}");
}

/// The entropy in a record, over one strip of logits and over more strips than the kernel has lanes, and the score that
/// stands in for a router, are those of the CPU over the same logits.
#[test]
fn the_entropy_is_that_of_the_cpu() {
    let _alone = ALONE.lock();
    for vocab in [100, 300, 40_000] {
        let json = format!(
            r#"{{"model_type":"qwen3","vocab_size":{vocab},"hidden_size":64,"intermediate_size":96,"num_hidden_layers":1,
            "num_attention_heads":2,"num_key_value_heads":1,"head_dim":32,"max_position_embeddings":64,"rms_norm_eps":1e-6,
            "rope_theta":10000.0,"tie_word_embeddings":true}}"#
        );
        let config = Config::from_json(json.as_bytes()).unwrap();
        let mut decoder = decoder(&config, &Random::new(&config, 9), None);
        for id in [3, 77, 11] {
            let record = block_on(decoder.feed_alone(&[id])).unwrap();
            let logits = block_on(decoder.logits()).unwrap();
            let expected = entropy(&logits[..vocab]);
            println!("{vocab} tokens: entropy {} and {expected} on the CPU", record.entropy);
            assert!((record.entropy - expected).abs() < 1e-4 * expected.max(1.0), "{} and {expected}", record.entropy);
        }
    }
}

#[test]
fn a_model_without_a_router_is_judged_by_its_entropy_on_both_paths() {
    let _alone = ALONE.lock();
    let files = LlmFiles::read(&shipped(), "slm").unwrap();
    let card = EntropyCard::parse(&std::fs::read(shipped().join(ENTROPY_CARD)).unwrap()).unwrap();
    let mut plain = files.engine(256, &device::cpu()).unwrap();
    let parts = Parts {
        config: plain.config().clone(),
        tokenizer: plain.shared_tokenizer(),
        format: plain.format().clone(),
        router: None,
    };
    let tensors = Safetensors::parse(&files.weights).unwrap();
    let mut fused = block_on(open(&gpu(), parts, &tensors, Options::default(), |_| ())).unwrap();
    let prompt = plain.format().question(plain.tokenizer(), "What is 17 + 25?").unwrap();
    let mut scores = |stand_in| {
        let mut all = Vec::new();
        for engine in [&mut plain, &mut fused] {
            engine.stand_in = stand_in;
            engine.truncate(0);
            let mut ids = prompt.clone();
            for _ in 0..8 {
                let step = block_on(engine.feed(&ids)).unwrap();
                all.push(step.score);
                ids = vec![step.token];
            }
        }
        all
    };
    assert_eq!(scores(None), [1.0; 16], "nobody judges");
    let judged = scores(Some(card.score));
    let (plain, fused) = judged.split_at(8);
    assert!(distance(plain, fused) < 1e-3, "{plain:?} {fused:?}");
    assert!(judged.iter().all(|score| (0.0..1.0).contains(score)), "{judged:?}");
    assert!(judged.iter().any(|score| *score < card.threshold), "a sum is asked for: {judged:?}");
}

/// Variants that leave out the last block of every row, beside the right ones: each is found out, named and not used.
#[test]
fn a_variant_that_computes_wrong_is_reported_and_never_used() {
    let _alone = ALONE.lock();
    let (config, tensors) = gguf_weights(DiskFile::open(&folder("gguf").join("qwen2.gguf")).unwrap()).unwrap();
    let (ids, expected) = expected(&std::fs::read(folder("gguf").join("qwen2.safetensors")).unwrap());
    let faulty = |choice: &Choice| Choice { faulty: true, ..*choice };
    let mut decoder = unprepared(&config, &*tensors, None);
    decoder.vary = |variants| {
        let wrong = variants.iter().map(|choice| Choice { faulty: true, ..*choice });
        wrong.chain(variants.iter().copied()).collect()
    };
    block_on(decoder.prepare(None)).unwrap();
    let (wrong, right): (Vec<_>, Vec<_>) =
        decoder.trials().iter().partition(|trial| trial.variant.ends_with(", faulty"));
    for product in ["queries, keys and values", "attention output", "gate and up", "down", "output head"] {
        assert!(wrong.iter().any(|trial| trial.kernel == product), "{product}: {wrong:?}");
        assert!(right.iter().any(|trial| trial.kernel == product && trial.chosen), "{product}: {right:?}");
    }
    for trial in wrong {
        assert!(trial.error > 1.0 && trial.micros.is_none() && !trial.chosen, "{trial:?}");
    }
    let Tuning { decode, prefill } = *decoder.tuning();
    for used in [decode, prefill] {
        let used = [used.qkv, used.output, used.gate_up, used.down, used.head, used.router];
        assert!(used.iter().all(|choice| !choice.faulty), "{used:?}");
    }
    let worst = distance(&logits(&mut decoder, &ids, 2), &expected[config.vocab_size..]);
    assert!(worst < 1e-3, "logits off by {worst}");
    // What is remembered is tried first, and no more than believed.
    let all = faulty(&DECODE[0]);
    let remembered = Choices { qkv: all, output: all, gate_up: all, down: all, head: all, router: all, together: true };
    block_on(decoder.prepare(Some(&Tuning { decode: remembered, prefill }))).unwrap();
    let used = decoder.tuning().decode;
    assert!(![used.qkv, used.output, used.gate_up, used.down, used.head].iter().any(|choice| choice.faulty));
    let worst = distance(&logits(&mut decoder, &ids, 2), &expected[config.vocab_size..]);
    assert!(worst < 1e-3, "logits off by {worst}");
    // Where nothing computes right, nothing runs.
    decoder.vary = |variants| variants.iter().map(|choice| Choice { faulty: true, ..*choice }).collect();
    let refused = block_on(decoder.prepare(None));
    assert!(matches!(refused, Err(GpuError::Wrong(_))), "{refused:?}");
}

#[test]
fn what_was_fastest_before_is_all_that_is_tried() {
    let _alone = ALONE.lock();
    let (config, tensors) = gguf_weights(DiskFile::open(&folder("gguf").join("qwen2.gguf")).unwrap()).unwrap();
    let mut decoder = decoder(&config, &*tensors, None);
    let (tuning, tried) = (*decoder.tuning(), decoder.trials().len());
    let kept = serde_json::to_string(&tuning).unwrap();
    let kept: Tuning = serde_json::from_str(&kept).unwrap();
    block_on(decoder.prepare(Some(&kept))).unwrap();
    assert_eq!(*decoder.tuning(), tuning);
    // Attention, five products for one token and four for many.
    assert_eq!(decoder.trials().len(), 10, "of {tried}");
    assert!(decoder.trials().iter().all(|trial| trial.chosen));
}

#[test]
fn a_probe_measures_this_adapter() {
    let _alone = ALONE.lock();
    let probe = block_on(gpu().probe()).unwrap();
    println!("{probe:?}");
    assert!(probe.bytes_per_s.is_finite() && probe.bytes_per_s > 0.0, "{probe:?}");
    assert!(probe.kernel_s.is_finite() && probe.kernel_s >= 0.0, "{probe:?}");
}

/// A software adapter tries only some variants by itself.
#[test]
fn every_variant_computes_the_same() {
    let _alone = ALONE.lock();
    let (config, tensors) = gguf_weights(DiskFile::open(&folder("gguf").join("qwen2.gguf")).unwrap()).unwrap();
    let (ids, expected) = expected(&std::fs::read(folder("gguf").join("qwen2.safetensors")).unwrap());
    let mut decoder = decoder(&config, &*tensors, None);
    for (index, one) in DECODE.into_iter().enumerate() {
        let many = PREFILL[index % PREFILL.len()];
        let all = |choice| Choices {
            qkv: choice,
            output: choice,
            gate_up: choice,
            down: choice,
            head: one,
            router: one,
            together: index % 2 == 1,
        };
        block_on(decoder.retune(Tuning { decode: all(one), prefill: all(many) })).unwrap();
        let start = ids.len() / 2;
        let worst = distance(&logits(&mut decoder, &ids, start), &expected[(start - 1) * config.vocab_size..]);
        assert!(worst < 1e-3, "{one}; {many}: logits off by {worst}");
    }
}

/// The cache in 16-bit floats: keys and values are rounded to 11 bits, so a logit moves by some thousandths of its size.
#[test]
fn a_half_cache_moves_logits_by_its_rounding_only() {
    let _alone = ALONE.lock();
    if !gpu().has_half() {
        println!("the adapter has no 16-bit floats: nothing to compare");
        return;
    }
    let place = folder("families").join("qwen3");
    let (config, tensors) = folder_weights(place.as_path()).unwrap();
    let (ids, expected) = expected(&std::fs::read(place.join("expected.safetensors")).unwrap());
    let capacity = config.max_position_embeddings;
    let shape = Shape { half_cache: true, ..fused_weights::shape(&config, config.vocab_size, capacity) };
    let weights = fused_weights::FileWeights::new(&config, &*tensors, None);
    let [cosines, sines] = rotation::tables(&config, capacity);
    let mut decoder = Decoder::load(&gpu(), &shape, &weights, None, [&cosines, &sines], |_| ()).unwrap();
    block_on(decoder.prepare(None)).unwrap();
    let worst = distance(&logits(&mut decoder, &ids, 2), &expected[config.vocab_size..]);
    let size = expected.iter().fold(0.0f32, |most, logit| most.max(logit.abs()));
    println!("largest logit difference {worst:e} of {size}");
    assert!(worst > 0.0 && worst < 0.005 * size, "logits off by {worst} of {size}");
}

#[derive(serde::Deserialize)]
struct Expected {
    prompt_ids: Vec<u32>,
    ids: Vec<u32>,
    scores: Vec<f32>,
}

fn pair(name: &str) -> (Engine, Expected) {
    let files = SlmFiles::read(&folder(name)).unwrap();
    let (engine, _) = block_on(files.fused(Options::default(), &gpu(), |_| ())).unwrap();
    let json = std::fs::read(folder(name).join("expected.json")).unwrap();
    (engine, serde_json::from_slice(&json).unwrap())
}

#[test]
fn tokens_and_scores_are_those_of_transformers() {
    let _alone = ALONE.lock();
    for name in ["untied", "tied"] {
        let (mut engine, expected) = pair(name);
        let mut next = expected.prompt_ids.clone();
        for (step, (id, score)) in expected.ids.iter().zip(&expected.scores).enumerate() {
            let found = block_on(engine.feed(&next)).unwrap();
            assert_eq!(found.token, *id, "{name}: step {step}");
            assert!((found.score - score).abs() < 1e-3, "{name}: step {step}: score {} for {score}", found.score);
            let sum: f32 = found.top.iter().map(|candidate| candidate.probability).sum();
            assert!(found.top[0].id == *id && sum <= 1.0 + 1e-5, "{name}: step {step}: {:?}", found.top);
            next = vec![found.token];
        }
    }
}

/// Pseudo-random numbers below `below`.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// A run in which some tokens are replaced and some taken back, as a router and a reader would.
fn run(engine: &mut Engine, prompt: &[u32], seed: u64, pace: Option<usize>) -> (Vec<u32>, Vec<f32>) {
    let mut random = numbers(seed + 1);
    let vocab = engine.vocab_size() as u64;
    let limit = engine.capacity();
    let gpu = engine.gpu().unwrap();
    match pace {
        Some(steps) => gpu.pace.fix(steps),
        None => gpu.pace.adapt(),
    }
    engine.truncate(0);
    let (mut ids, mut scores) = (prompt.to_vec(), Vec::new());
    let mut next = prompt.to_vec();
    while ids.len() < limit && scores.len() < 80 {
        let step = block_on(engine.feed(&next)).unwrap();
        scores.push(step.score);
        let token = match random(10) {
            0 => random(vocab) as u32,
            1 if ids.len() > prompt.len() + 4 => {
                ids.truncate(ids.len() - 3);
                engine.truncate(ids.len());
                random(vocab) as u32
            }
            _ => step.token,
        };
        ids.push(token);
        next = vec![token];
    }
    (ids, scores)
}

#[test]
fn running_ahead_changes_no_token_over_many_seeds() {
    let _alone = ALONE.lock();
    let (mut engine, expected) = pair("untied");
    for seed in 0..30 {
        let single = run(&mut engine, &expected.prompt_ids, seed, Some(1));
        for pace in [Some(4), Some(16), None] {
            assert_eq!(run(&mut engine, &expected.prompt_ids, seed, pace), single, "seed {seed}, {pace:?} steps");
        }
    }
}

#[test]
fn a_step_stays_within_its_kernels_and_its_memory() {
    let _alone = ALONE.lock();
    let (mut engine, expected) = pair("untied");
    let layers = engine.config().num_hidden_layers;
    let prompt = expected.prompt_ids.clone();
    block_on(engine.feed(&prompt)).unwrap();
    let adapter = gpu();
    let reserved = adapter.reserved();
    let (mut fed, mut next) = (0, 1);
    let before = engine.gpu().unwrap().launched();
    while fed < 2000 {
        if engine.position() == engine.capacity() {
            engine.truncate(prompt.len());
        }
        next = block_on(engine.feed(&[next])).unwrap().token;
        fed += 1;
    }
    let decoder = engine.gpu().unwrap();
    assert!(decoder.dispatches() <= 8 * layers + 6, "{} kernels a step", decoder.dispatches());
    assert!(decoder.launched() > before, "steps are counted");
    // A prefill launches the same kernels as a step, one by one: what a step is said to take is what is launched.
    decoder.truncate(0);
    let before = decoder.launched();
    block_on(decoder.feed(&prompt[..3])).unwrap();
    assert_eq!(decoder.launched() - before, decoder.dispatches());
    assert_eq!(adapter.reserved(), reserved, "memory grew over {fed} tokens");
}

#[test]
fn a_sampled_token_follows_the_seed_and_a_prefill_can_be_stopped() {
    let _alone = ALONE.lock();
    let (mut engine, expected) = pair("tied");
    engine.sample(citer_core::Sampling { temperature: 1.0, top_p: 1.0, seed: 3 });
    let mut draw = || {
        engine.truncate(0);
        let mut next = expected.prompt_ids.clone();
        let mut ids = Vec::new();
        for _ in 0..8 {
            let step = block_on(engine.feed(&next)).unwrap();
            ids.push(step.token);
            next = vec![step.token];
        }
        ids
    };
    assert_eq!(draw(), draw());
    let decoder = engine.gpu().unwrap();
    decoder.truncate(0);
    let long = vec![1; decoder.shape().capacity.min(citer_gpu::PREFILL + 1)];
    let mut heard = Vec::new();
    let stopped = block_on(decoder.prefill(&long, |done, all| {
        heard.push((done, all));
        false
    }));
    assert_eq!(stopped, Err(citer_gpu::GpuError::Stopped));
    assert_eq!(heard.len(), 1);
    assert_eq!(decoder.position(), heard[0].0);
}
