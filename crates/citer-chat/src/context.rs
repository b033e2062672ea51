//! The context meter: how much of the model's memory a conversation fills, and what happens when it is full.

use crate::conversation::Conversation;

/// Characters that a token stands for where nothing better is known.
const LETTERS: f64 = 3.5;

/// How full the model's memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Tokens of what was said, known from the last answer's record, and of a system prompt it does not hold, estimated.
    pub said: usize,
    /// Tokens of what is typed, estimated.
    pub typed: usize,
    /// Tokens that the memory holds.
    pub capacity: usize,
}

/// What will happen to the next question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It fits with a long answer.
    Enough,
    /// Its answer may be cut.
    Tight,
    /// It does not fit.
    None,
}

impl Context {
    /// The context of a conversation with what is typed; `history` says whether what was said goes along.
    pub fn new(conversation: &Conversation, draft: &str, capacity: usize, history: bool) -> Self {
        let last = conversation.shown().filter_map(|exchange| exchange.trace.as_ref()).last();
        let said = last.filter(|_| history).map_or(0, |trace| trace.prompt.len() + trace.events.len());
        let system = &conversation.settings.system;
        let is_told =
            history && conversation.shown().filter(|e| e.trace.is_some()).last().is_some_and(|e| e.system == *system);
        // What the last question took tells how many letters a token stands for here.
        let letters = conversation.shown().filter(|_| !history).filter_map(|exchange| {
            let tokens = exchange.trace.as_ref()?.prompt.len();
            let letters = exchange.system.chars().count() + exchange.question.chars().count();
            Some(letters as f64 / tokens.max(1) as f64)
        });
        let letters = letters.last().unwrap_or(LETTERS).max(0.5);
        let told = if is_told { 0 } else { (system.chars().count() as f64 / letters).ceil() as usize };
        let typed = (draft.trim().chars().count() as f64 / letters).ceil() as usize;
        Self { said: said + told, typed, capacity }
    }

    /// Share of the memory that is used, 0 to 1.
    pub fn share(self) -> f64 {
        ((self.said + self.typed) as f64 / self.capacity.max(1) as f64).min(1.0)
    }

    /// What will happen to the next question.
    pub fn room(self) -> Room {
        match self.share() {
            share if share >= 1.0 => Room::None,
            share if share > 0.75 => Room::Tight,
            _ => Room::Enough,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::tests::branched;

    #[test]
    fn what_was_said_counts_only_where_it_is_sent() {
        let chat = branched();
        // Its records hold a prompt of one token and an answer of one.
        assert_eq!(Context::new(&chat, "", 100, true), Context { said: 2, typed: 0, capacity: 100 });
        assert_eq!(Context::new(&chat, "", 100, false).said, 0);
    }

    #[test]
    fn a_system_prompt_counts_from_the_first_question_on() {
        let mut chat = Conversation::default();
        chat.settings.system = "seven letters".into();
        let told = Context::new(&chat, "", 100, true).said;
        assert!((2..8).contains(&told), "{told}");
        assert_eq!(Context::new(&chat, "", 100, false).said, told);
        let mut chat = branched();
        chat.settings.system = "seven letters".into();
        assert_eq!(Context::new(&chat, "", 100, true).said, 2 + told, "its records know nothing of it");
    }

    #[test]
    fn the_meter_warns_before_the_memory_is_full() {
        let room = |typed| Context { said: 0, typed, capacity: 100 }.room();
        assert_eq!([room(10), room(80), room(100)], [Room::Enough, Room::Tight, Room::None]);
        let typed = Context::new(&Conversation::default(), &"word ".repeat(70), 100, false);
        assert_eq!(typed.room(), Room::None);
        assert_eq!(Context { said: 0, typed: 5, capacity: 0 }.room(), Room::None);
    }
}
