//! The shipped pair's recipes: sizes, steps and seeds that `citer pretrain` reproduces.

use crate::{error::TrainError, pretrain::Recipe, schedule::Schedule};
use citer_lm::Config;

/// Tokens of the shared vocabulary.
pub const VOCABULARY: usize = 2048;
/// Questions a family that the vocabulary is trained on.
pub const VOCABULARY_QUESTIONS: u64 = 4000;
/// Seed of the suite, the vocabulary and the weights.
pub const SEED: u64 = 20_25;

fn config(hidden: usize, layers: usize, heads: usize, kv_heads: usize, mlp: usize) -> Config {
    Config {
        model_type: "llama".into(),
        vocab_size: VOCABULARY,
        hidden_size: hidden,
        intermediate_size: mlp,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        num_key_value_heads: Some(kv_heads),
        head_dim: Some(hidden / heads),
        max_position_embeddings: 256,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        tie_word_embeddings: true,
        hidden_act: "silu".into(),
        attention_bias: false,
        mlp_bias: false,
        rope_scaling: None,
    }
}

/// The recipe of `slm` or `llm`.
pub fn recipe(name: &str) -> Result<Recipe, TrainError> {
    match name {
        "slm" => Ok(Recipe {
            config: config(128, 2, 4, 2, 352),
            schedule: Schedule { cycles: vec![3000], peak: 3e-3, warmup: 60 },
            batch: 24,
            seed: SEED,
        }),
        "llm" => Ok(Recipe {
            config: config(192, 4, 6, 3, 512),
            schedule: Schedule { cycles: vec![6000, 2400], peak: 3e-3, warmup: 100 },
            batch: 32,
            seed: SEED + 1,
        }),
        other => Err(TrainError::Settings(format!("there is no recipe {other}: choose slm or llm"))),
    }
}
