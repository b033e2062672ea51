//! LLMs behind servers that speak as vLLM and SGLang document it: labels made with them are those of the LLM in the
//! program's own process.
//!
//! The servers here take nothing but what is documented and asked of them, and answer with all documented fields. What the
//! LLM says they have from `citer serve`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use citer_core::TokenId;
use citer_remote::{Continuation, Remote};
use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/models")
}

/// `citer serve`, ended with the test.
struct Served(Child, String);

impl Served {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_citer"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--models"]).arg(models());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self(child, url)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Refuses a request, as a field that is not documented or has another type would be.
type Refusal = (StatusCode, Json<Value>);

fn refuse(words: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, Json(json!({"error": {"message": words, "type": "BadRequestError", "code": 400}})))
}

/// The fields of an object, of which none may be but `known`.
fn fields<'a>(value: &'a Value, known: &[&str]) -> Result<&'a Map<String, Value>, Refusal> {
    let fields = value.as_object().ok_or_else(|| refuse("no object"))?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(refuse(&format!("unknown field {name}"))),
        None => Ok(fields),
    }
}

fn ids(value: Option<&Value>) -> Result<Vec<TokenId>, Refusal> {
    serde_json::from_value(value.cloned().unwrap_or_default()).map_err(|_| refuse("the prompt is no list of ids"))
}

fn count(value: Option<&Value>, what: &str) -> Result<u32, Refusal> {
    value.and_then(Value::as_u64).map(|count| count as u32).ok_or_else(|| refuse(&format!("{what} is no number")))
}

async fn ask(llm: &Remote, prompt: &[TokenId], most: u32) -> Result<Continuation, Refusal> {
    llm.tokens(prompt, most).await.map_err(|error| refuse(&error.to_string()))
}

/// The LLM, and how many tokens of its own the server puts before every prompt.
type Llm = (Arc<Remote>, usize);

/// `POST /v1/completions` of vLLM.
async fn vllm(State((llm, added)): State<Llm>, Json(body): Json<Value>) -> Result<Json<Value>, Refusal> {
    let known = ["model", "prompt", "max_tokens", "temperature", "repetition_penalty", "logprobs", "return_token_ids"];
    let fields = fields(&body, &[&known[..], &["return_tokens_as_token_ids"]].concat())?;
    if fields["model"] != "served" || fields["temperature"] != 0 || fields["repetition_penalty"] != 1 {
        return Err(refuse("another model, or not greedy"));
    }
    let as_ids = fields["return_tokens_as_token_ids"] == true && fields["return_token_ids"] == true;
    let top = count(fields.get("logprobs"), "logprobs")? as usize;
    if !as_ids || top > 20 {
        return Err(refuse("tokens are wanted as text, or more than 20 candidates"));
    }
    let (prompt, most) = (ids(fields.get("prompt"))?, count(fields.get("max_tokens"), "max_tokens")?);
    let found = ask(&llm, &prompt, most).await?;
    let name = |id: TokenId| format!("token_id:{id}");
    let log = |probability: f32| f64::from(probability).ln().max(-9999.0);
    let tops: Vec<Value> = found
        .tokens
        .iter()
        .map(|token| token.top.iter().take(top + 1).map(|c| (name(c.id), json!(log(c.probability)))).collect())
        .map(Value::Object)
        .collect();
    let tokens: Vec<TokenId> = found.tokens.iter().map(|token| token.token).collect();
    let own: Vec<&Value> = tokens.iter().zip(&tops).map(|(id, top)| &top[name(*id)]).collect();
    Ok(Json(json!({
        "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "served", "service_tier": null,
        "system_fingerprint": null, "kv_transfer_params": null,
        "choices": [{
            "index": 0, "text": "", "finish_reason": if found.stopped { "stop" } else { "length" }, "stop_reason": null,
            "prompt_logprobs": null, "prompt_token_ids": prompt, "token_ids": tokens,
            "logprobs": {
                "text_offset": vec![0; tokens.len()], "tokens": tokens.iter().map(|id| name(*id)).collect::<Vec<_>>(),
                "token_logprobs": own, "top_logprobs": tops,
            },
        }],
        "usage": {
            "prompt_tokens": prompt.len() + added, "completion_tokens": tokens.len(),
            "total_tokens": prompt.len() + tokens.len(), "prompt_tokens_details": null,
        },
    })))
}

