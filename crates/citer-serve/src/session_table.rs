//! The session table: which ids every client's conversation holds, so that only what is new has to travel.
//!
//! Entries end after a time without use, and the one unused for longest goes when the table is full. What a session costs is
//! four bytes a token; keys and values live in the prefix cache.

use citer_core::TokenId;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// All sessions.
#[derive(Debug)]
pub struct SessionTable {
    sessions: HashMap<String, Session>,
    most: usize,
    lifetime: Duration,
}

#[derive(Debug)]
struct Session {
    ids: Vec<TokenId>,
    /// Which model it talks to.
    model: usize,
    owner: Option<String>,
    used: Instant,
}

/// Why a session cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// There is no such session, or no longer.
    Unknown,
    /// It holds fewer tokens than the position that was named.
    Short {
        /// How many it holds.
        known: usize,
    },
}

impl SessionTable {
    /// At most `most` sessions, each for `lifetime` after its last use.
    pub fn new(most: usize, lifetime: Duration) -> Self {
        Self { sessions: HashMap::new(), most: most.max(1), lifetime }
    }

    /// How long a session lives after its last use.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Number of sessions, those included that ended since the last call of [`Self::open`].
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Adds an empty session with a model for `owner`, the name of an API key.
    pub fn open(&mut self, id: String, model: usize, owner: Option<String>, now: Instant) {
        self.sessions.retain(|_, session| now.saturating_duration_since(session.used) < self.lifetime);
        while self.sessions.len() >= self.most {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.sessions.remove(&id));
        }
        self.sessions.insert(id, Session { ids: Vec::new(), model, owner, used: now });
    }

    /// Puts `suffix` behind the first `position` tokens and returns the whole sequence. What was there from `position` on is
    /// forgotten, so the same call may be made again.
    ///
    /// # Errors
    /// A session that is gone, belongs to another key or is shorter than `position`; it stays as it was.
    pub fn extend(
        &mut self,
        id: &str,
        owner: Option<&str>,
        position: usize,
        suffix: &[TokenId],
        now: Instant,
    ) -> Result<Vec<TokenId>, Lost> {
        let session = self.sessions.get_mut(id).filter(|session| session.owner.as_deref() == owner);
        let session = session.filter(|session| now.saturating_duration_since(session.used) < self.lifetime);
        let session = session.ok_or(Lost::Unknown)?;
        if position > session.ids.len() {
            return Err(Lost::Short { known: session.ids.len() });
        }
        session.used = now;
        session.ids.truncate(position);
        session.ids.extend_from_slice(suffix);
        Ok(session.ids.clone())
    }

    /// Which model a session talks to.
    pub fn model(&self, id: &str) -> Option<usize> {
        self.sessions.get(id).map(|session| session.model)
    }

    /// Forgets a session; `false` when there is none.
    pub fn close(&mut self, id: &str, owner: Option<&str>) -> bool {
        let is_ours = self.sessions.get(id).is_some_and(|session| session.owner.as_deref() == owner);
        is_ours && self.sessions.remove(id).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(most: usize) -> (SessionTable, Instant) {
        (SessionTable::new(most, Duration::from_secs(10)), Instant::now())
    }

    #[test]
    fn suffixes_pile_up_and_positions_rewind() {
        let (mut table, now) = table(2);
        table.open("a".into(), 0, None, now);
        assert_eq!(table.extend("a", None, 0, &[1, 2, 3], now).unwrap(), [1, 2, 3]);
        assert_eq!(table.extend("a", None, 3, &[4], now).unwrap(), [1, 2, 3, 4]);
        assert_eq!(table.extend("a", None, 3, &[4], now).unwrap(), [1, 2, 3, 4], "sent twice");
        assert_eq!(table.extend("a", None, 1, &[9], now).unwrap(), [1, 9]);
        assert_eq!(table.extend("a", None, 3, &[5], now), Err(Lost::Short { known: 2 }));
        assert_eq!(table.extend("a", None, 2, &[], now).unwrap(), [1, 9], "a wrong position changed nothing");
        assert_eq!(table.extend("b", None, 0, &[1], now), Err(Lost::Unknown));
    }

    #[test]
    fn sessions_end_by_age_by_number_and_on_demand() {
        let (mut table, now) = table(2);
        let later = |seconds| now + Duration::from_secs(seconds);
        table.open("a".into(), 0, None, now);
        table.open("b".into(), 0, None, later(1));
        table.extend("a", None, 0, &[1], later(2)).unwrap();
        table.open("c".into(), 0, None, later(3));
        assert_eq!(table.extend("b", None, 0, &[1], later(3)), Err(Lost::Unknown), "unused for longest");
        assert!(table.extend("a", None, 1, &[2], later(11)).is_ok(), "each use prolongs it");
        assert_eq!(table.extend("c", None, 0, &[1], later(13)), Err(Lost::Unknown), "too old");
        assert!(table.close("a", None) && !table.close("a", None));
        table.open("d".into(), 0, None, later(30));
        assert_eq!(table.len(), 1, "what ended is not kept");
    }

    #[test]
    fn a_session_belongs_to_its_key() {
        let (mut table, now) = table(2);
        table.open("a".into(), 0, Some("ann".into()), now);
        for owner in [None, Some("bob")] {
            assert_eq!(table.extend("a", owner, 0, &[1], now), Err(Lost::Unknown));
            assert!(!table.close("a", owner));
        }
        assert!(table.extend("a", Some("ann"), 0, &[1], now).is_ok());
    }
}
