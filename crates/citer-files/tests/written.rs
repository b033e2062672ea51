//! What is written is read back: safetensors and GGUF, every format, every family.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_files::{
    Config, Format, Gguf, ModelFiles, Parts, RopeScaling, Safetensors, TensorSource, Tokenizer, WriteError,
    chat::ChatFormat, folder, gguf_tokenizer, gguf_writer, llama2c, safetensors_writer, shapes::shape, source::values,
    synth,
};

fn tiny() -> Config {
    shape("tiny").unwrap()
}

fn gguf(parts: &Parts, format: Format) -> Vec<u8> {
    let mut file = Vec::new();
    gguf_writer::write("test", parts, format, &mut file, &mut |_, _| {}).unwrap();
    file
}

fn safetensors(parts: &Parts, format: Format) -> Vec<u8> {
    let mut file = Vec::new();
    safetensors_writer::write(&parts.config, &*parts.tensors, format, &mut file, &mut |_, _| {}).unwrap();
    file
}

/// The values of a matrix after a trip through `format`.
fn rounded(format: Format, values: &[f32]) -> Vec<f32> {
    format.values(&format.encode(values).unwrap())
}

/// Checks every tensor of `read` against those of `parts` as `format` leaves matrices and `vectors` vectors.
fn agree(parts: &Parts, read: &dyn TensorSource, vectors: Format, format: Format) {
    for (name, shape) in parts.config.tensors() {
        let original = values(&*parts.tensors, &name, &shape).unwrap();
        let expected = rounded(if shape.len() == 1 { vectors } else { format }, &original);
        assert!(values(read, &name, &shape).unwrap() == expected, "{name} as {format:?}");
    }
}

#[test]
fn safetensors_files_hold_what_their_format_leaves() {
    let parts = synth::parts(tiny(), 3).unwrap();
    for format in [Format::F32, Format::F16, Format::BF16] {
        let file = safetensors(&parts, format);
        agree(&parts, &Safetensors::parse(&file).unwrap(), format, format);
        // The library that defines the format reads it too.
        let theirs = ::safetensors::SafeTensors::deserialize(&file).unwrap();
        assert_eq!(theirs.len(), parts.config.tensors().len());
    }
}

#[test]
fn gguf_files_hold_what_their_format_leaves_in_every_family() {
    for family in ["llama", "qwen2", "qwen3"] {
        let mut config = tiny();
        config.model_type = family.into();
        config.attention_bias = family == "qwen2";
        config.tie_word_embeddings = family != "qwen3";
        config.head_dim = Some(32);
        config.rms_norm_eps = f64::from(1e-5f32);
        let parts = synth::parts(config.clone(), 3).unwrap();
        for format in [Format::F32, Format::F16, Format::BF16, Format::Q8_0, Format::Q4_0] {
            let read = Parts::in_gguf(gguf(&parts, format)).unwrap();
            assert_eq!(read.config, config, "{family} {format:?}");
            assert_eq!(read.tokenizer_json, parts.tokenizer_json);
            assert_eq!((&read.settings, &read.stops), (&parts.settings, &parts.stops));
            agree(&parts, &*read.tensors, Format::F32, format);
            let q = "model.layers.1.self_attn.q_proj.weight";
            assert_eq!(read.tensors.info(q).unwrap().format, format);
        }
    }
}

#[test]
fn blocks_are_taken_over_unchanged_when_a_file_is_written_again() {
    let parts = synth::parts(tiny(), 3).unwrap();
    let file = gguf(&parts, Format::Q4_0);
    let again = gguf(&Parts::in_gguf(file.clone()).unwrap(), Format::Q4_0);
    assert!(file == again);
}

#[test]
fn scaled_rotations_are_read_back() {
    let yarn = |attention_factor| RopeScaling::Yarn {
        factor: 4.0,
        original_max_position_embeddings: Some(64),
        beta_fast: 32.0,
        beta_slow: 1.0,
        attention_factor,
    };
    let llama3 = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 64,
    };
    for scaling in [RopeScaling::Linear { factor: 2.0 }, yarn(None), yarn(Some(1.25)), llama3] {
        let mut config = tiny();
        config.rope_scaling = Some(scaling.clone());
        let parts = synth::parts(config, 3).unwrap();
        let read = Parts::in_gguf(gguf(&parts, Format::F16)).unwrap().config.rope_scaling.unwrap();
        let frequencies: Vec<f64> = (0..8).map(|i| 10_000f64.powf(-f64::from(i) / 8.0)).collect();
        let scale = |scaling: &RopeScaling| scaling.scale(&frequencies, 10_000.0, 256);
        for (before, after) in scale(&scaling).iter().zip(scale(&read)) {
            assert!((before / after - 1.0).abs() < 1e-6, "{scaling:?} became {read:?}");
        }
        assert!((read.attention_factor() / scaling.attention_factor() - 1.0).abs() < 1e-6, "{scaling:?}");
    }
}

