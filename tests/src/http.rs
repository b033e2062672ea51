//! One request of JSON to a server on this machine, without a client that could hide anything.

use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// What `POST path` answers at `url`, which must be a success.
pub fn post(url: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = send(url, "POST", path, "", Some(body));
    assert!((200..300).contains(&status), "{path} answers {status}: {answer}");
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error} in {answer}"))
}

/// Status and body of the answer to any request; `headers` are whole lines.
pub fn send(url: &str, method: &str, path: &str, headers: &str, body: Option<&Value>) -> (u16, String) {
    let host = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = body.map(Value::to_string).unwrap_or_default();
    // HTTP/1.0: the answer comes whole and the connection ends with it.
    let head = format!("{method} {path} HTTP/1.0\r\nhost: {host}\r\ncontent-type: application/json\r\n{headers}");
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status: {head}")), body.to_owned())
}
