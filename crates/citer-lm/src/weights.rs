//! Weights in and out: safetensors with the tensor names and layouts of Hugging Face Llama models.

use crate::{
    config::Config,
    decoder::{Decoder, Layer},
    error::LoadError,
};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use citer_files::{Safetensors, TensorSource, source::values};
use half::f16;
use safetensors::{Dtype, tensor::TensorView};
use std::collections::HashMap;

/// `[rows, columns]` to `[columns, rows]`.
fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|i| values[(i % rows) * columns + i / rows]).collect()
}

/// Builds the decoder that `config` describes from the bytes of a safetensors file (F32, F16 or BF16).
pub fn load(config: &Config, bytes: &[u8], device: &Device) -> Result<Decoder, LoadError> {
    decoder(config, &Safetensors::parse(bytes)?, device)
}

/// Builds the decoder that `config` describes from its tensors.
pub fn decoder(config: &Config, file: &dyn TensorSource, device: &Device) -> Result<Decoder, LoadError> {
    let sized = |names: &[(String, usize)]| {
        let mut all = Vec::new();
        for (name, size) in names {
            all.extend(values(file, name, &[*size])?);
        }
        let size = all.len();
        Ok::<_, LoadError>(Param::from_data(TensorData::new(all, [size]), device))
    };
    let vector = |name: String| sized(&[(name, config.hidden_size)]);
    // Files hold [outputs, inputs]; tensors that read the same input are stacked by outputs, then turned once.
    let stacked = |names: &[(String, usize)], inputs: usize| {
        let mut all = Vec::new();
        let mut outputs = 0;
        for (name, rows) in names {
            all.extend(values(file, name, &[*rows, inputs])?);
            outputs += rows;
        }
        Ok(Param::from_data(TensorData::new(transpose(&all, outputs, inputs), [inputs, outputs]), device))
    };
    let table = |name: &str| {
        let shape = [config.vocab_size, config.hidden_size];
        Ok(Param::from_data(TensorData::new(values(file, name, &shape)?, shape), device))
    };
    let layers = (0..config.num_hidden_layers).map(|index| {
        let name = |part: &str| format!("model.layers.{index}.{part}.weight");
        let [q, k, v, o] = ["q", "k", "v", "o"].map(|p| name(&format!("self_attn.{p}_proj")));
        let [gate, up, down] = ["gate", "up", "down"].map(|p| name(&format!("mlp.{p}_proj")));
        let (hidden, mlp) = (config.hidden_size, config.intermediate_size);
        let qkv = [(q, config.query_width()), (k, config.kv_width()), (v, config.kv_width())];
        let bias = |(name, size): &(String, usize)| (name.replace(".weight", ".bias"), *size);
        let output = (o, hidden);
        let head_norm = |part: &str| config.head_norms().then(|| sized(&[(name(part), config.head_dim())])).transpose();
        Ok(Layer {
            attention_norm: vector(name("input_layernorm"))?,
            attention_bias: config.attention_bias.then(|| sized(&qkv.each_ref().map(bias))).transpose()?,
            query_norm: head_norm("self_attn.q_norm")?,
            key_norm: head_norm("self_attn.k_norm")?,
            mixed_bias: config.output_bias().then(|| sized(&[bias(&output)])).transpose()?,
            qkv: stacked(&qkv, hidden)?,
            output: stacked(&[output], config.query_width())?,
            mlp_norm: vector(name("post_attention_layernorm"))?,
            gate_up: stacked(&[(gate, mlp), (up, mlp)], hidden)?,
            down: stacked(&[(down, hidden)], mlp)?,
        })
    });
    Ok(Decoder {
        layers: layers.collect::<Result<_, LoadError>>()?,
        embedding: table("model.embed_tokens.weight")?,
        norm: vector("model.norm.weight".into())?,
        head: if config.tie_word_embeddings { None } else { Some(table("lm_head.weight")?) },
    })
}

