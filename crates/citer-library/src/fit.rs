//! The fit: what a model needs on the graphics device, and whether this machine has it.

use citer_core::library::{Obstacle, Verdict};
use citer_files::Config;

/// Below this many tokens a second, text comes slower than most people read.
const SLOW: f64 = 5.0;
/// Bytes of an activation or cached value.
const FLOAT: u64 = 4;

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
    /// Measured time of a decode step that reads nothing, in seconds.
    pub step_seconds: f64,
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
    /// What is still to be stored.
    pub storage: u64,
}

impl Needs {
    /// The needs of a decoder of this shape, with weights that take `weights` bytes in its files and on the device alike,
    /// `context` cached tokens and prefill in chunks of `chunk` tokens. `storage` bytes are still to be stored.
    ///
    /// Weights are taken to be of one format. An input embedding of its own is not read in full by a step; a shared one
    /// is, as the output head.
    pub fn of(config: &Config, weights: u64, context: u64, chunk: u64, storage: u64) -> Self {
        let width = weights as f64 / config.parameters().max(1) as f64;
        let bytes = |values: u64| (values as f64 * width).ceil() as u64;
        let size = |field: usize| field as u64;
        let (layers, hidden) = (size(config.num_hidden_layers), size(config.hidden_size));
        let (query, kv) = (size(config.query_width()), size(config.kv_width()));
        let (inner, vocab) = (size(config.intermediate_size), size(config.vocab_size));
        let context = context.min(size(config.max_position_embeddings));
        let chunk = chunk.min(context);

        let embedding = bytes(vocab * hidden);
        let layer_cache = kv * context * FLOAT;
        let cache = layers * 2 * layer_cache;
        // Residual, normed, queries, keys, values, attention output, gate and up of one layer; scores; one row of logits.
        let row = 3 * hidden + 2 * query + 2 * kv + 2 * inner;
        let activations = (chunk * row + size(config.num_attention_heads) * chunk * context + vocab) * FLOAT;
        let tensors = [
            ("the embedding", embedding),
            ("an MLP's weights", bytes(inner * hidden)),
            ("a layer's cached keys", layer_cache),
        ];
        let largest = tensors.into_iter().max_by_key(|(_, bytes)| *bytes).unwrap_or_default();
        let idle = if config.tie_word_embeddings { 0 } else { embedding };
        let read = weights - idle.min(weights) + cache / 2;
        Self { weights, cache, activations, largest: (largest.0.into(), largest.1), read, storage }
    }

    /// The least a model can need of which only the size of its weights is known.
    pub fn at_least(weights: u64, storage: u64) -> Self {
        Self { weights, cache: 0, activations: 0, largest: (String::new(), 0), read: weights, storage }
    }

    /// Bytes on the graphics device.
    pub fn memory(&self) -> u64 {
        self.weights.saturating_add(self.cache).saturating_add(self.activations)
    }
}

/// Whether what is needed is there, and how fast it will be.
///
/// A decode step reads every weight once and little else, so its time is the bytes over the measured bandwidth, and the
/// measured time of a step that reads nothing.
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
    let bandwidth = machine.bandwidth.filter(|bandwidth| bandwidth.is_finite() && *bandwidth > 0.0);
    let speed = bandwidth.map(|bandwidth| 1.0 / (needs.read as f64 / bandwidth + machine.step_seconds.max(1e-6)));
    match speed {
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
        Machine { memory, max_buffer, max_binding, free_storage, bandwidth, step_seconds: 0.002 }
    }

    #[test]
    fn a_known_model_needs_what_its_numbers_say() {
        let (parameters, half) = (494_032_768, 2 * 494_032_768);
        assert_eq!(qwen().parameters(), parameters);
        let needs = Needs::of(&qwen(), half, 4096, 128, 0);
        // 24 layers x 2 x 128 values x 4096 positions x 4 bytes.
        assert_eq!(needs.cache, 24 * 2 * 128 * 4096 * 4);
        assert_eq!(needs.largest, ("the embedding".into(), 151_936 * 896 * 2));
        assert_eq!(needs.read, half + needs.cache / 2);
        // Residual, norms, queries, keys and values, gate and up; scores of 14 heads; logits.
        let row = 3 * 896 + 2 * 896 + 2 * 128 + 2 * 4864;
        assert_eq!(needs.activations, (128 * row + 14 * 128 * 4096 + 151_936) * 4);
        let full = Needs::of(&qwen(), half, 1 << 40, 128, 0);
        assert_eq!(full.cache, 24 * 2 * 128 * 32_768 * 4, "no more than the model's positions");
    }

    #[test]
    fn a_head_of_its_own_is_read_and_its_embedding_is_not() {
        let own = Config { tie_word_embeddings: false, ..qwen() };
        let [shared, own] = [qwen(), own].map(|config| Needs::of(&config, 2 * config.parameters(), 0, 1, 0));
        assert!(own.weights > shared.weights);
        assert_eq!(own.read, shared.read);
    }

    #[test]
    fn every_limit_has_its_own_verdict() {
        let needs = Needs::of(&qwen(), 4 * qwen().parameters(), 4096, 128, 2000 * MIB);
        let fits = verdict(&needs, &large());
        let Verdict::Runs { tokens_per_second: Some(speed) } = fits else { panic!("{fits:?}") };
        let expected = 1.0 / (needs.read as f64 / 50e9 + 0.002);
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
