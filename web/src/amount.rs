//! Amounts in words for people: bytes, times, shares, counts.

/// `840 B`, `12.3 kB`, `4.5 MB`, `1.25 GB`.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}

/// `0.4 ms`, `87 ms`, `1.25 s`.
pub fn time(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.2} s", ms / 1000.0)
    }
}

/// `part` of `whole` in per cent: `0 %`, `3.4 %`, `57 %`.
pub fn share(part: u64, whole: u64) -> String {
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    if percent == 0.0 || percent >= 9.95 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

/// `950`, `1.0 M`, `4.2 B`: a number of parameters.
pub fn parameters(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{:.0} k", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} M", count as f64 / 1e6),
        _ => format!("{:.1} B", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_change_units_where_people_do() {
        assert_eq!([bytes(999), bytes(1_000), bytes(2_345_678)], ["999 B", "1.0 kB", "2.3 MB"]);
        assert_eq!(bytes(1_250_000_000), "1.25 GB");
        assert_eq!([time(0.42), time(86.6), time(1250.0)], ["0.4 ms", "87 ms", "1.25 s"]);
        assert_eq!([share(0, 0), share(1, 30), share(3, 30), share(30, 30)], ["0 %", "3.3 %", "10 %", "100 %"]);
        assert_eq!([parameters(940_000), parameters(1_040_000)], ["940 k", "1.0 M"]);
    }
}
