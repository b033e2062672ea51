//! A running program: killed on drop, and ready once it has printed a certain word.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// A child process.
pub struct Process(Child);

impl Process {
    /// Starts a program and waits until a line it prints contains `word`; returns what follows the word.
    pub fn start(command: &mut Command, word: &'static str) -> (Self, String) {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", command.get_program().display()));
        let output = BufReader::new(child.stdout.take().unwrap());
        let process = Self(child);
        let (found, wait) = mpsc::channel();
        // The thread goes on reading, so that the program never waits for a full pipe.
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once(word) {
                    let _ = found.send(rest.trim().to_owned());
                }
            }
        });
        let rest = wait.recv_timeout(PATIENCE);
        (
            process,
            rest.unwrap_or_else(|_| panic!("{} ended without printing `{word}`", command.get_program().display())),
        )
    }

    /// Ends the program at once, without a goodbye.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
