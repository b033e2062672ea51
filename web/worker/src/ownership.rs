//! Ownership of the GPU: one tab runs the engine at a time; the others wait, or take over when told to.

use crate::library::{lock, wait};
use crate::post;
use citer_core::message::FromWorker;
use futures::channel::oneshot;
use futures::future::{Either, select};
use std::cell::RefCell;
use std::pin::pin;
use wasm_bindgen_futures::spawn_local;

/// The lock's name.
const GPU: &str = "citer.gpu";
/// Milliseconds that a worker which was just ended may take to let go.
const GRACE_MS: u64 = 1000;

/// The lock, once it is held, and who asks to take it over.
#[derive(Default)]
pub struct Ownership {
    held: RefCell<Option<lock::Lock>>,
    asked: RefCell<Option<oneshot::Sender<()>>>,
}

impl Ownership {
    /// Returns once this worker may use the GPU. The page hears when it has to wait.
    pub async fn obtain(&self) {
        if self.held.borrow().is_some() {
            return;
        }
        let mut free = pin!(lock::wait_for(GPU));
        let lock = match select(free.as_mut(), pin!(wait::sleep(GRACE_MS))).await {
            Either::Left((lock, _)) => lock,
            Either::Right(_) => {
                post(&FromWorker::Elsewhere);
                let (ask, asked) = oneshot::channel();
                *self.asked.borrow_mut() = Some(ask);
                match select(free, asked).await {
                    Either::Left((lock, _)) => lock,
                    Either::Right(_) => lock::steal(GPU).await,
                }
            }
        };
        let Some(mut lock) = lock else { return };
        if let Some(stolen) = lock.stolen.take() {
            spawn_local(async move {
                if stolen.await.is_ok() {
                    let error = "another tab of this browser took over: go on there, or restart the engine here".into();
                    post(&FromWorker::Failed { answer: None, error });
                }
            });
        }
        *self.held.borrow_mut() = Some(lock);
    }

    /// Stops waiting and takes the GPU from the tab that has it.
    pub fn take_over(&self) {
        if let Some(ask) = self.asked.borrow_mut().take() {
            // Nobody waits any more when it was free meanwhile.
            let _ = ask.send(());
        }
    }
}
