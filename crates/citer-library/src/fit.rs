//! The fit: what a model needs on the graphics device, and whether this machine has it.

use citer_core::library::{Obstacle, StorageUse, Verdict, tokens_per_second};
use citer_files::{Config, Format, Gguf, LoadError, TensorSource};
use serde::{Deserialize, Serialize};

/// Below this many tokens a second, text comes slower than most people read.
const SLOW: f64 = 5.0;
/// Bytes of an activation or cached value.
const FLOAT: u64 = 4;
/// Positions that attention takes at once.
const ATTENTION: u64 = 64;
/// Kernels of a layer, and of a token besides.
const KERNELS: u64 = 7;
const MORE_KERNELS: u64 = 4;

/// Bytes that can still be stored, as far as the browser tells, and no more than what it took before it last `refused` a
/// write: how many bytes were used then. Browsers promise more than the disk has.
pub fn room(storage: &StorageUse, refused: Option<u64>) -> Option<u64> {
    // Only what was removed since is known to be free: the page's other writes are small and prove nothing.
    let proven = refused.map(|used| used.saturating_sub(storage.used));
    match (storage.free(), proven) {
        (Some(told), Some(proven)) => Some(told.min(proven)),
        (told, proven) => proven.or(told),
    }
}

/// What this machine has, as far as the browser tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// Bytes that a page may use on the graphics device; browsers tell only a rough figure, or none.
    pub memory: Option<u64>,
    /// The adapter's `maxBufferSize`.
    pub max_buffer: u64,
    /// The adapter's `maxStorageBufferBindingSize`.
    pub max_binding: u64,
    /// Free bytes of storage.
    pub free_storage: Option<u64>,
    /// Measured speed of reading weights in a decode step, in bytes a second.
    pub bandwidth: Option<f64>,
    /// Measured time of a kernel that reads nothing, in seconds.
    pub kernel_seconds: f64,
}

/// Sizes of a model's weights on the device, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// All of them.
    pub weights: u64,
    /// The input embedding.
    pub embedding: u64,
    /// What is stored in one piece and largest, with what it takes.
    pub largest: (String, u64),
}

impl Sizes {
    /// Of weights of one format that take `bytes` bytes in all.
    pub fn even(config: &Config, bytes: u64) -> Self {
        let width = bytes as f64 / config.parameters().max(1) as f64;
        let of = |values: usize| (values as f64 * width).ceil() as u64;
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let embedding = of(config.vocab_size.saturating_mul(hidden));
        Self::with(bytes, embedding, of(inner.saturating_mul(2 * hidden)))
    }

    /// Of the tensors of a GGUF file; `device` says how many bytes a matrix of so many values takes.
    pub fn of_gguf(file: &Gguf, device: &impl Fn(Format, u64) -> u64) -> Result<Self, LoadError> {
        let (mut weights, mut embedding, mut pair) = (0u64, 0, 0u64);
        for name in file.names() {
            let info = file.info(name)?;
            let values = info.shape.iter().fold(1u64, |all, size| all.saturating_mul(*size as u64));
            let bytes = device(info.format, values);
            weights = weights.saturating_add(bytes);
            if name == "token_embd.weight" {
                embedding = bytes;
            }
            if name.ends_with(".ffn_gate.weight") {
                pair = pair.max(bytes.saturating_mul(2));
            }
        }
        Ok(Self::with(weights, embedding, pair))
    }

    fn with(weights: u64, embedding: u64, pair: u64) -> Self {
        let (embedding_name, pair_name) = ("the embedding", "a layer's gate and up projection");
        let largest = if embedding >= pair { (embedding_name, embedding) } else { (pair_name, pair) };
        Self { weights, embedding, largest: (largest.0.into(), largest.1) }
    }
}

/// What a model needs. Sizes are bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Needs {
    /// All weights on the device.
    pub weights: u64,
    /// The KV cache.
    pub cache: u64,
    /// Activations of one prefill chunk.
    pub activations: u64,
    /// The largest tensor, and its name.
    pub largest: (String, u64),
    /// What one decode step reads on average over the context.
    pub read: u64,
    /// Kernels of a decode step.
    pub kernels: u64,
    /// What is still to be stored.
    pub storage: u64,
}