/// `POST /generate` of SGLang.
async fn sglang(State((llm, added)): State<Llm>, Json(body): Json<Value>) -> Result<Json<Value>, Refusal> {
    let body = fields(&body, &["input_ids", "sampling_params", "return_logprob", "top_logprobs_num"])?;
    let sampling = fields(&body["sampling_params"], &["max_new_tokens", "temperature", "repetition_penalty"])?;
    if sampling["temperature"] != 0 || sampling["repetition_penalty"] != 1 || body["return_logprob"] != true {
        return Err(refuse("not greedy, or without log probabilities"));
    }
    let top = count(body.get("top_logprobs_num"), "top_logprobs_num")? as usize;
    let most = count(sampling.get("max_new_tokens"), "max_new_tokens")?;
    let prompt = ids(body.get("input_ids"))?;
    let found = ask(&llm, &prompt, most).await?;
    let entry = |id: TokenId, probability: f32| json!([f64::from(probability).ln(), id, null]);
    let tops: Vec<Vec<Value>> = found
        .tokens
        .iter()
        .map(|token| token.top.iter().take(top).map(|c| entry(c.id, c.probability)).collect())
        .collect();
    let own = found.tokens.iter().map(|token| {
        let chance = token.top.iter().find(|c| c.id == token.token).map_or(0.0, |c| c.probability);
        entry(token.token, chance)
    });
    let tokens: Vec<TokenId> = found.tokens.iter().map(|token| token.token).collect();
    let reason = match (found.stopped, tokens.last()) {
        (true, Some(end)) => json!({"type": "stop", "matched": end}),
        _ => json!({"type": "length", "length": most}),
    };
    Ok(Json(json!({
        "text": "", "output_ids": tokens,
        "meta_info": {
            "id": "1", "finish_reason": reason, "prompt_tokens": prompt.len() + added, "weight_version": "default",
            "input_token_logprobs": [], "output_token_logprobs": own.collect::<Vec<_>>(), "input_top_logprobs": [],
            "output_top_logprobs": tops, "completion_tokens": tokens.len(), "cached_tokens": 1, "e2e_latency": 0.01,
        },
    })))
}

/// Serves what `citer serve` at `llm` says, in the manner of `owner`, with `added` tokens before every prompt; returns the
/// address.
async fn serve(owner: &'static str, llm: &str, added: usize) -> String {
    let mut remote = Remote::new(llm, None, Duration::from_secs(60)).unwrap();
    remote.probe().await.unwrap();
    let card = json!({
        "id": "served", "object": "model", "created": 1, "owned_by": owner, "root": "served", "parent": null,
        "max_model_len": 256,
    });
    let list = json!({"object": "list", "data": [card]});
    let app = Router::new()
        .route("/v1/models", get(|| async move { Json(list) }))
        .route(
            if owner == "vllm" { "/v1/completions" } else { "/generate" },
            if owner == "vllm" { post(vllm) } else { post(sglang) },
        )
        .with_state((Arc::new(remote), added));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// Labels a few questions; returns the bytes of the table, or what was said instead.
async fn label(out: PathBuf, more: Vec<String>) -> Result<Vec<u8>, String> {
    let run = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_citer"));
        command.args(["label", "--saving", "0", "--per-family", "4", "--models"]).arg(models());
        let Output { status, stdout, stderr } = command.arg("--out").arg(&out).args(more).output().unwrap();
        let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        if status.success() { Ok(std::fs::read(out.join("part-00000.safetensors")).unwrap()) } else { Err(said) }
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// The bytes of a column.
fn read(bytes: &[u8], column: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let place = |i: usize| header[column]["data_offsets"][i].as_u64().unwrap() as usize + 8 + length;
    bytes[place(0)..place(1)].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn vllm_and_sglang_teach_what_the_llm_in_this_process_does() {
    let folder = std::env::temp_dir().join(format!("citer-dialects-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let here = label(folder.join("here"), Vec::new()).await.unwrap();
    let own = Served::start();
    for owner in ["vllm", "sglang"] {
        let url = serve(owner, &own.1, 0).await;
        let answers = folder.join(format!("{owner}-answers")).to_string_lossy().into_owned();
        let more = ["--server", &url, "--answers", &answers].map(str::to_owned);
        let served = label(folder.join(owner), more.into()).await.unwrap();
        for column in ["question", "depth", "origin", "case", "gold_token", "slm_token", "llm_token", "hidden"] {
            assert_eq!(read(&here, column), read(&served, column), "{column} of {owner}");
        }
        let floats = |bytes: &[u8]| -> Vec<f32> {
            let column = read(bytes, "llm_probability");
            column.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
        };
        let (a, b) = (floats(&here), floats(&served));
        assert!(b.iter().all(|p| p.is_finite()), "{owner} tells all probabilities");
        assert!(a.iter().zip(&b).all(|(p, q)| (p - q).abs() < 1e-3), "{owner}");
        // A server that puts a token before every prompt would speak of other states.
        let url = serve(owner, &own.1, 1).await;
        let more = ["--server", &url, "--answers", &answers].map(str::to_owned);
        let said = label(folder.join("added"), more.into()).await.unwrap_err();
        assert!(said.contains("tokens where") && said.contains("were sent"), "{said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
