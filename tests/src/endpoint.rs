//! An endpoint in front of a server: it counts what is asked, and can hold requests back or answer them with an error.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// One request, preflights left out.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET` or `POST`.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// The whole head, as it came.
    pub head: String,
    /// Length of the body.
    pub bytes: u64,
}

/// What is done with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// They go on to the server.
    Pass,
    /// They wait.
    Hold,
    /// They are answered with an error.
    Fail,
}

struct Shared {
    log: Mutex<Vec<Asked>>,
    way: AtomicU8,
    upstream: String,
}

/// A running endpoint; it ends with the test's runtime.
pub struct Endpoint {
    url: String,
    shared: Arc<Shared>,
}

impl Endpoint {
    /// Stands in front of the server at `upstream`.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let shared = Arc::new(Shared { log: Mutex::default(), way: AtomicU8::new(Way::Pass as u8), upstream });
        let kept = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = kept.clone();
                tokio::spawn(async move {
                    // The browser may go away at any moment.
                    let _ = answer(stream, &shared).await;
                });
            }
        });
        Self { url, shared }
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.log.lock().unwrap().clone()
    }

    /// What is done with requests from now on, those that wait included.
    pub fn set(&self, way: Way) {
        self.shared.way.store(way as u8, Ordering::SeqCst);
    }
}

async fn answer(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut line, mut length) = (String::new(), String::new(), 0);
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if line.trim().is_empty() {
            break;
        }
        let words = line.to_ascii_lowercase();
        if let Some(value) = words.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        // Each request has a connection of its own, and the server need not know what page it comes from.
        if !words.starts_with("connection:") && !words.starts_with("origin:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    if method == "OPTIONS" {
        let allowed = "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n\
            Access-Control-Allow-Headers: Authorization, Content-Type\r\nAccess-Control-Allow-Methods: GET, POST, DELETE\r\n\
            Connection: close\r\n\r\n";
        return stream.write_all(allowed.as_bytes()).await;
    }
    let asked = Asked { method, path, head: head.clone(), bytes: length as u64 };
    shared.log.lock().unwrap().push(asked);
    while shared.way.load(Ordering::SeqCst) == Way::Hold as u8 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if shared.way.load(Ordering::SeqCst) == Way::Fail as u8 {
        let refusal = "HTTP/1.1 500 Internal Server Error\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 2\r\n\
            Connection: close\r\n\r\n{}";
        return stream.write_all(refusal.as_bytes()).await;
    }
    let mut server = BufReader::new(TcpStream::connect(&shared.upstream).await?);
    server.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await?;
    server.write_all(&body).await?;
    line.clear();
    server.read_line(&mut line).await?;
    stream.write_all(format!("{line}Access-Control-Allow-Origin: *\r\n").as_bytes()).await?;
    tokio::io::copy(&mut server, &mut stream).await?;
    stream.shutdown().await
}
