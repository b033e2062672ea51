//! The demo: builds everything, serves the page and opens it.

use crate::{failure::Failure, native, place::Place, step::Steps, web};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const FIRST_PORT: u16 = 8080;
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the demo until the server ends (Ctrl-C reaches it too).
pub fn run(place: &Place, steps: &mut Steps, open: bool) -> Result<(), Failure> {
    native::build(place, steps)?;
    web::build(place, steps)?;
    let (mut server, address) = steps.run("serve", "the large model and the page", || serve(place))?;
    let page = format!("http://{address}/");
    println!("\nCiter runs at {page}  (Ctrl-C ends it)\n");
    if open && !open_page(&page) {
        println!(
            "No browser could be opened from here: open the address above in Chrome, Edge or another with WebGPU."
        );
    }
    let status = server.wait().map_err(|error| Failure::new(format!("the server cannot be watched ({error})")))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`citer serve` ended with {status}; see above"))) }
}

fn serve(place: &Place) -> Result<(Child, SocketAddr), Failure> {
    let address = free_address()?;
    let mut command = place.command(place.citer());
    command.arg("serve").arg("--models").arg(place.models()).arg("--web").arg(place.dist());
    command.arg("--listen").arg(address.to_string());
    let start =
        |error| Failure::new(format!("`citer serve` could not be started ({error}): run `cargo build --release`"));
    let mut server = command.spawn().map_err(start)?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Ok(Some(status)) = server.try_wait() {
            return Err(Failure::new(format!("`citer serve` ended at once ({status}); its message above says why")));
        }
        if is_healthy(address) {
            return Ok((server, address));
        }
        thread::sleep(Duration::from_millis(200));
    }
    let _ = server.kill();
    Err(Failure::new(format!("the server did not answer within {} s: run this again", PATIENCE.as_secs())))
}

fn free_address() -> Result<SocketAddr, Failure> {
    (FIRST_PORT..FIRST_PORT + 100)
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .ok_or_else(|| Failure::new("all ports from 8080 to 8179 are taken: end a server that you do not need"))
}

fn is_healthy(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        // In one piece: a server may answer and hang up after the first.
        let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(&start == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

fn open_page(page: &str) -> bool {
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        let mut command = Command::new("cmd");
        command.args(["/C", "start", ""]);
        command
    } else {
        Command::new("xdg-open")
    };
    let quiet = command.arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answering(status: &'static str) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client comes");
            let mut request = [0; 1024];
            let read = stream.read(&mut request).expect("it asks");
            assert!(request[..read].starts_with(b"GET /health "));
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").expect("it listens");
        });
        address
    }

    #[test]
    fn only_an_ok_answer_is_healthy() {
        assert!(is_healthy(answering("200 OK")));
        assert!(!is_healthy(answering("503 Service Unavailable")));
    }
}
