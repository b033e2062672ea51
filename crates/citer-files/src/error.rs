//! What can go wrong while a model is loaded.

/// A model that cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// JSON that does not parse.
    #[error("{file} is not valid ({detail}): download it again")]
    Json {
        /// Which file.
        file: String,
        /// What the parser said.
        detail: String,
    },
    /// A field of `config.json`.
    #[error("config.json: {field}: {detail}; choose a supported Llama-type model")]
    Config {
        /// Which field.
        field: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A field of a GGUF file's metadata.
    #[error("GGUF metadata: {field}: {detail}; choose a supported Llama-type model")]
    Metadata {
        /// Which field.
        field: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A weights file that is no safetensors file, or cut short.
    #[error("the weights file is damaged ({0}): download it again")]
    Weights(String),
    /// One file of split weights cannot be read.
    #[error(
        "{file}, a part of the split weights, cannot be read ({detail}): put it next to model.safetensors.index.json"
    )]
    Shard {
        /// Which file.
        file: String,
        /// What went wrong.
        detail: String,
    },
    /// A tensor that the model needs is missing.
    #[error("the weights file has no tensor {0}: it does not belong to this config.json")]
    MissingTensor(String),
    /// A tensor that this decoder would leave out.
    #[error("tensor {0} is of no use to this decoder: choose a supported Llama-type model")]
    UnknownTensor(String),
    /// A tensor of another shape than the configuration says.
    #[error(
        "tensor {name} has shape {found:?} where config.json asks for {expected:?}: the two files do not belong together"
    )]
    Shape {
        /// Tensor name.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape that the configuration asks for.
        expected: Vec<usize>,
    },
    /// A tensor type that is not supported.
    #[error(
        "tensor {name} has type {dtype}: choose a file with F32, F16 or BF16 or, in GGUF, also Q8_0, Q5_0, Q4_0, Q6_K or Q4_K"
    )]
    DType {
        /// Tensor name.
        name: String,
        /// Its type in the file.
        dtype: String,
    },
    /// A weight that is not a number.
    #[error("tensor {0} holds a value that is not finite: download the weights again")]
    NotFinite(String),
    /// A tokenizer that does not fit the model.
    #[error("the tokenizer does not fit the model: {0}; use the tokenizer.json that came with it")]
    Tokenizer(String),
    /// A chat template that does not compile, or that refuses the conversation.
    #[error(
        "the chat template cannot be used ({0}): start a new chat or use the tokenizer_config.json that came with the model"
    )]
    Template(String),
    /// No usable graphics device.
    #[error("no graphics device for WebGPU ({0}): update the browser or its graphics driver, or use another browser")]
    NoDevice(String),
    /// Router and SLM are not a pair.
    #[error("the router does not belong to this SLM ({0}): use the router that was trained for it")]
    Router(String),
    /// A file that cannot be read (native).
    #[error("{path} cannot be read ({detail}): check the path")]
    Io {
        /// Which file.
        path: String,
        /// What the system said.
        detail: String,
    },
}

/// A model that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What is to be written cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The disk or whatever else receives the file.
    #[error("the file cannot be written ({0}): check the path and the free space")]
    Io(#[from] std::io::Error),
    /// A value that the format cannot hold.
    #[error("tensor {name} has values that {format} cannot hold: choose bf16 or f32")]
    Value {
        /// Which tensor.
        name: String,
        /// The format asked for.
        format: &'static str,
    },
    /// A format that files of this kind cannot have, or that is only read.
    #[error("{0} cannot be written to this kind of file: choose f32, f16, bf16 or, in GGUF, q8_0 or q4_0")]
    Format(&'static str),
    /// A header that the file format does not allow.
    #[error("the model does not fit the file format ({0}): choose another format")]
    Header(String),
    /// A tokenizer that GGUF cannot hold.
    #[error(
        "the tokenizer cannot be written to GGUF ({0}): byte-level BPE and SentencePiece with bytes to fall back to are supported"
    )]
    Tokenizer(String),
}
