//! The gateway: keys, allowances, and servers behind this one whose keys and addresses stay here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use citer_serve::{KeyEntry, ServeConfig, ServeError, UpstreamEntry, keys, serve_upstreams};
use common::{CONTEXT, Scripted, Server, bytes, config, scratch, start, start_with};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TEXT: &str = "/v1/completions";
const CHAT: &str = "/v1/chat/completions";
const SECRET: &str = "the-upstreams-own-key";

/// An upstream that records what it is sent and answers by the name of the model.
#[derive(Clone, Default)]
struct Fake {
    seen: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

impl Fake {
    async fn start(&self) -> String {
        let app = Router::new()
            .route("/v1/completions", post(Self::answer))
            .route("/v1/models", get(async || Json(json!({"data": [{"id": "plain", "max_model_len": 99}]}))))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        format!("http://{address}")
    }

    async fn answer(State(fake): State<Self>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
        let model = body["model"].as_str().unwrap().to_owned();
        fake.seen.lock().unwrap().push((headers, body));
        let error = |message: &str| Json(json!({"error": {"message": message}}));
        match model.as_str() {
            "refuses" => (StatusCode::UNAUTHORIZED, error(&format!("bad key {SECRET}"))).into_response(),
            "leads-on" => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "http://127.0.0.1:1/")]).into_response(),
            "busy" => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")], error("slow down")).into_response(),
            "broken" => (StatusCode::INTERNAL_SERVER_ERROR, error("boom")).into_response(),
            _ => Json(json!({"choices": [{"text": "hi", "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}}))
            .into_response(),
        }
    }
}

fn upstream(url: &str, models: &[&str]) -> UpstreamEntry {
    let models = models.iter().map(|model| (*model).into()).collect();
    UpstreamEntry { url: url.into(), models, ..UpstreamEntry::default() }
}

/// A key of `name` with its entry.
fn key(name: &str) -> (String, KeyEntry) {
    let (key, sha256) = keys::create().unwrap();
    (key, KeyEntry { name: name.into(), sha256, requests_per_minute: None, tokens_per_day: None })
}

async fn gateway(config: ServeConfig, upstreams: &[UpstreamEntry]) -> Server {
    let stopped = std::future::pending::<()>();
    let running = serve_upstreams(config, upstreams, stopped).await.unwrap();
    Server::over(running)
}

async fn send(server: &Server, key: &str, path: &str, body: &Value) -> (u16, HeaderMap, Value) {
    let request = server.client.post(server.base.clone() + path).bearer_auth(key).json(body);
    let response = request.header("origin", "https://chat.example").send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.json().await.unwrap_or_default())
}

#[tokio::test]
async fn what_an_upstream_answers_arrives_as_it_is() {
    let inner = start(Scripted::new(bytes("né!"))).await;
    let outer = gateway(config(), &[upstream(&inner.base, &[])]).await;
    let list: Value = outer.get("/v1/models").await.json().await.unwrap();
    let model = &list["data"][0];
    assert_eq!((&model["id"], &model["tokenizer_sha256"]), (&json!("scripted"), &json!("ab12")));
    assert_eq!((&model["context"], &model["sessions"]), (&json!(CONTEXT), &json!(true)));
    for (path, body) in [
        (TEXT, json!({"prompt": "q?", "logprobs": 2, "return_token_ids": true})),
        (CHAT, json!({"model": "scripted", "messages": [{"role": "user", "content": "q?"}]})),
    ] {
        let plain = |mut answer: Value| {
            (answer["id"], answer["created"], answer["usage"]) = (json!(0), json!(0), json!(0));
            answer
        };
        assert_eq!(plain(outer.ok(path, body.clone()).await), plain(inner.ok(path, body.clone()).await));
        let streams = [outer.stream(path, body.clone()).await, inner.stream(path, body).await];
        let [ours, theirs] = streams.map(|chunks| chunks.into_iter().map(plain).collect::<Vec<_>>());
        assert_eq!(ours, theirs);
    }
    let (status, error) = outer.post(TEXT, &json!({"prompt": "a", "temperature": 9})).await;
    assert_eq!((status.as_u16(), &error["error"]["type"]), (400, &json!("invalid_request_error")));
    assert!(error["error"]["message"].as_str().unwrap().starts_with("temperature"), "{error}");
    assert_eq!(error["error"]["param"], "temperature");
    let (status, error) = outer.post(TEXT, &json!({"prompt": vec![5; CONTEXT + 1]})).await;
    assert_eq!((status.as_u16(), &error["error"]["code"]), (400, &json!("context_length_exceeded")));
}

#[tokio::test]
async fn sessions_work_over_an_upstream_without_sessions() {
    let inner = start(Scripted::new(vec![])).await;
    let outer = gateway(config(), &[upstream(&inner.base, &[])]).await;
    let (status, opened) = outer.post("/v1/sessions", &json!({"model": "scripted"})).await;
    assert_eq!(status, 201);
    let path = format!("/v1/sessions/{}/tokens", opened["session"].as_str().unwrap());
    let (mut history, mut suffix) = (Vec::new(), bytes("a longer beginning of a conversation"));
    for _ in 0..5 {
        let body = json!({"position": history.len(), "ids": suffix, "max_tokens": 1, "logprobs": 2});
        let answer = outer.ok(&path, body).await;
        history.extend_from_slice(&suffix);
        let body = json!({"prompt": history, "temperature": 0, "max_tokens": 1, "return_token_ids": true});
        let whole = inner.ok(TEXT, body).await;
        assert_eq!(
            (&answer["ids"], &answer["text"]),
            (&whole["choices"][0]["token_ids"], &whole["choices"][0]["text"])
        );
        assert_eq!((&answer["computed"], &answer["position"]), (&json!(suffix.len()), &json!(history.len())));
        assert_eq!(answer["logprobs"][0][0]["id"], answer["ids"][0]);
        suffix = vec![answer["ids"][0].as_u64().unwrap() as u32];
    }
}

#[tokio::test]
async fn an_upstream_is_told_how_a_session_draws() {
    let inner = start(Scripted::new(vec![])).await;
    let outer = gateway(config(), &[upstream(&inner.base, &[])]).await;
    let (_, opened) = outer.post("/v1/sessions", &json!({})).await;
    let path = format!("/v1/sessions/{}/tokens", opened["session"].as_str().unwrap());
    for (seed, top_p) in [(3, 1.0), (4, 1.0), (3, 0.5)] {
        let manner = json!({"temperature": 0.8, "top_p": top_p});
        let (mut within, mut direct) = (manner.clone(), manner);
        (within["position"], within["ids"], within["seed"]) = (json!(0), json!([7, 8, 9]), json!(seed));
        (direct["prompt"], direct["max_tokens"], direct["return_token_ids"]) =
            (json!([7, 8, 9]), json!(1), json!(true));
        let sampling = citer_core::Sampling { seed, ..Default::default() };
        direct["seed"] = json!(sampling.seed_at(3));
        let expected = inner.ok(TEXT, direct).await["choices"][0]["token_ids"].clone();
        assert_eq!(outer.ok(&path, within).await["ids"], expected);
    }
}

#[tokio::test]
async fn the_upstreams_key_stays_here_and_the_clients_key_is_not_passed_on() {
    let (fake, file) = (Fake::default(), scratch("upstream-key"));
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let url = fake.start().await;
    let models = ["plain", "refuses", "leads-on", "busy", "broken"];
    let entry = UpstreamEntry { key_file: Some(file), ..upstream(&url, &models) };
    let (key, ours) = key("ann");
    let server = gateway(ServeConfig { keys: vec![ours], ..config() }, &[entry]).await;
    for (model, status, retry) in [
        ("plain", 200, None),
        ("refuses", 502, None),
        ("leads-on", 502, None),
        ("busy", 429, Some("7")),
        ("broken", 502, None),
    ] {
        let (seen, headers, answer) = send(&server, &key, TEXT, &json!({"model": model, "prompt": "a"})).await;
        assert_eq!(
            (seen, headers.get("retry-after").map(|v| v.to_str().unwrap())),
            (status, retry),
            "{model}: {answer}"
        );
        for secret in [SECRET, &url, &key] {
            assert!(!answer.to_string().contains(secret), "{model}: {answer}");
        }
    }
    let (status, _, answer) = send(&server, &key, TEXT, &json!({"model": "unlisted", "prompt": "a"})).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("model_not_found")));
    let seen = fake.seen.lock().unwrap();
    assert_eq!(seen.len(), models.len(), "a model that is not listed is not asked for");
    assert!(seen.iter().all(|(headers, _)| headers["authorization"] == format!("Bearer {SECRET}")));
    assert!(seen.iter().all(|(headers, _)| !headers.contains_key("origin")));
}

