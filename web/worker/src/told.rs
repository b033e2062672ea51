//! Requests as the page is told of them: each is noted there before it leaves, and its end is told however it comes.

use crate::post;
use citer_core::RemoteError;
use citer_core::ledger::{Outcome, Purpose, RequestNews, reason_name};
use citer_core::message::FromWorker;
use citer_remote::{Http, Method, Request, Response, Transport};
use futures::channel::oneshot;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use web_time::Instant;

/// How often the page hears how much of an answer came.
const REPORT_EVERY: Duration = Duration::from_millis(250);

thread_local! {
    /// The last request's number.
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Requests that the page has not noted yet.
    static WAITING: RefCell<HashMap<u64, oneshot::Sender<()>>> = RefCell::default();
}

fn tell(news: RequestNews) {
    post(&FromWorker::Request(news));
}

/// The page has noted a request.
pub fn noted(request: u64) {
    if let Some(waiting) = WAITING.with_borrow_mut(|waiting| waiting.remove(&request)) {
        // Whoever waited may be gone.
        let _ = waiting.send(());
    }
}

/// A request under way. Unless its end is told it was given up.
pub struct Told {
    request: u64,
    received: Option<u64>,
    reported: Instant,
    is_over: bool,
}

impl Told {
    /// A request to `address` is about to be made.
    pub fn new(address: &str, purpose: Purpose, answer: Option<u64>, bytes_sent: Option<u64>) -> (Self, Noted) {
        let request = COUNT.get() + 1;
        COUNT.set(request);
        let (sender, noted) = oneshot::channel();
        WAITING.with_borrow_mut(|waiting| waiting.insert(request, sender));
        tell(RequestNews::Began { request, address: address.to_owned(), purpose, answer, bytes_sent });
        (Self { request, received: None, reported: Instant::now(), is_over: false }, Noted(noted))
    }

    /// Its number.
    pub fn request(&self) -> u64 {
        self.request
    }

    /// More of its answer came.
    pub fn reads(&mut self, bytes: usize) {
        let received = self.received.unwrap_or_default() + bytes as u64;
        self.received = Some(received);
        if self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            tell(RequestNews::Reads { request: self.request, bytes_received: received });
        }
    }

    /// It is over. The first word counts.
    pub fn ends(&mut self, status: &str, outcome: Outcome) {
        if !self.is_over {
            self.is_over = true;
            let (request, bytes_received) = (self.request, self.received);
            tell(RequestNews::Ended { request, status: status.to_owned(), outcome, bytes_received });
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        WAITING.with_borrow_mut(|waiting| waiting.remove(&self.request));
        self.ends("given up", Outcome::Failed);
    }
}

/// Waits for the page to note a request.
pub struct Noted(oneshot::Receiver<()>);

impl Noted {
    /// Done once the request may leave.
    pub async fn wait(self) {
        // The sender goes only with the request.
        let _ = self.0.await;
    }
}

/// What the requests to servers are made for, and which were made.
#[derive(Default)]
pub struct Errand {
    /// The answer at hand.
    pub answer: Cell<Option<u64>>,
    /// Whether the servers are only being looked for.
    pub is_probe: Cell<bool>,
    /// Requests since the last token.
    pub requests: RefCell<Vec<u64>>,
    /// Who was asked last.
    pub last: RefCell<Option<String>>,
}

/// HTTP to one server whose requests the page is told of.
#[derive(Clone)]
pub struct ToldHttp {
    http: Http,
    address: String,
    errand: Rc<Errand>,
}

impl ToldHttp {
    /// Requests over `http` to the server at `address`.
    pub fn new(http: Http, address: &str, errand: &Rc<Errand>) -> Self {
        Self { http, address: address.to_owned(), errand: errand.clone() }
    }
}

impl Transport for ToldHttp {
    async fn send(&self, request: Request) -> Result<Response, RemoteError> {
        let is_session = request.method == Method::Post && request.path.ends_with("/sessions");
        let purpose = match self.errand.is_probe.get() {
            true => Purpose::Probe,
            false if is_session => Purpose::Session,
            false => Purpose::Token,
        };
        let bytes_sent = Some(request.body.len() as u64);
        let (mut told, noted) = Told::new(&self.address, purpose, self.errand.answer.get(), bytes_sent);
        self.errand.requests.borrow_mut().push(told.request());
        *self.errand.last.borrow_mut() = Some(self.address.clone());
        noted.wait().await;
        let outcome = self.http.send(request).await;
        match &outcome {
            Ok(Response { status, body, .. }) => {
                told.received = Some(body.len() as u64);
                match status {
                    200..=299 => told.ends("ok", Outcome::Done),
                    status => told.ends(&format!("status {status}"), Outcome::Failed),
                }
            }
            Err(error) => told.ends(reason_name(error.reason()), Outcome::Failed),
        }
        outcome
    }

    async fn sleep(&self, time: Duration) {
        self.http.sleep(time).await;
    }

    fn now(&self) -> Duration {
        self.http.now()
    }

    fn limit(&self) -> Duration {
        self.http.limit()
    }
}
