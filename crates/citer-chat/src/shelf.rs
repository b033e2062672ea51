//! The shelf: the list of stored conversations, newest first, and the search through them.

use crate::conversation::Conversation;
use crate::record::Record;

/// One conversation of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in storage.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// When it last changed, in milliseconds since 1970.
    pub updated: u64,
    /// What was stored last.
    pub revision: u64,
    /// What can be searched: title, questions and answers, in lower case.
    words: String,
}

impl Entry {
    /// The entry of a conversation.
    pub fn of(conversation: &Conversation) -> Self {
        let said = conversation.all().iter().flat_map(|exchange| [exchange.question.clone(), exchange.text()]);
        let title = conversation.title();
        let words = std::iter::once(title.clone()).chain(said).collect::<Vec<_>>().join("\n").to_lowercase();
        Self {
            id: conversation.id.clone(),
            title,
            updated: conversation.updated,
            revision: conversation.revision,
            words,
        }
    }

    /// The entry of a stored conversation.
    ///
    /// # Errors
    /// What is wrong with the record.
    pub fn read(json: &str) -> Result<Self, String> {
        let record: Record = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let mut number = 0;
        let conversation = record.open(|| {
            number += 1;
            number
        })?;
        Ok(Self::of(&conversation))
    }
}

/// The entries that hold every word of `search`, newest first.
pub fn found<'a>(entries: &'a [Entry], search: &str) -> Vec<&'a Entry> {
    let search = search.to_lowercase();
    let words: Vec<&str> = search.split_whitespace().collect();
    let mut found: Vec<&Entry> =
        entries.iter().filter(|entry| words.iter().all(|word| entry.words.contains(word))).collect();
    found.sort_by(|a, b| b.updated.cmp(&a.updated).then_with(|| a.id.cmp(&b.id)));
    found
}

/// Puts an entry into the list, in place of the one before.
pub fn put(entries: &mut Vec<Entry>, entry: Entry) {
    entries.retain(|other| other.id != entry.id);
    entries.push(entry);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::tests::branched;

    fn entry(id: &str, updated: u64) -> Entry {
        let mut conversation = branched();
        conversation.id = id.into();
        conversation.updated = updated;
        Entry::of(&conversation)
    }

    #[test]
    fn search_finds_words_of_questions_and_answers_whatever_their_case() {
        let mut entries = vec![entry("a", 1), entry("b", 2)];
        entries[0].words.push_str("\nzebra");
        let ids = |search| found(&entries, search).into_iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>();
        assert_eq!(ids(""), ["b", "a"]);
        assert_eq!(ids("FIRST zebra"), ["a"]);
        assert_eq!(ids("first"), ["b", "a"]);
        assert!(ids("giraffe").is_empty());
    }

    #[test]
    fn an_entry_read_from_a_record_is_that_of_the_conversation() {
        let mut conversation = branched();
        conversation.id = "x".into();
        let json = Record::from(&conversation).to_json().unwrap();
        assert_eq!(Entry::read(&json).unwrap(), Entry::of(&conversation));
        assert!(Entry::read("{}").is_err());
        let mut entries = vec![entry("a", 1)];
        put(&mut entries, entry("a", 5));
        assert_eq!((entries.len(), entries[0].updated), (1, 5));
    }
}
