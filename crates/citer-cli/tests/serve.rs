//! `citer serve` as a program: killed, restarted, asked to end, and quiet about what it reads.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const TEXT: &str = "/v1/completions";

struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/models")
}

/// Starts the program; an address that was just used may need a moment.
fn start(listen: &str, more: &[&str]) -> Server {
    for _ in 0..100 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_citer"));
        command.args(["serve", "--listen", listen, "--models"]).arg(models()).args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if let Some((_, address)) = line.trim().split_once("://") {
            return Server { child, address: address.to_owned() };
        }
        let _ = child.wait();
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the server does not start at {listen}");
}

impl Server {
    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Sends a request and returns the open connection.
    fn begin(&self, method: &str, path: &str, body: &Value) -> TcpStream {
        self.begin_with("", method, path, body)
    }

    /// The same with more headers, each a whole line.
    fn begin_with(&self, headers: &str, method: &str, path: &str, body: &Value) -> TcpStream {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        stream
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        finish(self.begin("POST", path, body))
    }
}

fn finish(mut stream: TcpStream) -> (u16, Value) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

fn next(server: &Server, session: &str, position: usize, ids: &[u32]) -> (u16, Value) {
    let body = json!({"position": position, "ids": ids, "max_tokens": 1, "logprobs": 3});
    server.post(&format!("/v1/sessions/{session}/tokens"), &body)
}

fn open(server: &Server) -> String {
    let (status, answer) = server.post("/v1/sessions", &json!({}));
    assert_eq!(status, 201);
    answer["session"].as_str().unwrap().to_owned()
}

#[test]
fn a_killed_server_costs_one_resend() {
    let mut server = start("127.0.0.1:0", &[]);
    let address = server.address.clone();
    let prompt: Vec<u32> = (10..60).collect();
    let mut session = open(&server);
    let (status, first) = next(&server, &session, 0, &prompt);
    assert_eq!((status, &first["computed"]), (200, &json!(50)));
    let id = first["ids"][0].as_u64().unwrap() as u32;
    let (status, second) = next(&server, &session, 50, &[id]);
    assert_eq!((status, &second["cached"], &second["computed"]), (200, &json!(50), &json!(1)));

    server.signal("-KILL");
    server.child.wait().unwrap();
    let server = start(&address, &[]);
    let (status, lost) = next(&server, &session, 50, &[id]);
    assert_eq!((status, &lost["error"]["type"]), (404, &json!("session_lost")));
    session = open(&server);
    let all = [prompt, vec![id]].concat();
    let (status, again) = next(&server, &session, 0, &all);
    assert_eq!((status, &again["ids"]), (200, &second["ids"]));
    let (_, whole) =
        server.post(TEXT, &json!({"prompt": all, "max_tokens": 1, "temperature": 0, "return_token_ids": true}));
    assert_eq!(again["ids"], whole["choices"][0]["token_ids"]);
}

#[test]
fn asked_to_end_it_finishes_what_runs_and_its_log_holds_no_text() {
    let mut server = start("127.0.0.1:0", &["--access-log"]);
    let body = json!({"prompt": "a secret that is no one's business", "max_tokens": 120, "temperature": 1, "seed": 3});
    let running = server.begin("POST", TEXT, &body);
    // Once the metrics see it, it runs.
    loop {
        let mut stream = server.begin("GET", "/metrics", &Value::Null);
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        if text.contains("citer_queue_seconds_count 1") {
            break;
        }
    }
    server.signal("-TERM");
    let (status, answer) = finish(running);
    assert_eq!(status, 200);
    assert!(answer["usage"]["completion_tokens"].as_u64().unwrap() > 0);
    assert!(server.child.wait().unwrap().success());
    assert!(TcpStream::connect(&server.address).is_err());
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    let line = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let line = line.into_iter().find(|line| line["path"] == TEXT).unwrap();
    assert_eq!((&line["status"], &line["method"]), (&json!(200), &json!("POST")));
    assert_eq!(line["generated_tokens"], answer["usage"]["completion_tokens"]);
    assert!(!log.contains("secret") && !log.contains("business"));
}