impl Needs {
    /// The needs of a decoder of this shape and these sizes, with `context` cached tokens and prefill in chunks of `chunk`
    /// tokens. `storage` bytes are still to be stored.
    ///
    /// An input embedding of its own is not read in full by a step; a shared one is, as the output head.
    pub fn of(config: &Config, sizes: &Sizes, context: u64, chunk: u64, storage: u64) -> Self {
        let size = |field: usize| field as u64;
        let product = |factors: &[u64]| factors.iter().fold(1u64, |all, factor| all.saturating_mul(*factor));
        let (layers, hidden) = (size(config.num_hidden_layers), size(config.hidden_size));
        let (query, kv) = (size(config.query_width()), size(config.kv_width()));
        let (inner, vocab) = (size(config.intermediate_size), size(config.vocab_size));
        let context = context.min(size(config.max_position_embeddings));
        let chunk = chunk.min(context);

        let layer_cache = product(&[kv, context, FLOAT]);
        let cache = product(&[layers, 2, layer_cache]);
        // Residual, normed, queries, keys, values, attention output, gate and up of one layer; the chunks of attention; one
        // row of logits.
        let row = product(&[3, hidden]) + product(&[2, query]) + product(&[2, kv]) + product(&[2, inner]);
        let mixed = product(&[chunk, query, context.div_ceil(ATTENTION)]);
        let activations = product(&[chunk, row]).saturating_add(mixed).saturating_add(vocab).saturating_mul(FLOAT);
        let cached = ("a layer's cached keys".to_owned(), layer_cache);
        let largest = if layer_cache > sizes.largest.1 { cached } else { sizes.largest.clone() };
        let idle = if config.tie_word_embeddings { 0 } else { sizes.embedding };
        let read = sizes.weights.saturating_sub(idle).saturating_add(cache / 2);
        let kernels = product(&[KERNELS, layers]).saturating_add(MORE_KERNELS);
        Self { weights: sizes.weights, cache, activations, largest, read, kernels, storage }
    }

    /// The least a model can need of which only the size of its weights is known.
    pub fn at_least(weights: u64, storage: u64) -> Self {
        let largest = (String::new(), 0);
        Self { weights, cache: 0, activations: 0, largest, read: weights, kernels: MORE_KERNELS, storage }
    }

    /// Bytes on the graphics device.
    pub fn memory(&self) -> u64 {
        self.weights.saturating_add(self.cache).saturating_add(self.activations)
    }
}

