//! Named shapes: the configurations of published models, for models with random weights.

use crate::config::Config;
use crate::rope_scaling::RopeScaling;

/// All names.
pub const NAMES: [&str; 6] = ["tiny", "smollm2-135m", "smollm2-360m", "qwen2.5-0.5b", "qwen3-0.6b", "llama3.2-1b"];

/// The configuration called `name`; `None` if there is no such name.
pub fn shape(name: &str) -> Option<Config> {
    // Family, vocabulary, hidden, MLP, layers, heads, key heads, head width, positions, base, epsilon.
    let (family, vocabulary, [hidden, mlp, layers, heads, keys, width], positions, theta, epsilon) = match name {
        "tiny" => ("llama", 512, [64, 128, 2, 4, 2, 16], 256, 10_000.0, 1e-5),
        "smollm2-135m" => ("llama", 49_152, [576, 1536, 30, 9, 3, 64], 8192, 100_000.0, 1e-5),
        "smollm2-360m" => ("llama", 49_152, [960, 2560, 32, 15, 5, 64], 8192, 100_000.0, 1e-5),
        "qwen2.5-0.5b" => ("qwen2", 151_936, [896, 4864, 24, 14, 2, 64], 32_768, 1e6, 1e-6),
        "qwen3-0.6b" => ("qwen3", 151_936, [1024, 3072, 28, 16, 8, 128], 40_960, 1e6, 1e-6),
        "llama3.2-1b" => ("llama", 128_256, [2048, 8192, 16, 32, 8, 64], 131_072, 500_000.0, 1e-5),
        _ => return None,
    };
    let llama3 = RopeScaling::Llama3 {
        factor: 32.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192,
    };
    Some(Config {
        model_type: family.into(),
        vocab_size: vocabulary,
        hidden_size: hidden,
        intermediate_size: mlp,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        num_key_value_heads: Some(keys),
        head_dim: Some(width),
        max_position_embeddings: positions,
        rms_norm_eps: epsilon,
        rope_theta: theta,
        tie_word_embeddings: true,
        hidden_act: "silu".into(),
        attention_bias: family == "qwen2",
        mlp_bias: false,
        rope_scaling: (name == "llama3.2-1b").then_some(llama3),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_have_the_published_numbers_of_parameters() {
        for (name, parameters) in [
            ("smollm2-135m", 134_515_008),
            ("smollm2-360m", 361_821_120),
            ("qwen2.5-0.5b", 494_032_768),
            ("qwen3-0.6b", 596_049_920),
            ("llama3.2-1b", 1_235_814_400),
        ] {
            assert_eq!(shape(name).unwrap().parameters(), parameters, "{name}");
        }
    }

    #[test]
    fn every_name_is_a_sound_configuration_that_is_read_back() {
        for name in NAMES {
            let config = shape(name).unwrap();
            assert_eq!(Config::from_json(&serde_json::to_vec(&config).unwrap()).unwrap(), config, "{name}");
        }
        assert_eq!(shape("gpt-5"), None);
    }
}
