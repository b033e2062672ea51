//! A network made of scripts, in virtual time: what is sent reaches a handler, and time passes only when nothing else can
//! happen, so that an hour of waiting takes no time and a hang is found at once.
#![allow(dead_code)]

use citer_core::{RemoteError, TokenId, Vocabulary};
use citer_remote::{Request, Response, Transport};
use serde_json::Value;
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// Virtual time and who waits for it.
#[derive(Clone, Default)]
pub struct Clock(Rc<RefCell<Times>>);

#[derive(Default)]
struct Times {
    now: Duration,
    waiting: Vec<(Duration, Waker)>,
}

impl Clock {
    pub fn now(&self) -> Duration {
        self.0.borrow().now
    }

    pub async fn sleep(&self, time: Duration) {
        let until = self.now() + time;
        poll_fn(|context| {
            let mut times = self.0.borrow_mut();
            if times.now >= until {
                return Poll::Ready(());
            }
            times.waiting.push((until, context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Runs `work` to its end, letting time pass whenever nothing else can happen.
    pub fn run<R>(&self, work: impl Future<Output = R>) -> R {
        struct Flag(AtomicBool);
        impl Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(flag.clone());
        let mut context = Context::from_waker(&waker);
        let mut work = pin!(work);
        loop {
            while flag.0.swap(false, Ordering::Relaxed) {
                if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
                    return done;
                }
            }
            let mut times = self.0.borrow_mut();
            let next =
                times.waiting.iter().map(|(until, _)| *until).min().expect("it hangs: nobody waits for anything");
            times.now = times.now.max(next);
            let now = times.now;
            let due: Vec<_> = times.waiting.extract_if(.., |(until, _)| *until <= now).collect();
            drop(times);
            due.into_iter().for_each(|(_, waker)| waker.wake());
        }
    }
}

/// What becomes of a request: how long it takes, and what comes back.
pub type Fate = (Duration, Result<Response, RemoteError>);

/// A server that is a function.
pub type Handler = Rc<RefCell<dyn FnMut(&Request) -> Fate>>;

/// A network with one server.
#[derive(Clone)]
pub struct Net {
    pub clock: Clock,
    pub limit: Duration,
    pub handler: Handler,
    pub sent: Rc<RefCell<Vec<Request>>>,
}

impl Net {
    pub fn new(clock: &Clock, handler: impl FnMut(&Request) -> Fate + 'static) -> Self {
        let handler: Handler = Rc::new(RefCell::new(handler));
        Self { clock: clock.clone(), limit: Duration::from_secs(5), handler, sent: Rc::default() }
    }

    /// A server that answers at once.
    pub fn at_once(mut handler: impl FnMut(&Request) -> Response + 'static) -> Self {
        Self::new(&Clock::default(), move |request| (Duration::ZERO, Ok(handler(request))))
    }

    /// The body of the last request.
    pub fn last(&self) -> Value {
        serde_json::from_slice(&self.sent.borrow().last().unwrap().body).unwrap()
    }

    pub fn run<R>(&self, work: impl Future<Output = R>) -> R {
        self.clock.run(work)
    }
}

impl Transport for Net {
    async fn send(&self, request: Request) -> Result<Response, RemoteError> {
        self.sent.borrow_mut().push(request.clone());
        let (takes, outcome) = (self.handler.borrow_mut())(&request);
        self.clock.sleep(takes.min(self.limit)).await;
        if takes >= self.limit { Err(RemoteError::Timeout(self.limit.as_millis() as u64)) } else { outcome }
    }

    async fn sleep(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn limit(&self) -> Duration {
        self.limit
    }
}

pub fn ok(body: Value) -> Response {
    Response { status: 200, retry_after: None, body: body.to_string().into_bytes() }
}

pub fn error(status: u16, message: &str) -> Response {
    let body = serde_json::json!({"error": {"message": message, "type": "invalid_request_error"}});
    Response { status, retry_after: None, body: body.to_string().into_bytes() }
}

/// The request's body; a field outside `known` is refused, as strict servers do.
pub fn strict(request: &Request, known: &[&str]) -> Result<Value, Response> {
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| error(400, "not JSON"))?;
    let fields = body.as_object().ok_or_else(|| error(400, "not an object"))?;
    match fields.keys().find(|field| !known.contains(&field.as_str())) {
        Some(field) => Err(error(400, &format!("extra inputs are not permitted: {field}"))),
        None => Ok(body),
    }
}

pub fn ids(value: &Value) -> Option<Vec<TokenId>> {
    value.as_array()?.iter().map(|id| Some(id.as_u64()? as TokenId)).collect()
}

/// A vocabulary of bytes (0..256), some words, and a token that ends the turn.
pub struct Words;

pub const END: TokenId = 300;
const WORDS: [&str; 5] = [" the", " cat", "Hello", "é", "😀"];

impl Vocabulary for Words {
    fn bytes(&self, token: TokenId) -> Vec<u8> {
        match token {
            0..256 => vec![token as u8],
            256..300 => WORDS.get(token as usize - 256).map(|word| word.as_bytes().to_vec()).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    fn control(&self, token: TokenId) -> Option<String> {
        (token == END).then(|| "<|end|>".into())
    }

    fn control_token(&self, text: &str) -> Option<TokenId> {
        (text == "<|end|>").then_some(END)
    }

    fn encode(&self, text: &str) -> Vec<TokenId> {
        match WORDS.iter().position(|word| *word == text) {
            Some(place) => vec![256 + place as TokenId],
            None => text.bytes().map(TokenId::from).collect(),
        }
    }

    fn byte_token(&self, byte: u8) -> Option<TokenId> {
        Some(byte.into())
    }

    fn end(&self) -> TokenId {
        END
    }

    fn sha256(&self) -> String {
        "ab12".into()
    }
}
