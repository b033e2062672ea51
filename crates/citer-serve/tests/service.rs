//! The service around the model: the page, CORS, the queue, the log, cancelling and ending.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use citer_serve::{ServeConfig, ServeError, serve};
use common::{Gate, Scripted, bytes, config, scratch, start, start_with};
use reqwest::Method;
use serde_json::{Value, json};
use std::{fs, path::Path, sync::Arc};

const TEXT: &str = "/v1/completions";

fn rows(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn health_and_models() {
    let server = start(Scripted::new(vec![])).await;
    let health: Value = server.get("/health").await.json().await.unwrap();
    assert_eq!(health, json!({"status": "ok", "model": "scripted"}));
    let list: Value = server.get("/v1/models").await.json().await.unwrap();
    let model = &list["data"][0];
    assert_eq!(
        (&list["object"], &model["id"], &model["object"]),
        (&json!("list"), &json!("scripted"), &json!("model"))
    );
    assert_eq!((&model["tokenizer_sha256"], &model["context"]), (&json!("ab12"), &json!(64)));
    let one: Value = server.get("/v1/models/scripted").await.json().await.unwrap();
    assert_eq!(&one, model);
}

#[tokio::test]
async fn pages_of_listed_origins_may_ask_and_read_errors() {
    let config = ServeConfig { allow_origins: vec!["https://chat.example".into()], ..config() };
    let server = start_with(Scripted::new(vec![]), config).await;
    let ask = async |method: Method, path: &str, origin: &str| {
        let request = server.client.request(method, server.base.clone() + path).header("origin", origin);
        let asked = request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,authorization");
        asked.send().await.unwrap()
    };
    let preflight = ask(Method::OPTIONS, TEXT, "https://chat.example").await;
    assert_eq!(preflight.status(), 200);
    let headers = preflight.headers();
    assert_eq!(headers["access-control-allow-origin"], "https://chat.example");
    assert_eq!(headers["access-control-allow-headers"], "content-type,authorization");
    assert!(headers.contains_key("access-control-max-age"));
    for path in [TEXT, "/v1/nothing", "/nothing"] {
        let failed = ask(Method::POST, path, "https://chat.example").await;
        assert!(failed.status().is_client_error());
        assert_eq!(failed.headers()["access-control-allow-origin"], "https://chat.example", "{path}");
        assert_eq!(failed.headers()["access-control-expose-headers"], "retry-after,x-request-id");
        let stranger = ask(Method::POST, path, "https://chat.example.evil").await;
        assert!(!stranger.headers().contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn the_bundle_is_served_beside_the_api() {
    let web = scratch("bundle");
    fs::create_dir_all(web.join("models")).unwrap();
    fs::write(web.join("index.html"), format!("<!doctype html>{}", "citer ".repeat(500))).unwrap();
    fs::write(web.join("app.wasm"), b"\0asm".repeat(100)).unwrap();
    fs::write(web.join("models/slm.safetensors"), [0; 500]).unwrap();
    fs::write(web.parent().unwrap().join("secret.txt"), "secret").unwrap();
    let server = start_with(Scripted::new(vec![]), ServeConfig { web: Some(web), ..config() }).await;
    for path in ["/", "/index.html", "/chat/3"] {
        let page = server.get(path).await;
        assert_eq!(page.status(), 200, "{path}");
        let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-type").starts_with("text/html"), "{path}");
        assert_eq!(
            (header("x-content-type-options").as_str(), header("cache-control").as_str()),
            ("nosniff", "no-cache")
        );
        assert!(page.text().await.unwrap().contains("citer"));
    }
    assert_eq!(server.get("/app.wasm").await.headers()["content-type"], "application/wasm");
    for path in ["/app.js", "/models/llm.safetensors", "/..%2fsecret.txt", "/%2e%2e/secret.txt"] {
        let missing = server.get(path).await;
        assert_eq!(missing.status(), 404, "{path}");
        assert!(!missing.text().await.unwrap().contains("secret"));
    }
    for (path, encoding) in
        [("/index.html", Some("gzip")), ("/app.wasm", Some("gzip")), ("/models/slm.safetensors", None)]
    {
        let request = server.client.get(server.base.clone() + path).header("accept-encoding", "gzip");
        let response = request.send().await.unwrap();
        assert_eq!(response.headers().get("content-encoding").map(|value| value.to_str().unwrap()), encoding, "{path}");
    }
    assert_eq!(server.get("/v1/nothing").await.headers()["content-type"], "application/json");
    let dated = server.get("/index.html").await.headers()["last-modified"].clone();
    let again = server.client.get(server.base.clone() + "/index.html").header("if-modified-since", dated);
    assert_eq!(again.send().await.unwrap().status(), 304);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let folder = scratch("empty");
    fs::create_dir_all(&folder).unwrap();
    let taken = start(Scripted::new(vec![])).await.base["http://".len()..].parse().unwrap();
    let start = async |config| serve(config, Scripted::new(vec![]), async {}).await.err();
    let bundle = ServeConfig { web: Some(folder.clone()), ..config() };
    assert!(matches!(start(bundle).await, Some(ServeError::Bundle(_))));
    let origin = ServeConfig { allow_origins: vec!["example.com".into()], ..config() };
    assert!(matches!(start(origin).await, Some(ServeError::Origin(_))));
    let log = ServeConfig { request_log: Some(folder), ..config() };
    assert!(matches!(start(log).await, Some(ServeError::Log { .. })));
    assert!(matches!(start(ServeConfig { listen: taken, ..config() }).await, Some(ServeError::Listen { .. })));
}

#[tokio::test]
async fn a_full_queue_asks_to_wait() {
    let gate = Arc::new(Gate::default());
    let server = start_with(Scripted::new(bytes("ok")).gated(&gate), ServeConfig { queue: 1, ..config() }).await;
    let ask = async || {
        let response = server.send(TEXT, &json!({"prompt": "q?"})).await;
        (response.status().as_u16(), response.headers().get("retry-after").cloned())
    };
    let third = async {
        tokio::task::spawn_blocking({
            let gate = gate.clone();
            move || gate.wait_entered()
        })
        .await
        .unwrap();
        // One is being answered. Of two more one fits the queue; the other is told at once and opens the gate.
        let ask = async || {
            let answer = ask().await;
            if answer.0 == 429 {
                gate.open();
            }
            answer
        };
        tokio::join!(ask(), ask())
    };
    let (first, (second, third)) = tokio::join!(ask(), third);
    let mut answers = [first, second, third];
    answers.sort_by_key(|answer| answer.0);
    assert_eq!(answers.clone().map(|answer| answer.0), [200, 200, 429]);
    assert_eq!(answers[2].1.as_ref().unwrap(), "1");
}

#[tokio::test]
async fn the_log_has_a_row_for_every_generation_and_no_text() {
    let path = scratch("log");
    let config = ServeConfig { request_log: Some(path.clone()), ..config() };
    let server = start_with(Scripted::new(bytes("ok")), config).await;
    server.ok(TEXT, json!({"prompt": "who?"})).await;
    server.ok(TEXT, json!({"prompt": "who?", "max_tokens": 1})).await;
    server.ok("/v1/chat/completions", json!({"messages": [{"role": "user", "content": "q?"}]})).await;
    server.send(TEXT, &json!({"prompt": "#"})).await;
    server.send(TEXT, &json!({"prompt": ""})).await;
    let rows = rows(&path);
    let seen: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["endpoint"].as_str().unwrap(),
                row["status"].as_str().unwrap(),
                row["prompt_tokens"].clone(),
                row["cached_tokens"].clone(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (TEXT, "stop", json!(4), json!(0)),
            (TEXT, "length", json!(4), json!(3)),
            ("/v1/chat/completions", "stop", json!(4), json!(0)),
            (TEXT, "failed", json!(1), json!(0)),
        ]
    );
    assert_eq!(rows[0]["token_ids"], json!([bytes("ok"), vec![0]].concat()));
    assert!(
        rows.iter().all(|row| row["time_ms"].as_u64() > Some(1_600_000_000_000) && row["ms"].as_f64() >= Some(0.0))
    );
    assert_eq!(rows[0].as_object().unwrap().len(), 7);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_generation() {
    let path = scratch("cancelled");
    let config = ServeConfig { request_log: Some(path.clone()), ..config() };
    let server = start_with(Scripted::new(vec![]).slow(), config).await;
    for stream in [true, false] {
        let before = rows(&path).len();
        let body = json!({"prompt": "a", "max_tokens": 1_000, "temperature": 0, "stream": stream});
        if stream {
            let mut response = server.send(TEXT, &body).await;
            assert!(response.chunk().await.unwrap().is_some());
        } else {
            let request = server.client.post(server.base.clone() + TEXT).json(&body);
            let waited = request.timeout(std::time::Duration::from_millis(200)).send().await;
            assert!(waited.is_err());
        }
        while rows(&path).len() == before {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let row = rows(&path).pop().unwrap();
        assert_eq!(row["status"], "cancelled", "{row}");
    }
    server.ok(TEXT, json!({"prompt": "q?"})).await;
}

#[tokio::test]
async fn shutting_down_finishes_what_runs() {
    let gate = Arc::new(Gate::default());
    let mut server = start(Scripted::new(bytes("ok")).gated(&gate)).await;
    let (client, base) = (server.client.clone(), server.base.clone());
    let request = client.post(base.clone() + TEXT).json(&json!({"prompt": "q?"})).send();
    let end = async {
        let entered = gate.clone();
        tokio::task::spawn_blocking(move || entered.wait_entered()).await.unwrap();
        let running = server.shut_down();
        gate.open();
        running.finished().await.unwrap();
    };
    let (response, ()) = tokio::join!(async { request.await.unwrap().text().await.unwrap() }, end);
    assert!(response.contains("\"text\":\"ok\""), "{response}");
    assert!(client.get(base + "/health").send().await.is_err());
}
