//! Bad clients: slow ones, many at once, giant and broken requests. Others go on being answered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use citer_serve::ServeConfig;
use common::{Scripted, Server, bytes, config, start, start_with};
use futures::future::join_all;
use serde_json::json;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const TEXT: &str = "/v1/completions";
/// Longer than anything takes that works; reached only by what hangs.
const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.base.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Sends bytes and reads until the server closes the connection.
async fn talk(server: &Server, request: &[u8]) -> String {
    let mut stream = connect(server).await;
    // The server may have seen enough before all is sent.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the connection stays open for ever");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn is_well(server: &Server) {
    let answer = server.ok(TEXT, json!({"prompt": "q?", "temperature": 0})).await;
    assert_eq!(answer["choices"][0]["text"], "ok");
}

#[tokio::test]
async fn clients_that_never_finish_a_request_are_cut_off() {
    let limits = ServeConfig {
        header_timeout: Duration::from_millis(300),
        request_timeout: Duration::from_millis(600),
        ..config()
    };
    let server = start_with(Scripted::new(bytes("ok")), limits).await;
    let starts = [
        "",
        "P",
        "POST /v1/completions HTTP/1.1\r\nhost: a\r\nx-slow: ",
        "POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{\"prompt\"",
        "POST /v1/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"pro",
    ];
    let slow = join_all((0..60).map(|number| talk(&server, starts[number % starts.len()].as_bytes())));
    let (answers, ()) = tokio::join!(slow, async {
        for _ in 0..5 {
            is_well(&server).await;
        }
    });
    for (number, answer) in answers.iter().enumerate() {
        let has_head = number % starts.len() >= 3;
        assert!(!has_head || answer.starts_with("HTTP/1.1 408"), "{number}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 200"), "{number}: {answer}");
    }
    is_well(&server).await;
}

#[tokio::test]
async fn a_flood_is_answered_or_told_to_come_back() {
    let limits = ServeConfig { queue: 4, batch: 2, max_connections: 40, ..config() };
    let server = start_with(Scripted::new(bytes("ok")), limits).await;
    let ask = async || {
        let body = json!({"prompt": "q?", "temperature": 0});
        // A connection each, more than there is room for.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        let response = client.post(server.base.clone() + TEXT).json(&body).timeout(PATIENCE).send().await.unwrap();
        (response.status().as_u16(), response.headers().contains_key("retry-after"), response.text().await.unwrap())
    };
    let answers = join_all((0..300).map(|_| ask())).await;
    assert!(answers.iter().any(|answer| answer.0 == 200));
    for (status, has_time, body) in &answers {
        match status {
            200 => assert!(body.contains("\"text\":\"ok\""), "{body}"),
            429 => assert!(*has_time),
            other => panic!("{other}: {body}"),
        }
    }
    is_well(&server).await;
}

#[tokio::test]
async fn giant_requests_are_refused_before_they_are_read() {
    let server = start_with(Scripted::new(bytes("ok")), ServeConfig { max_body: 4_096, ..config() }).await;
    let head = "POST /v1/completions HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    let announced = talk(&server, format!("{head}content-length: 99999999999\r\n\r\n{{").as_bytes()).await;
    assert!(announced.starts_with("HTTP/1.1 413"), "{announced}");
    let chunk = format!("1000\r\n{}\r\n", "a".repeat(0x1000));
    let endless =
        talk(&server, format!("{head}transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(50)).as_bytes()).await;
    assert!(endless.is_empty() || endless.starts_with("HTTP/1.1 413"), "{endless}");
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(1 << 20));
    let answer = talk(&server, long.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{}", &answer[..answer.len().min(80)]);
    let many: String = (0..500).map(|number| format!("x-{number}: a\r\n")).collect();
    let answer = talk(&server, format!("GET /health HTTP/1.1\r\nhost: a\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let response = server.client.post(server.base.clone() + TEXT).body(format!("{{\"prompt\":{deep}}}")).send().await;
    assert_eq!(response.unwrap().status(), 400, "nested deeper than anybody needs");
    is_well(&server).await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_errors() {
    let server = start(Scripted::new(bytes("ok"))).await;
    for body in
        [&b"\xff\xfe"[..], b"{\"prompt\": \"\xff\"}", b"{\"prompt\": \"\\ud800\"}", b"\x00", b"{\"prompt\":\"a\"}\xff"]
    {
        for path in [TEXT, "/v1/chat/completions", "/v1/sessions", "/v1/sessions/x/tokens"] {
            let response = server.client.post(server.base.clone() + path).body(body.to_vec()).send().await.unwrap();
            assert_eq!(response.status(), 400, "{path} {body:?}");
        }
    }
    for request in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET /\xff\xfe HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        b"GET /%ff%fe HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: a\r\nauthorization: \xff\xff\r\nconnection: close\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"nonsense\r\n\r\n",
    ] {
        let answer = talk(&server, request).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "{answer}");
        assert!(!answer.contains("root:"));
    }
    is_well(&server).await;
}

#[tokio::test]
async fn streams_that_are_cancelled_leave_their_neighbours_alone() {
    let server = start(Scripted::new(vec![])).await;
    let alone = server.ok(TEXT, json!({"prompt": "hello", "temperature": 0, "max_tokens": 50})).await;
    let cancelled = async |number: usize| {
        let body = json!({"prompt": format!("{number} hello"), "temperature": 0, "max_tokens": 50, "stream": true});
        let mut response = server.send(TEXT, &body).await;
        for _ in 0..number % 4 {
            let _ = response.chunk().await;
        }
    };
    let kept = async || server.ok(TEXT, json!({"prompt": "hello", "temperature": 0, "max_tokens": 50})).await;
    let (_, answers) = tokio::join!(join_all((0..24).map(cancelled)), join_all((0..8).map(|_| kept())));
    for answer in answers {
        assert_eq!(answer["choices"][0]["text"], alone["choices"][0]["text"]);
    }
    loop {
        let text = server.get("/metrics").await.text().await.unwrap();
        if text.lines().any(|line| line == "citer_running 0") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
