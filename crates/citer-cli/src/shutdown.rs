//! Ctrl-C as a flag that long work looks at.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Set once Ctrl-C was pressed.
#[derive(Clone, Default)]
pub struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    /// Starts listening. Without a runtime for signals, Ctrl-C ends the program as usual.
    pub fn listen() -> Self {
        let flag = Self::default();
        let seen = flag.clone();
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                seen.0.store(true, Ordering::Relaxed);
            }
        });
        flag
    }

    /// Whether Ctrl-C was pressed.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
