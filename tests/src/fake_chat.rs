//! An endpoint that speaks only chat: it goes on with the assistant's message, word by word, and remembers what it was told.

use serde_json::{Value, json};
use std::{
    io,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// What it says in the end.
const WORDS: [&str; 3] = ["The", " answer", " is"];

/// A running endpoint; it ends with the test's runtime.
pub struct FakeChat {
    url: String,
    told: Arc<Mutex<Vec<Value>>>,
}

impl FakeChat {
    /// Starts it at a free port, for any page.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let told = Arc::<Mutex<Vec<Value>>>::default();
        let kept = told.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let told = kept.clone();
                tokio::spawn(async move {
                    // The browser may go away at any moment.
                    let _ = answer(stream, &told).await;
                });
            }
        });
        Self { url, told }
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The bodies of all questions so far.
    pub fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }
}

async fn answer(stream: TcpStream, told: &Mutex<Vec<Value>>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut first, mut length, mut line) = (String::new(), 0, String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 || line.trim().is_empty() {
            break;
        }
        let words = line.trim().to_ascii_lowercase();
        if first.is_empty() {
            first = line.trim().to_owned();
        } else if let Some(count) = words.strip_prefix("content-length:") {
            length = count.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let (status, body) = match first.split(' ').collect::<Vec<_>>()[..] {
        ["OPTIONS", ..] => ("204 No Content", Value::Null),
        ["GET", "/v1/models", _] => ("200 OK", json!({"object": "list", "data": [{"id": "fake-chat"}]})),
        ["POST", "/v1/chat/completions", _] => ("200 OK", said(serde_json::from_slice(&body).unwrap(), told)),
        _ => ("404 Not Found", json!({"error": {"message": "only chat is spoken here"}})),
    };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "HTTP/1.1 {status}\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: *\r\n\
         Access-Control-Allow-Methods: *\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

fn said(question: Value, told: &Mutex<Vec<Value>>) -> Value {
    let begun = question["messages"].as_array().and_then(|all| all.last()?["content"].as_str()).unwrap_or_default();
    // It is asked to count when its manner is found out.
    let next = match begun.ends_with(", 1") {
        true => Some("0"),
        false => WORDS.into_iter().find(|word| !begun.contains(word.trim())),
    };
    let finish = if next.is_some() { "length" } else { "stop" };
    let message = json!({"role": "assistant", "content": next.unwrap_or_default()});
    told.lock().unwrap().push(question);
    json!({"choices": [{"index": 0, "message": message, "finish_reason": finish}]})
}