#[test]
fn a_key_that_was_made_opens_the_server_that_has_its_hash() {
    let made = Command::new(env!("CARGO_BIN_EXE_citer")).args(["key", "ann"]).output().unwrap();
    let (entry, shown) = (String::from_utf8(made.stdout).unwrap(), String::from_utf8(made.stderr).unwrap());
    let key = shown.lines().next().unwrap();
    assert!(key.starts_with("citer_") && !entry.contains(key));
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("gateway-{}.toml", std::process::id()));
    std::fs::write(&path, format!("queue = 3\n\n{entry}")).unwrap();
    let server = start("127.0.0.1:0", &["--config", path.to_str().unwrap()]);
    let (status, _) = server.post(TEXT, &json!({"prompt": "a", "max_tokens": 1}));
    assert_eq!(status, 401);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let head =
        format!("GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(finish(stream).0, 200);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn with_a_certificate_the_decoder_speaks_http_2_to_it() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let [cert, key] = ["cert", "key"].map(|name| folder.join(format!("{name}-{}.pem", std::process::id())));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap(), "--access-log"];
    let mut server = start("127.0.0.1:0", &files);
    let port = server.address.rsplit(':').next().unwrap();
    let mut ask = Command::new(env!("CARGO_BIN_EXE_citer"));
    ask.args(["ask", "What is 12 + 7?", "--json", "--threshold", "2", "--max-tokens", "4", "--models"]).arg(models());
    ask.args(["--server", &format!("https://localhost:{port}")]).env("SSL_CERT_FILE", &cert);
    let asked = ask.output().unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let trace: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert!(trace["events"].as_array().unwrap().iter().all(|event| event["source"] != "local"), "{trace}");
    server.signal("-TERM");
    server.child.wait().unwrap();
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 4 && lines.iter().all(|line| line["protocol"] == "HTTP/2.0"), "{log}");
    for file in [cert, key] {
        std::fs::remove_file(file).unwrap();
    }
}

/// A key for the tests alone, and its hash.
const KEY: &str = "citer_only_for_the_test";
const HASH: &str = "02aa602a18f56c21674cd364580c7be8f3850f8b3170f6d16c16fdca64ad99db";

#[test]
fn what_a_key_used_of_the_day_outlives_a_killed_server_and_one_that_was_asked_to_end() {
    let folder = std::env::temp_dir().join(format!("citer-spending-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (config, kept) = (folder.join("gateway.toml"), folder.join("spending.json"));
    let settings = format!("spending = {kept:?}\n[[keys]]\nname = \"ann\"\nsha256 = \"{HASH}\"\ntokens_per_day = 60\n");
    std::fs::write(&config, settings).unwrap();
    let arguments = ["--config", config.to_str().unwrap()];
    let ask = |server: &Server, first: u32| {
        let headers = format!("authorization: Bearer {KEY}\r\n");
        let prompt: Vec<u32> = (first..first + 30).collect();
        finish(server.begin_with(&headers, "POST", TEXT, &json!({"prompt": prompt, "max_tokens": 1})))
    };
    let used = || {
        let file: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
        file["tokens"][HASH].as_u64().unwrap_or(0)
    };
    let mut server = start("127.0.0.1:0", &arguments);
    assert_eq!(ask(&server, 10).0, 200);
    while used() < 31 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server.signal("-KILL");
    server.child.wait().unwrap();

    let mut server = start("127.0.0.1:0", &arguments);
    assert_eq!(ask(&server, 50).0, 200, "half of the day's tokens are left");
    server.signal("-TERM");
    assert!(server.child.wait().unwrap().success());
    assert_eq!(used(), 62);

    let server = start("127.0.0.1:0", &arguments);
    let (status, answer) = ask(&server, 90);
    assert_eq!((status, &answer["error"]["code"]), (429, &json!("budget_exhausted")));
    drop(server);
    // A key is named by its hash alone, and a damaged file does not make budgets free.
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(!text.contains(KEY) && !text.contains("ann"), "{text}");
    std::fs::write(&kept, &text[..text.len() / 2]).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_citer"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--models"]).arg(models()).args(arguments);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("spending.json") && said.contains("or remove it"), "{said}");
    std::fs::remove_dir_all(&folder).unwrap();
}
