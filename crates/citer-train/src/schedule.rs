//! The learning rate: linear warm-up, then a cosine down to a tenth.

/// Learning rate of `step` of `steps` with the given `peak`.
pub fn learning_rate(step: usize, steps: usize, warmup: usize, peak: f64) -> f64 {
    if step < warmup {
        return peak * (step + 1) as f64 / warmup as f64;
    }
    let done = (step - warmup) as f64 / steps.saturating_sub(warmup).max(1) as f64;
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos());
    peak * (0.1 + 0.9 * cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_to_the_peak_and_falls_to_a_tenth() {
        let rate = |step| learning_rate(step, 1000, 100, 2.0);
        assert!(rate(0) < rate(50) && rate(50) < rate(99));
        assert!((rate(99) - 2.0).abs() < 1e-9 && (rate(100) - 2.0).abs() < 1e-9);
        assert!(rate(500) > rate(900));
        assert!((rate(1000) - 0.2).abs() < 1e-9 && (rate(5000) - 0.2).abs() < 1e-9);
    }
}