#[tokio::test]
async fn without_the_right_key_nothing_is_told() {
    let ((key, ann), (other, bob)) = (key("ann"), key("bob"));
    let keys = ServeConfig { keys: vec![ann, bob], allow_origins: vec!["https://chat.example".into()], ..config() };
    let server = start_with(Scripted::new(vec![]), keys).await;
    let body = json!({"prompt": "q?", "max_tokens": 1});
    for wrong in ["", "citer_", &key[..key.len() - 1], &key.to_uppercase()] {
        for path in [TEXT, CHAT, "/v1/sessions", "/v1/sessions/x/tokens", "/v1/nothing"] {
            let (status, headers, error) = send(&server, wrong, path, &body).await;
            assert_eq!((status, &error["error"]["code"]), (401, &json!("invalid_api_key")), "{path}");
            assert_eq!(headers["access-control-allow-origin"], "https://chat.example", "a page can read why");
            assert_eq!(headers["www-authenticate"], "Bearer");
        }
    }
    for (path, status) in [("/health", 200), ("/openapi.json", 200), ("/v1/models", 401), ("/metrics", 401)] {
        assert_eq!(server.get(path).await.status(), status, "{path}");
    }
    assert_eq!(send(&server, &key, TEXT, &body).await.0, 200);
    // A session belongs to its key.
    let (status, _, opened) = send(&server, &key, "/v1/sessions", &json!({})).await;
    assert_eq!(status, 201);
    let path = format!("/v1/sessions/{}/tokens", opened["session"].as_str().unwrap());
    let body = json!({"position": 0, "ids": [5]});
    assert_eq!(send(&server, &other, &path, &body).await.0, 404);
    assert_eq!(send(&server, &key, &path, &body).await.0, 200);
}

