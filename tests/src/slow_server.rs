//! A file server that is slow on purpose, so that a download can be interrupted, and that remembers what was asked.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Bytes sent at once, and the wait after them.
type Pace = (usize, Duration);

/// Slow enough to be interrupted.
const SLOW: Pace = (16 << 10, Duration::from_millis(40));
/// As fast as it goes.
const FAST: Pace = (1 << 20, Duration::ZERO);

/// What was asked: file names with the first byte wanted.
type Log = Arc<Mutex<Vec<(String, u64)>>>;

/// A running server; it ends with the test's runtime.
pub struct SlowServer {
    url: String,
    log: Log,
}

impl SlowServer {
    /// Serves the files in `folder` to any page, in parts when asked for.
    pub async fn start(folder: &Path) -> Self {
        Self::with(folder, SLOW).await
    }

    /// The same without waiting, for large files.
    pub async fn fast(folder: &Path) -> Self {
        Self::with(folder, FAST).await
    }

    async fn with(folder: &Path, pace: Pace) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (log, folder) = (Log::default(), folder.to_path_buf());
        let kept = log.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (folder, log) = (folder.clone(), kept.clone());
                tokio::spawn(async move {
                    // The browser may go away at any moment.
                    let _ = answer(stream, &folder, &log, pace).await;
                });
            }
        });
        Self { url, log }
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The first bytes wanted of the file `name`, request by request, since the last call.
    pub fn take(&self, name: &str) -> Vec<u64> {
        let mut log = self.log.lock().unwrap();
        let (own, others) = log.drain(..).partition(|(file, _)| file == name);
        *log = others;
        own.into_iter().map(|(_, from)| from).collect()
    }
}

async fn answer(stream: TcpStream, folder: &Path, log: &Log, (piece, pause): Pace) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut path, mut range, mut method, mut line) = (String::new(), None, String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 || line.trim().is_empty() {
            break;
        }
        let words = line.trim().to_ascii_lowercase();
        if method.is_empty() {
            let mut parts = line.split_whitespace();
            method = parts.next().unwrap_or_default().to_owned();
            path = parts.next().unwrap_or_default().trim_start_matches('/').to_owned();
        } else if let Some(wanted) = words.strip_prefix("range: bytes=") {
            let (from, to) = wanted.split_once('-').unwrap_or((wanted, ""));
            range = Some((from.parse::<usize>().unwrap_or(0), to.parse::<usize>().ok()));
        }
    }
    let mut stream = stream.into_inner();
    let everyone = "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: Range\r\n\
        Access-Control-Expose-Headers: Content-Range, Content-Length, ETag\r\nConnection: close\r\n";
    let file: PathBuf = folder.join(&path);
    let file = if method == "GET" && !path.contains("..") { File::open(file).await.ok() } else { None };
    let Some(mut file) = file.filter(|_| !path.is_empty()) else {
        let status = if method == "OPTIONS" { "204 No Content" } else { "404 Not Found" };
        return stream.write_all(format!("HTTP/1.1 {status}\r\n{everyone}Content-Length: 0\r\n\r\n").as_bytes()).await;
    };
    let total = file.metadata().await?.len() as usize;
    let (from, to) =
        range.map_or((0, total), |(from, to)| (from.min(total), to.map_or(total, |to| (to + 1).min(total))));
    log.lock().unwrap().push((path, from as u64));
    let head = match range {
        Some(_) => format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{total}", to.saturating_sub(1)),
        None => "200 OK".into(),
    };
    let head = format!("HTTP/1.1 {head}\r\n{everyone}ETag: \"one\"\r\nContent-Length: {}\r\n\r\n", to - from);
    stream.write_all(head.as_bytes()).await?;
    file.seek(io::SeekFrom::Start(from as u64)).await?;
    let (mut left, mut bytes) = (to - from, vec![0; piece]);
    while left > 0 {
        let now = &mut bytes[..piece.min(left)];
        file.read_exact(now).await?;
        stream.write_all(now).await?;
        stream.flush().await?;
        left -= now.len();
        tokio::time::sleep(pause).await;
    }
    stream.shutdown().await
}
