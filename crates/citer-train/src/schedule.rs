//! The learning rate: cosine cycles with warm restarts (Loshchilov and Hutter, arXiv 1608.03983).

use serde::{Deserialize, Serialize};

/// When and how high the learning rate goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Steps of every cycle. A run that ended can be given another cycle and go on from its last checkpoint.
    pub cycles: Vec<usize>,
    /// Peak of the first cycle; each restart begins at half of it.
    pub peak: f64,
    /// Steps of linear warm-up at the very start.
    pub warmup: usize,
}

impl Schedule {
    /// All steps together.
    pub fn steps(&self) -> usize {
        self.cycles.iter().sum()
    }

    /// The learning rate of `step`: each cycle falls along a cosine to a tenth of the peak.
    pub fn rate(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let mut begin = 0;
        for (index, length) in self.cycles.iter().enumerate() {
            if step < begin + length {
                let (from, end) = (begin.max(self.warmup), begin + length);
                let top = if index == 0 { self.peak } else { 0.5 * self.peak };
                let done = (step - from) as f64 / (end - from) as f64;
                let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
                return 0.1 * self.peak + (top - 0.1 * self.peak) * cosine;
            }
            begin += length;
        }
        0.1 * self.peak
    }

    /// Whether a run of `earlier` can go on as this one: the same but for cycles at the end.
    pub fn extends(&self, earlier: &Self) -> bool {
        self.cycles.starts_with(&earlier.cycles) && (self.peak, self.warmup) == (earlier.peak, earlier.warmup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_to_the_peak_falls_and_restarts_at_half() {
        let schedule = Schedule { cycles: vec![1000, 500], peak: 2.0, warmup: 100 };
        let rate = |step| schedule.rate(step);
        assert!(rate(0) < rate(50) && rate(50) < rate(99));
        assert!((rate(99) - 2.0).abs() < 1e-9 && (rate(100) - 2.0).abs() < 1e-9);
        assert!(rate(500) > rate(900) && (rate(999) - 0.2).abs() < 0.01);
        assert!((rate(1000) - 1.0).abs() < 1e-9 && rate(1250) < rate(1100));
        assert!((rate(1499) - 0.2).abs() < 0.01 && (rate(5000) - 0.2).abs() < 1e-9);
    }

    #[test]
    fn only_further_cycles_extend_a_run() {
        let run = |cycles: &[usize], peak| Schedule { cycles: cycles.into(), peak, warmup: 1 };
        assert!(run(&[10, 5], 1.0).extends(&run(&[10], 1.0)));
        assert!(!run(&[11], 1.0).extends(&run(&[10], 1.0)));
        assert!(!run(&[10, 5], 2.0).extends(&run(&[10], 1.0)));
    }
}
