//! What label, train and eval share: the pair, how many questions are in work, and who answers for the LLM.

use crate::endpoints::{IN_FLIGHT, Served, Servers};
use crate::{Failure, costs::Costs};
use citer_lm::hash::sha256;
use citer_lm::pair::{LLM, SLM};
use citer_lm::{LlmFiles, SlmFiles, device};
use citer_train::models::LONGEST;
use citer_train::teacher::Teacher;
use citer_train::workers::{Device, Workers};
use std::path::{Path, PathBuf};

/// Which models, and how they are asked.
#[derive(clap::Args, Clone)]
pub struct Pair {
    /// Folder of the pair.
    #[arg(long, default_value = "web/models")]
    models: PathBuf,
    /// Folder of another SLM than the pair's: config.json, model.safetensors, and the pair's tokenizer.json there or beside
    /// it. Its router lies in its router/.
    #[arg(long, value_name = "FOLDER")]
    slm: Option<PathBuf>,
    /// Most tokens of an answer.
    #[arg(long, default_value_t = LONGEST)]
    max_tokens: usize,
    /// Questions in work at once; as many as the processor has threads, 16 with servers.
    #[arg(long)]
    workers: Option<usize>,
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    pub costs: Costs,
}

/// The files of a pair that work together, and the LLM where servers answer for it.
pub struct Opened {
    /// The SLM.
    pub slm: LlmFiles,
    /// The LLM's own files, without servers.
    llm: Option<LlmFiles>,
    /// The servers.
    pub served: Option<Served>,
    device: Device,
    threads: usize,
    longest: usize,
}

impl Pair {
    /// Reads the SLM, and the LLM or what its servers say about it.
    pub fn open(&self) -> Result<Opened, Failure> {
        let slm = self.slm()?;
        let served = self.servers.open(&slm.tokenizer)?;
        let llm = if served.is_none() { Some(LlmFiles::read(&self.models, LLM)?) } else { None };
        if let (Some(folder), Some(llm)) = (&self.slm, &llm)
            && sha256(&slm.tokenizer) != sha256(&llm.tokenizer)
        {
            return Err(format!(
                "{} has another tokenizer.json than {}: choose an SLM with the LLM's vocabulary",
                folder.display(),
                self.models.display()
            )
            .into());
        }
        let threads = self.workers.unwrap_or_else(|| if served.is_some() { IN_FLIGHT } else { crate::threads() });
        Ok(Opened { slm, llm, served, device: device::cpu(), threads, longest: self.max_tokens })
    }

    /// One model of the pair, in the place of both: `slm` or `llm`.
    pub fn alone(&self, name: &str) -> Result<Opened, Failure> {
        let read = || Ok::<_, Failure>(if name == SLM { self.slm()? } else { LlmFiles::read(&self.models, name)? });
        let threads = self.workers.unwrap_or_else(crate::threads);
        let (device, longest) = (device::cpu(), self.max_tokens);
        Ok(Opened { slm: read()?, llm: Some(read()?), served: None, device, threads, longest })
    }

    fn slm(&self) -> Result<LlmFiles, Failure> {
        Ok(match &self.slm {
            Some(folder) => LlmFiles::open(folder)?,
            None => LlmFiles::read(&self.models, SLM)?,
        })
    }

    /// The SLM with its router.
    pub fn routed(&self) -> Result<SlmFiles, Failure> {
        Ok(SlmFiles::routed(self.slm()?, self.router_place())?)
    }

    /// The folder in which router/ lies.
    pub fn router_place(&self) -> &Path {
        self.slm.as_deref().unwrap_or(&self.models)
    }

    /// The folder of the pair.
    pub fn folder(&self) -> &Path {
        &self.models
    }
}

impl Opened {
    /// What runs them.
    pub fn workers(&self) -> Result<Workers<'_>, Failure> {
        let llm = match (&self.served, &self.llm) {
            (Some(served), _) => Teacher::Asked { ask: served.ask.clone(), name: served.ask.llm() },
            (None, Some(files)) => Teacher::Files(files),
            (None, None) => return Err("there is no LLM: name a server or a pair with one".into()),
        };
        Ok(Workers { slm: &self.slm, llm, device: &self.device, threads: self.threads, longest: self.longest })
    }
}
