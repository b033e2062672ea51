//! A TCP proxy that makes the way to a server long or faulty on purpose, from a seed: for measuring, soaks and tests.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

/// Chunks on the way in one direction; a sender that is faster waits.
const ON_THE_WAY: usize = 64;

/// How the way is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Way {
    /// Time from a request to its answer that the way adds.
    pub round_trip: Duration,
    /// Largest time added at random to an answer.
    pub jitter: Duration,
    /// Share of the answers that meet a fault, 0 to 1.
    pub faults: f64,
    /// Seed of faults and jitter.
    pub seed: u64,
}

/// What an answer may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset.
    Reset,
    /// The connection is closed without an answer.
    Close,
    /// Nothing comes, and the connection stays open.
    Silence,
    /// The answer ends in the middle.
    Truncate,
    /// Some bytes of the body are others.
    Garble,
    /// A gateway answers with 502.
    Gateway,
    /// A gateway answers with 429 and a time to wait.
    Busy,
    /// What comes is not HTTP but the alert of a TLS server.
    Alert,
    /// The answer trickles in.
    Slow,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 9] = [
        Self::Reset,
        Self::Close,
        Self::Silence,
        Self::Truncate,
        Self::Garble,
        Self::Gateway,
        Self::Busy,
        Self::Alert,
        Self::Slow,
    ];
}

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    met: Arc<AtomicU64>,
}

impl Proxy {
    /// Listens on a free port of the loopback and passes everything to `server`.
    ///
    /// # Errors
    /// No free port.
    pub async fn start(server: SocketAddr, way: Way) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let met = Arc::new(AtomicU64::new(0));
        let counted = met.clone();
        let accepting = tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((client, _)) = listener.accept().await {
                connection += 1;
                let way = Way { seed: scramble(way.seed ^ connection), ..way.clone() };
                let met = counted.clone();
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        pass(client, server, way, met).await;
                    }
                });
            }
        });
        Ok(Self { address, accepting, met })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Faults met so far.
    pub fn faults(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(client: TcpStream, server: TcpStream, way: Way, met: Arc<AtomicU64>) {
    // Small packets must not wait for one another; where that cannot be set, they do.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let half = way.round_trip / 2;
    let requests = async {
        let (sender, receiver) = channel(ON_THE_WAY);
        tokio::join!(read(from_client, sender, half), write(receiver, to_server));
    };
    let answers = async {
        let (sender, receiver) = channel(ON_THE_WAY);
        tokio::join!(read(from_server, sender, half), answer(receiver, to_client, way, met));
    };
    // A side that is gone ends both.
    tokio::select! { () = requests => {}, () = answers => {} }
}

async fn read(mut from: OwnedReadHalf, to: Sender<(Instant, Vec<u8>)>, delay: Duration) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count) = from.read(&mut buffer).await {
        let chunk = buffer.get(..count).unwrap_or_default().to_vec();
        if count == 0 || to.send((Instant::now() + delay, chunk)).await.is_err() {
            return;
        }
    }
}

async fn write(mut from: Receiver<(Instant, Vec<u8>)>, mut to: OwnedWriteHalf) {
    while let Some((due, chunk)) = from.recv().await {
        sleep_until(due).await;
        if to.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

/// Passes answers on; each chunk that begins like one may meet a fault, which ends the connection.
async fn answer(mut from: Receiver<(Instant, Vec<u8>)>, mut to: OwnedWriteHalf, way: Way, met: Arc<AtomicU64>) {
    let mut state = way.seed;
    let mut random = || {
        state = scramble(state);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    while let Some((due, chunk)) = from.recv().await {
        sleep_until(due + way.jitter.mul_f64(random())).await;
        if !chunk.starts_with(b"HTTP/") || random() >= way.faults {
            if to.write_all(&chunk).await.is_err() {
                return;
            }
            continue;
        }
        met.fetch_add(1, Ordering::Relaxed);
        let place = (random() * Fault::ALL.len() as f64) as usize;
        let fault = Fault::ALL.get(place).copied().unwrap_or(Fault::Close);
        // The client may be gone already.
        let _ = befall(fault, &chunk, &mut to).await;
        return;
    }
}

async fn befall(fault: Fault, chunk: &[u8], to: &mut OwnedWriteHalf) -> io::Result<()> {
    match fault {
        Fault::Reset => to.as_ref().set_zero_linger(),
        Fault::Close => Ok(()),
        Fault::Silence => {
            // Longer than any patience; the client going away ends it earlier.
            sleep(Duration::from_secs(3_600)).await;
            Ok(())
        }
        Fault::Truncate => to.write_all(chunk.get(..chunk.len() * 2 / 3).unwrap_or_default()).await,
        Fault::Garble => {
            let mut garbled = chunk.to_vec();
            let body = garbled.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |place| place + 4);
            garbled.iter_mut().skip(body).step_by(7).for_each(|byte| *byte ^= 0x55);
            to.write_all(&garbled).await
        }
        Fault::Gateway => {
            to.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\nconnection: close\r\n\r\n<html").await
        }
        Fault::Busy => {
            let answer =
                b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            to.write_all(answer).await
        }
        Fault::Alert => to.write_all(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28]).await,
        Fault::Slow => {
            for byte in chunk.chunks(8) {
                to.write_all(byte).await?;
                sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        }
    }
}

/// splitmix64.
fn scramble(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