#[tokio::test]
async fn allowances_end_with_a_time_to_come_back() {
    let (quick, mut few) = key("few");
    few.requests_per_minute = Some(2);
    let (small, mut little) = key("little");
    little.tokens_per_day = Some(6);
    let server = start_with(Scripted::new(vec![]), ServeConfig { keys: vec![few, little], ..config() }).await;
    for (key, code) in [(quick, "rate_limit_exceeded"), (small, "budget_exhausted")] {
        let body = json!({"prompt": &code[..4], "max_tokens": 2, "temperature": 0});
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(send(&server, &key, TEXT, &body).await);
        }
        let last = answers.pop().unwrap();
        assert_eq!((last.0, &last.2["error"]["code"]), (429, &json!(code)));
        assert!(last.1["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
        // Four tokens are computed and two generated: that was all the second key has.
        let expected = if code == "budget_exhausted" { [200, 429] } else { [200, 200] };
        assert_eq!([answers[0].0, answers[1].0], expected);
    }
}

#[tokio::test]
async fn what_an_upstream_computed_counts() {
    let fake = Fake::default();
    let (key, mut entry) = key("ann");
    entry.tokens_per_day = Some(9);
    let url = fake.start().await;
    let server = gateway(ServeConfig { keys: vec![entry], ..config() }, &[upstream(&url, &["plain"])]).await;
    // Ten prompt tokens, four of them cached, and three generated.
    assert_eq!(send(&server, &key, TEXT, &json!({"prompt": "a"})).await.0, 200);
    assert_eq!(send(&server, &key, TEXT, &json!({"prompt": "a"})).await.0, 429);
    let text = server.client.get(server.base.clone() + "/metrics").bearer_auth(&key).send().await.unwrap();
    let text = text.text().await.unwrap();
    for line in ["citer_prompt_tokens_total 10", "citer_cached_tokens_total 4", "citer_generated_tokens_total 3"] {
        assert!(text.contains(line), "{text}");
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there() {
    let server = gateway(config(), &[upstream("http://127.0.0.1:1", &["gone"])]).await;
    let (status, error) = server.post(TEXT, &json!({"prompt": "a"})).await;
    assert_eq!((status.as_u16(), &error["error"]["type"]), (502, &json!("upstream_error")));
    let open = async |entries: &[UpstreamEntry]| {
        serve_upstreams(config(), entries, std::future::pending::<()>()).await.map(|_| ())
    };
    for bad in [
        vec![upstream("http://127.0.0.1:1", &[])],
        vec![upstream("not an address", &["a"])],
        vec![upstream("http://127.0.0.1:1", &["a"]), upstream("http://127.0.0.1:2", &["a"])],
        vec![UpstreamEntry { key_env: Some("CITER_NOT_SET".into()), ..upstream("http://127.0.0.1:1", &["a"]) }],
    ] {
        assert!(matches!(open(&bad).await, Err(ServeError::Upstream(_))), "{bad:?}");
    }
    assert!(matches!(open(&[]).await, Err(ServeError::NoModel)));
}

#[tokio::test]
async fn metrics_tell_what_happened() {
    let server = start(Scripted::new(vec![])).await;
    for _ in 0..2 {
        server.ok(TEXT, json!({"prompt": "abcd", "max_tokens": 1, "temperature": 0})).await;
    }
    server.post("/v1/sessions", &json!({})).await;
    server.get("/v1/nothing").await;
    let text = server.get("/metrics").await.text().await.unwrap();
    for line in [
        "citer_requests_total{path=\"/v1/completions\",status=\"200\"} 2",
        "citer_escalations_total 2",
        "citer_prompt_tokens_total 8",
        "citer_cached_tokens_total 3",
        "citer_generated_tokens_total 2",
        "citer_time_to_first_token_seconds_count 2",
        "citer_queue_seconds_count 2",
        "citer_sessions 1",
        "citer_running 0",
        "citer_cache_blocks 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("nothing"), "paths that anybody may invent are no labels");
}

#[tokio::test]
async fn the_document_lists_every_route_and_every_route_answers() {
    let server = start(Scripted::new(vec![])).await;
    let document: Value = server.get("/openapi.json").await.json().await.unwrap();
    let paths = document["paths"].as_object().unwrap();
    let routes = include_str!("../src/router.rs").split(".route(\"").skip(1);
    let routes = routes.filter_map(|rest| rest.split_once('"').map(|(path, _)| path.replace("{*", "{")));
    let routes: Vec<_> = routes.filter(|path| !["/v1", "/v1/", "/v1/{rest}"].contains(&path.as_str())).collect();
    assert_eq!(routes.len(), paths.len());
    for route in routes {
        assert!(paths.contains_key(&route), "{route}");
    }
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let filled = path.replace("{name}", "scripted").replace("{id}", "none");
            let request = server.client.request(method.clone(), server.base.clone() + &filled);
            let response = request.json(&json!({"prompt": "q?", "messages": [{"role": "user", "content": "q?"}]}));
            let response = response.send().await.unwrap();
            let (status, body) = (response.status(), response.text().await.unwrap());
            assert!(status != 405 && !body.contains("unknown_url"), "{method} {path}: {status} {body}");
            assert!(operation["responses"].as_object().unwrap().len() > 1);
        }
    }
}

#[tokio::test]
async fn connections_are_encrypted_when_a_certificate_is_given() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (cert, key) = (scratch("cert.pem"), scratch("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = citer_serve::TlsFiles { cert, key };
    let server = start_with(Scripted::new(vec![]), ServeConfig { tls: Some(files.clone()), ..config() }).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let client = client.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client.with_no_client_auth()));
    let stream = tokio::net::TcpStream::connect(server.base.strip_prefix("http://").unwrap()).await.unwrap();
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // A client that offers HTTP/2 gets it, for all its requests over one connection.
    let root = reqwest::Certificate::from_der(made.cert.der()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
    let url = server.base.replace("http://127.0.0.1", "https://localhost") + "/health";
    let answers = futures::future::try_join_all((0..200).map(|_| client.get(&url).send())).await.unwrap();
    assert!(answers.iter().all(|answer| answer.status() == 200 && answer.version() == reqwest::Version::HTTP_2));
    assert!(server.client.get(server.base.clone() + "/health").send().await.is_err(), "plain text is not answered");
    let swapped = citer_serve::TlsFiles { cert: files.key, key: files.cert };
    let config = ServeConfig { tls: Some(swapped), ..config() };
    let refused = citer_serve::serve(config, Scripted::new(vec![]), std::future::pending::<()>()).await;
    assert!(matches!(refused.err(), Some(ServeError::Tls(_))));
}
