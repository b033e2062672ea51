//! Stop strings: ends the text where one begins, wherever the token borders fall.

/// Passes text on until a stop string occurs; text that may be the start of one waits.
#[derive(Debug)]
pub(crate) struct StopText {
    stops: Vec<String>,
    held: String,
}

impl StopText {
    /// Looks for `stops`, none of them empty.
    pub fn new(stops: Vec<String>) -> Self {
        Self { stops, held: String::new() }
    }

    /// Adds text; returns what can be shown now and whether a stop string was found, which ends the text.
    pub fn push(&mut self, text: &str) -> (String, bool) {
        self.held.push_str(text);
        if let Some(start) = self.stops.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.held.truncate(start);
            return (std::mem::take(&mut self.held), true);
        }
        let waits = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - waits);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// The text that waited in vain.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// Bytes of the longest end of `text` that begins `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let starts = stop.char_indices().map(|(start, _)| start).rev();
    starts.into_iter().find(|&length| text.ends_with(&stop[..length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let mut stop = StopText::new(stops.iter().map(|s| (*s).into()).collect());
        let mut text = String::new();
        for piece in pieces {
            let (shown, found) = stop.push(piece);
            text.push_str(&shown);
            if found {
                return (text, true);
            }
        }
        text.push_str(&stop.finish());
        (text, false)
    }

    #[test]
    fn a_stop_string_is_found_across_pieces() {
        assert_eq!(run(&["END"], &["a E", "N", "D b"]), ("a ".into(), true));
        assert_eq!(run(&["aab"], &["a", "a", "a", "b"]), ("a".into(), true));
        assert_eq!(run(&["日本"], &["x日", "本"]), ("x".into(), true));
    }

    #[test]
    fn the_earliest_one_wins() {
        assert_eq!(run(&["c", "b"], &["abc"]), ("a".into(), true));
    }

    #[test]
    fn text_that_only_begins_like_one_is_not_lost() {
        assert_eq!(run(&["END"], &["E", "N", "d", " EN"]), ("ENd EN".into(), false));
        assert_eq!(run(&["日本"], &["日", "曜"]), ("日曜".into(), false));
        assert_eq!(run(&[], &["a", "b"]), ("ab".into(), false));
    }

    #[test]
    fn only_the_possible_start_waits() {
        let mut stop = StopText::new(vec!["\n\n".into()]);
        assert_eq!(stop.push("one\n"), ("one".into(), false));
        assert_eq!(stop.push("two"), ("\ntwo".into(), false));
    }
}