/// The bytes of a safetensors file (F16) of `decoder`.
pub async fn save(config: &Config, decoder: &Decoder) -> Result<Vec<u8>, LoadError> {
    let mut file = WeightsWriter::default();
    file.add("model.embed_tokens.weight", decoder.embedding.val()).await?;
    file.add("model.norm.weight", decoder.norm.val()).await?;
    if let Some(head) = &decoder.head {
        file.add("lm_head.weight", head.val()).await?;
    }
    let (q, kv, mlp) = (config.query_width(), config.kv_width(), config.intermediate_size);
    for (index, layer) in decoder.layers.iter().enumerate() {
        let name = |part: &str| format!("model.layers.{index}.{part}.weight");
        let columns = |weight: &Param<Tensor<2>>, from: usize, to: usize| {
            let [inputs, _] = weight.dims();
            weight.val().slice([0..inputs, from..to]).transpose()
        };
        file.add(&name("input_layernorm"), layer.attention_norm.val()).await?;
        file.add(&name("post_attention_layernorm"), layer.mlp_norm.val()).await?;
        file.add(&name("self_attn.q_proj"), columns(&layer.qkv, 0, q)).await?;
        file.add(&name("self_attn.k_proj"), columns(&layer.qkv, q, q + kv)).await?;
        file.add(&name("self_attn.v_proj"), columns(&layer.qkv, q + kv, q + 2 * kv)).await?;
        file.add(&name("self_attn.o_proj"), layer.output.val().transpose()).await?;
        if let Some(bias) = &layer.attention_bias {
            for (part, from, to) in [("q", 0, q), ("k", q, q + kv), ("v", q + kv, q + 2 * kv)] {
                let name = format!("model.layers.{index}.self_attn.{part}_proj.bias");
                file.add(&name, bias.val().narrow(0, from, to - from)).await?;
            }
        }
        if let Some(bias) = &layer.mixed_bias {
            file.add(&format!("model.layers.{index}.self_attn.o_proj.bias"), bias.val()).await?;
        }
        if let (Some(query), Some(key)) = (&layer.query_norm, &layer.key_norm) {
            file.add(&name("self_attn.q_norm"), query.val()).await?;
            file.add(&name("self_attn.k_norm"), key.val()).await?;
        }
        file.add(&name("mlp.gate_proj"), columns(&layer.gate_up, 0, mlp)).await?;
        file.add(&name("mlp.up_proj"), columns(&layer.gate_up, mlp, 2 * mlp)).await?;
        file.add(&name("mlp.down_proj"), layer.down.val().transpose()).await?;
    }
    file.finish(HashMap::new())
}

/// Collects tensors for one safetensors file, as F16.
#[derive(Default)]
pub struct WeightsWriter(Vec<(String, Vec<usize>, Vec<u8>)>);

impl WeightsWriter {
    /// Reads a tensor back from its device and keeps it as F16.
    pub async fn add<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Result<(), LoadError> {
        let shape = tensor.dims().to_vec();
        let data = tensor.into_data_async().await.map_err(|e| LoadError::NoDevice(e.to_string()))?;
        let bytes = data.iter::<f32>().flat_map(|v| f16::from_f32(v).to_le_bytes()).collect();
        self.0.push((name.into(), shape, bytes));
        Ok(())
    }

    /// The file's bytes; `metadata` goes into its header.
    pub fn finish(self, metadata: HashMap<String, String>) -> Result<Vec<u8>, LoadError> {
        let damaged = |e: safetensors::SafeTensorError| LoadError::Weights(e.to_string());
        let views = self.0.iter().map(|(name, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(Dtype::F16, shape.clone(), bytes).map_err(damaged)?))
        });
        let views = views.collect::<Result<Vec<_>, LoadError>>()?;
        let metadata = (!metadata.is_empty()).then_some(metadata);
        safetensors::serialize(views, metadata).map_err(damaged)
    }
}
