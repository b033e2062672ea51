//! Steps: each says what it does before, and how long it took after.

use crate::failure::Failure;
use std::time::Instant;

/// The steps done so far.
#[derive(Default)]
pub struct Steps(Vec<Row>);

struct Row {
    name: &'static str,
    seconds: f64,
    result: &'static str,
}

impl Steps {
    /// Runs one step.
    pub fn run<T>(
        &mut self,
        name: &'static str,
        what: &str,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        println!("\n==> {name}: {what}");
        let begun = Instant::now();
        let result = work();
        let seconds = begun.elapsed().as_secs_f64();
        let word = if result.is_ok() { "passed" } else { "failed" };
        println!("    {name}: {word} in {seconds:.1} s");
        self.0.push(Row { name, seconds, result: word });
        result
    }

    /// Records a step that was asked to be left out.
    pub fn skip(&mut self, name: &'static str) {
        println!("\n==> {name}: skipped, as asked");
        self.0.push(Row { name, seconds: 0.0, result: "skipped" });
    }

    /// Prints the table of all steps.
    pub fn summary(&self) {
        println!("\n{}", self.table());
    }

    fn table(&self) -> String {
        let total = self.0.iter().map(|row| row.seconds).sum();
        let rows = self.0.iter().map(|row| (row.name, row.result, row.seconds));
        let lines = rows.chain(std::iter::once(("total", "", total)));
        lines.map(|(name, result, seconds)| format!("{name:<20} {result:<8} {seconds:>8.1} s\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_failed_and_skipped_steps() {
        let mut steps = Steps::default();
        steps.skip("lint");
        assert_eq!(steps.run("build", "builds", || Err::<(), _>(Failure::new("no"))), Err(Failure::new("no")));
        let table = steps.table();
        let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
        assert_eq!(words[..2], [["lint", "skipped"], ["build", "failed"]]);
        assert_eq!(words.len(), 3);
    }
}