#[test]
fn the_tokenizer_of_a_gguf_file_needs_no_tokenizer_json() {
    // Without the whole file, the vocabulary, merges and kinds in llama.cpp's terms say the same.
    let parts = synth::parts(tiny(), 3).unwrap();
    let mut file = gguf(&parts, Format::Q8_0);
    let key = b"tokenizer.huggingface.json";
    let at = file.windows(key.len()).position(|window| window == key).unwrap();
    file[at..at + key.len()].copy_from_slice(b"tokenizer.huggingface.jsoN");
    let (own, inside) = (ModelFiles::new(parts).unwrap(), ModelFiles::new(Parts::in_gguf(file).unwrap()).unwrap());
    for text in ["", "hello there, 1234 worlds", " \n\t\u{1f999}<|im_end|>"] {
        assert_eq!(inside.tokenizer.encode(text).unwrap(), own.tokenizer.encode(text).unwrap(), "{text:?}");
    }
    let question = |model: &ModelFiles| model.format.question(&model.tokenizer, "Why?").unwrap();
    assert_eq!(question(&inside), question(&own));
}

#[test]
fn a_sentencepiece_model_keeps_its_tokenizer_and_its_weights() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/stories260k");
    let bytes = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let parts = llama2c::parts(&bytes("stories260K.bin"), &bytes("tok512.bin")).unwrap();
    let mut file = gguf(&parts, Format::F32);
    let read = Parts::in_gguf(file.clone()).unwrap();
    assert_eq!(read.tokenizer_json, parts.tokenizer_json);
    assert_eq!((&read.settings, &read.stops), (&parts.settings, &parts.stops));
    agree(&parts, &*read.tensors, Format::F32, Format::F32);
    // Without the whole file the pieces, scores and kinds in llama.cpp's terms give the same tokenizer.json.
    let key = b"tokenizer.huggingface.json";
    let at = file.windows(key.len()).position(|window| window == key).unwrap();
    file[at..at + key.len()].copy_from_slice(b"tokenizer.huggingface.jsoN");
    let inside: serde_json::Value =
        serde_json::from_slice(&gguf_tokenizer::json(&Gguf::parse(file).unwrap()).unwrap()).unwrap();
    assert_eq!(inside, serde_json::from_slice::<serde_json::Value>(&parts.tokenizer_json).unwrap());
    let tokenizer = Tokenizer::from_json(&parts.tokenizer_json).unwrap();
    assert_eq!(tokenizer.begin(), Some(tokenizer.token("<s>").unwrap()));
    let text = "Once upon a time, Zo\u{eb} <s> saw  a \u{1f999}.\n";
    assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()), format!(" {text}"));
}

#[test]
fn what_a_file_cannot_hold_is_named() {
    let parts = synth::parts(tiny(), 3).unwrap();
    let write = |format| {
        safetensors_writer::write(&parts.config, &*parts.tensors, format, &mut Vec::new(), &mut |_, _| {}).unwrap_err()
    };
    assert!(matches!(write(Format::Q8_0), WriteError::Format("Q8_0")));
    let mut other = synth::parts(tiny(), 3).unwrap();
    other.tokenizer_json = br#"{"model":{"type":"Unigram"}}"#.to_vec();
    let written = gguf_writer::write("test", &other, Format::F16, &mut Vec::new(), &mut |_, _| {});
    assert!(matches!(written, Err(WriteError::Tokenizer(_))));
    // A row that is no whole block is kept as F16.
    let mut config = tiny();
    config.intermediate_size = 100;
    let parts = synth::parts(config, 3).unwrap();
    let read = Parts::in_gguf(gguf(&parts, Format::Q4_0)).unwrap();
    let format = |part: &str| read.tensors.info(&format!("model.layers.0.mlp.{part}.weight")).unwrap().format;
    assert_eq!((format("down_proj"), format("up_proj")), (Format::F16, Format::Q4_0));
}

#[test]
fn a_model_of_the_shipped_pair_keeps_its_tokenizer_and_its_prompts() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/models/slm");
    let parts = Parts::open(&folder).unwrap();
    let file = gguf(&parts, Format::F16);
    let read = Parts::in_gguf(file).unwrap();
    assert_eq!(read.tokenizer_json, parts.tokenizer_json);
    agree(&parts, &*read.tensors, Format::F32, Format::F16);
    let own = ChatFormat::new(&Tokenizer::from_json(&parts.tokenizer_json).unwrap()).unwrap();
    let model = ModelFiles::new(read).unwrap();
    let ids = own.question(&model.tokenizer, " How many <|end|> are 12 and 30?\n").unwrap();
    assert_eq!(model.format.question(&model.tokenizer, " How many <|end|> are 12 and 30?\n").unwrap(), ids);
    assert_eq!(model.format.end, own.end);
}

#[test]
fn a_written_folder_opens_as_the_same_model() {
    let parts = synth::parts(tiny(), 3).unwrap();
    let folder = std::env::temp_dir().join(format!("citer-written-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in parts.folder_files().unwrap() {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    std::fs::write(folder.join(folder::WEIGHTS), safetensors(&parts, Format::F16)).unwrap();
    let read = Parts::open(&folder);
    let compared = read.as_ref().map(|read| {
        agree(&parts, &*read.tensors, Format::F16, Format::F16);
        assert_eq!((&read.config, &read.settings, &read.stops), (&parts.config, &parts.settings, &parts.stops));
        assert_eq!(read.tokenizer_json, parts.tokenizer_json);
    });
    std::fs::remove_dir_all(&folder).unwrap();
    compared.unwrap();
}