/// Whether what is needed is there, and how fast it will be.
///
/// A decode step reads every weight once and little else, so its time is the bytes over the measured bandwidth, and what
/// its kernels take that read nothing.
pub fn verdict(needs: &Needs, machine: &Machine) -> Verdict {
    let (tensor, largest) = &needs.largest;
    let limit = machine.max_buffer.min(machine.max_binding);
    if *largest > limit {
        return Verdict::DoesNotFit(Obstacle::Buffer { tensor: tensor.clone(), needed: *largest, available: limit });
    }
    if let Some(available) = machine.memory.filter(|available| needs.memory() > *available) {
        return Verdict::DoesNotFit(Obstacle::Memory { needed: needs.memory(), available });
    }
    if let Some(available) = machine.free_storage.filter(|available| needs.storage > *available) {
        return Verdict::DoesNotFit(Obstacle::Storage { needed: needs.storage, available });
    }
    let speed = |bandwidth| tokens_per_second(needs.read, needs.kernels, bandwidth, machine.kernel_seconds);
    match machine.bandwidth.and_then(speed) {
        Some(tokens_per_second) if tokens_per_second < SLOW => Verdict::Slowly { tokens_per_second },
        tokens_per_second => Verdict::Runs { tokens_per_second },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Qwen2.5-0.5B.
    fn qwen() -> Config {
        let json = r#"{"model_type":"qwen2","vocab_size":151936,"hidden_size":896,"intermediate_size":4864,
            "num_hidden_layers":24,"num_attention_heads":14,"num_key_value_heads":2,"max_position_embeddings":32768,
            "rms_norm_eps":1e-6,"rope_theta":1000000.0,"tie_word_embeddings":true}"#;
        Config::from_json(json.as_bytes()).unwrap()
    }

    fn large() -> Machine {
        let (memory, free_storage) = (Some(4096 * MIB), Some(10_000 * MIB));
        let bandwidth = Some(50e9);
        let (max_buffer, max_binding) = (2048 * MIB, 2048 * MIB);
        Machine { memory, max_buffer, max_binding, free_storage, bandwidth, kernel_seconds: 1e-5 }
    }

    #[test]
    fn a_known_model_needs_what_its_numbers_say() {
        let (parameters, half) = (494_032_768, 2 * 494_032_768);
        assert_eq!(qwen().parameters(), parameters);
        let sizes = Sizes::even(&qwen(), half);
        let needs = Needs::of(&qwen(), &sizes, 4096, 128, 0);
        // 24 layers x 2 x 128 values x 4096 positions x 4 bytes.
        assert_eq!(needs.cache, 24 * 2 * 128 * 4096 * 4);
        assert_eq!(needs.largest, ("the embedding".into(), 151_936 * 896 * 2));
        assert_eq!(needs.read, half + needs.cache / 2);
        // Residual, norms, queries, keys and values, gate and up; 64 chunks of attention; logits.
        let row = 3 * 896 + 2 * 896 + 2 * 128 + 2 * 4864;
        assert_eq!(needs.activations, (128 * row + 128 * 896 * 64 + 151_936) * 4);
        assert_eq!(needs.kernels, 7 * 24 + 4);
        let full = Needs::of(&qwen(), &sizes, 1 << 40, 128, 0);
        assert_eq!(full.cache, 24 * 2 * 128 * 32_768 * 4, "no more than the model's positions");
    }

    #[test]
    fn a_head_of_its_own_is_read_and_its_embedding_is_not() {
        let own = Config { tie_word_embeddings: false, ..qwen() };
        let needs = |config: Config| Needs::of(&config, &Sizes::even(&config, 2 * config.parameters()), 0, 1, 0);
        let [shared, own] = [qwen(), own].map(needs);
        assert!(own.weights > shared.weights);
        assert_eq!(own.read, shared.read);
    }

    #[test]
    fn every_limit_has_its_own_verdict() {
        let sizes = Sizes::even(&qwen(), 4 * qwen().parameters());
        let needs = Needs::of(&qwen(), &sizes, 4096, 128, 2000 * MIB);
        let fits = verdict(&needs, &large());
        let Verdict::Runs { tokens_per_second: Some(speed) } = fits else { panic!("{fits:?}") };
        let expected = 1.0 / (needs.read as f64 / 50e9 + 172.0 * 1e-5);
        assert!((speed - expected).abs() < 1e-9);

        let obstacle = |machine: Machine| match verdict(&needs, &machine) {
            Verdict::DoesNotFit(obstacle) => obstacle,
            other => panic!("{other:?}"),
        };
        let buffer = obstacle(Machine { max_binding: 128 * MIB, ..large() });
        assert!(
            matches!(buffer, Obstacle::Buffer { needed, available, .. } if available == 128 * MIB && needed > available)
        );
        let memory = obstacle(Machine { memory: Some(1024 * MIB), ..large() });
        assert_eq!(memory, Obstacle::Memory { needed: needs.memory(), available: 1024 * MIB });
        let storage = obstacle(Machine { free_storage: Some(1999 * MIB), ..large() });
        assert_eq!(storage, Obstacle::Storage { needed: 2000 * MIB, available: 1999 * MIB });
    }

    #[test]
    fn a_refused_write_counts_more_than_what_the_browser_promises() {
        let storage = |used| StorageUse { used, quota: Some(1000), persistent: false };
        assert_eq!(room(&storage(400), None), Some(600));
        assert_eq!(room(&storage(400), Some(400)), Some(0), "full, whatever is promised");
        assert_eq!(room(&storage(150), Some(400)), Some(250), "what was removed since can be stored again");
        assert_eq!(room(&storage(401), Some(400)), Some(0), "a small write that went through proves no room");
        assert_eq!(room(&storage(990), Some(1200)), Some(10));
        let untold = StorageUse { quota: None, ..storage(400) };
        assert_eq!((room(&untold, None), room(&untold, Some(400))), (None, Some(0)));
        let needs = Needs::at_least(500 * MIB, 300);
        let full = Machine { free_storage: room(&storage(400), Some(400)), ..large() };
        assert_eq!(verdict(&needs, &full), Verdict::DoesNotFit(Obstacle::Storage { needed: 300, available: 0 }));
    }

    #[test]
    fn speed_is_predicted_only_where_it_was_measured() {
        let needs = Needs::at_least(500 * MIB, 0);
        assert_eq!(verdict(&needs, &Machine { bandwidth: None, ..large() }), Verdict::Runs { tokens_per_second: None });
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let machine = Machine { bandwidth: Some(bad), ..large() };
            assert_eq!(verdict(&needs, &machine), Verdict::Runs { tokens_per_second: None }, "{bad}");
        }
        let slow = verdict(&needs, &Machine { bandwidth: Some(1e9), ..large() });
        assert!(
            matches!(slow, Verdict::Slowly { tokens_per_second } if (1.0..3.0).contains(&tokens_per_second)),
            "{slow:?}"
        );
    }
}
