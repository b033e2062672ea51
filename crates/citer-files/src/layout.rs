//! Layout: which tensors a decoder has, by the names and shapes of Hugging Face.

use crate::config::Config;

impl Config {
    /// Name and shape of every tensor, in the order in which a decoder reads them.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (hidden, mlp, vocab) = (self.hidden_size, self.intermediate_size, self.vocab_size);
        let (queries, keys) = (self.query_width(), self.kv_width());
        let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![vocab, hidden])];
        for layer in 0..self.num_hidden_layers {
            let mut add = |part: &str, shape: Vec<usize>| all.push((format!("model.layers.{layer}.{part}"), shape));
            add("input_layernorm.weight", vec![hidden]);
            for (part, width) in [("q", queries), ("k", keys), ("v", keys)] {
                add(&format!("self_attn.{part}_proj.weight"), vec![width, hidden]);
                if self.attention_bias {
                    add(&format!("self_attn.{part}_proj.bias"), vec![width]);
                }
            }
            if self.head_norms() {
                add("self_attn.q_norm.weight", vec![self.head_dim()]);
                add("self_attn.k_norm.weight", vec![self.head_dim()]);
            }
            add("self_attn.o_proj.weight", vec![hidden, queries]);
            if self.output_bias() {
                add("self_attn.o_proj.bias", vec![hidden]);
            }
            add("post_attention_layernorm.weight", vec![hidden]);
            add("mlp.gate_proj.weight", vec![mlp, hidden]);
            add("mlp.up_proj.weight", vec![mlp, hidden]);
            add("mlp.down_proj.weight", vec![hidden, mlp]);
        }
        all.push(("model.norm.weight".into(), vec![hidden]));
        if !self.tie_word_embeddings {
            all.push(("lm_head.weight".into(), vec![vocab, hidden]));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    #[test]
    fn the_tensors_hold_all_parameters_of_every_family() {
        for (family, tied) in [("llama", true), ("llama", false), ("qwen2", true), ("qwen3", false)] {
            for bias in [false, true] {
                let json = format!(
                    r#"{{"model_type":"{family}","vocab_size":10,"hidden_size":8,"intermediate_size":16,"head_dim":6,
                    "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"rms_norm_eps":1e-5,
                    "max_position_embeddings":16,"tie_word_embeddings":{tied},"attention_bias":{bias}}}"#
                );
                let config = Config::from_json(json.as_bytes()).unwrap();
                let held: usize = config.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
                assert_eq!(held as u64, config.parameters(), "{json}");
            }
        }
    }
}
