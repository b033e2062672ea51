//! llama.cpp's server in a test, from its Python package.

use crate::{folder::TemporaryFolder, process::Process, product};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A running server.
pub struct LlamaCpp {
    process: Process,
    url: String,
}

impl LlamaCpp {
    /// Serves the model in the GGUF file at `path` at a free port, under the name `name`. The Python at `CITER_PYTHON` has
    /// llama.cpp.
    pub fn start(path: &Path, name: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("llama_cpp.py");
        let mut command = Command::new(product::told("CITER_PYTHON"));
        let (process, url) = Process::start(command.arg(script).arg(path).arg(name), "listening on ");
        Self { process, url }
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

/// The model `name` (`slm` or `llm`) of the shipped pair as a GGUF file in `folder`, its matrices as `dtype` (such as f16).
pub fn gguf(folder: &TemporaryFolder, name: &str, dtype: &str) -> PathBuf {
    let path = folder.path().join(format!("{name}-{dtype}.gguf"));
    let mut command = Command::new(product::citer());
    command.arg("convert").arg(product::models().join(name)).arg(&path).args(["--dtype", dtype]);
    assert!(command.status().unwrap().success(), "{name} becomes no GGUF file");
    path
}

/// The files of the real model of stories.
pub fn stories() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/stories260k")
}

/// That model as a GGUF file in `folder`, its matrices as they are published.
pub fn stories_gguf(folder: &TemporaryFolder) -> PathBuf {
    let path = folder.path().join("stories.gguf");
    let mut command = Command::new(product::citer());
    command.arg("convert").arg(stories().join("stories260K.bin")).arg(&path).args(["--dtype", "f32", "--tokenizer"]);
    assert!(command.arg(stories().join("tok512.bin")).status().unwrap().success(), "the stories become no GGUF file");
    path
}
