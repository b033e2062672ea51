//! Going ahead: while a request flies, the SLM goes on from its own token. What it computes stands if the LLM agrees and is
//! taken back if not, so that the answer's tokens are those of waiting.

use crate::{
    event::TokenId,
    local::{LocalModel, LocalStep},
    prefix::PrefixCache,
};
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};
use web_time::Instant;

/// Steps computed before they are needed, in order, with the milliseconds each took.
pub(crate) struct Ahead<E> {
    steps: VecDeque<(LocalStep, f64)>,
    /// What the model failed with; nothing in its cache can be trusted then.
    failed: Option<E>,
}

/// What limits going ahead.
pub(crate) struct Limits<'a> {
    /// Most steps.
    pub steps: usize,
    /// Whether the step may stand without asking the LLM.
    pub stands: &'a dyn Fn(&LocalStep) -> bool,
    /// Whether the answer was stopped.
    pub stopped: &'a dyn Fn() -> bool,
}

impl<E> Default for Ahead<E> {
    fn default() -> Self {
        Self { steps: VecDeque::new(), failed: None }
    }
}

impl<E> Ahead<E> {
    /// The next step, if it was computed already.
    pub fn take(&mut self) -> Option<Result<(LocalStep, f64), E>> {
        self.steps.pop_front().map(Ok).or_else(|| self.failed.take().map(Err))
    }

    /// Takes back what was computed. A failure of the model stays one.
    pub fn clear(&mut self) {
        self.steps.clear();
    }

    /// Awaits `request` and goes on from `first` meanwhile. Returns the request's result, the milliseconds until it came,
    /// and the milliseconds of local work in that time.
    pub async fn wait<L, R>(
        &mut self,
        local: &mut L,
        cached: &mut PrefixCache,
        first: TokenId,
        request: impl Future<Output = R>,
        limits: Limits<'_>,
    ) -> (R, f64, f64)
    where
        L: LocalModel<Error = E>,
    {
        let begun = Instant::now();
        let mut request = pin!(request);
        let mut worked = 0.0;
        let mut token = first;
        let mut answered = ready(request.as_mut()).await;
        while answered.is_none()
            && self.failed.is_none()
            && self.steps.len() < limits.steps
            && !local.is_end(token)
            && cached.ids().len() < local.capacity()
            && !(limits.stopped)()
        {
            let since = Instant::now();
            let (step, early) = along(local.feed(&[token]), request.as_mut()).await;
            let took = milliseconds_since(since);
            answered = early;
            match step {
                Ok(step) => {
                    cached.extend(&[token]);
                    worked += took;
                    token = step.token;
                    let stands = (limits.stands)(&step);
                    self.steps.push_back((step, took));
                    if !stands {
                        break;
                    }
                }
                Err(error) => {
                    cached.clear();
                    self.failed = Some(error);
                }
            }
        }
        let (outcome, waited) = match answered {
            Some((outcome, at)) => (outcome, at.duration_since(begun).as_secs_f64() * 1_000.0),
            None => (request.await, milliseconds_since(begun)),
        };
        (outcome, waited, worked.min(waited))
    }
}

/// The request's result if it is there at the first look.
async fn ready<R>(mut request: Pin<&mut impl Future<Output = R>>) -> Option<(R, Instant)> {
    poll_fn(|context| {
        Poll::Ready(match request.as_mut().poll(context) {
            Poll::Ready(outcome) => Some((outcome, Instant::now())),
            Poll::Pending => None,
        })
    })
    .await
}

/// Does `work` to its end and looks after `request` meanwhile.
async fn along<T, R>(
    work: impl Future<Output = T>,
    mut request: Pin<&mut impl Future<Output = R>>,
) -> (T, Option<(R, Instant)>) {
    let mut work = pin!(work);
    let mut answered = None;
    let done = poll_fn(|context| {
        if answered.is_none()
            && let Poll::Ready(outcome) = request.as_mut().poll(context)
        {
            answered = Some((outcome, Instant::now()));
        }
        work.as_mut().poll(context)
    })
    .await;
    (done, answered)
}

pub(crate) fn milliseconds_since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}
