//! What costs are computed with: prices, times and bytes, all of them stated in reports.

use crate::Failure;
use citer_lm::Config;
use citer_train::cost::{Prices, Rates, Reads, Times, Wire};
use citer_train::teacher::Teacher;
use citer_train::workers::Workers;

/// Prices, times and bytes.
#[derive(clap::Args, Clone)]
pub struct Costs {
    /// Network round trip, in milliseconds.
    #[arg(long, default_value_t = 85.0)]
    round_trip: f64,
    /// A token of the SLM, in milliseconds.
    #[arg(long, default_value_t = 15.0)]
    slm_ms: f64,
    /// A token of the LLM on its server, in milliseconds.
    #[arg(long, default_value_t = 20.0)]
    llm_ms: f64,
    /// US dollars per million prompt tokens (an example price).
    #[arg(long, default_value_t = 0.90)]
    prompt_price: f64,
    /// US dollars per million prompt tokens found in a prefix cache.
    #[arg(long, default_value_t = 0.09)]
    cached_price: f64,
    /// US dollars per million tokens made.
    #[arg(long, default_value_t = 2.86)]
    output_price: f64,
    /// Bytes of a call without its tokens, both directions.
    #[arg(long, default_value_t = 900.0)]
    call_bytes: f64,
    /// Bytes of a token id in a request or an answer.
    #[arg(long, default_value_t = 5.0)]
    token_bytes: f64,
    /// Bytes that an LLM behind servers reads to decode a token; needed for its memory traffic alone.
    #[arg(long, default_value_t = 0.0)]
    llm_bytes: f64,
}

/// Bytes read to decode a token: F16 weights, F32 keys and values.
fn reads(config: &[u8]) -> Result<Reads, Failure> {
    let config = Config::from_json(config)?;
    let position = 2 * config.num_hidden_layers * config.kv_width() * 4;
    Ok(Reads { weights: 2.0 * config.parameters() as f64, position: position as f64 })
}

impl Costs {
    /// Prices alone.
    pub fn prices(&self) -> Prices {
        Prices { prompt: self.prompt_price, cached: self.cached_price, output: self.output_price }
    }

    /// Bytes on the network alone.
    pub fn wire(&self) -> Wire {
        Wire { call: self.call_bytes, token: self.token_bytes }
    }

    /// Everything that turns counts into costs.
    pub fn rates(&self, workers: &Workers) -> Result<Rates, Failure> {
        Ok(Rates {
            wire: self.wire(),
            prices: self.prices(),
            slm: reads(&workers.slm.config)?,
            llm: match &workers.llm {
                Teacher::Files(files) => reads(&files.config)?,
                Teacher::Asked { .. } => Reads { weights: self.llm_bytes, position: 0.0 },
            },
            times: Times { round_trip: self.round_trip, slm: self.slm_ms, llm: self.llm_ms },
        })
    }
}
