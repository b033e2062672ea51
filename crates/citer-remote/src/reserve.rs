//! The reserve: tokens that the LLM made beyond the one that was needed, or too late. They are used only where the answer
//! has come to hold exactly the tokens they follow.

use citer_core::{Candidate, RemoteToken, TokenId};

/// Tokens after a prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reserve {
    prefix: Vec<TokenId>,
    tokens: Vec<(TokenId, Vec<Candidate>)>,
}

impl Reserve {
    /// Keeps `tokens`, which follow `prefix`, in place of what was kept before.
    pub fn fill(&mut self, prefix: Vec<TokenId>, tokens: Vec<(TokenId, Vec<Candidate>)>) {
        (self.prefix, self.tokens) = (prefix, tokens);
    }

    /// The token after `prefix`, if it is known.
    pub fn next(&self, prefix: &[TokenId]) -> Option<RemoteToken> {
        let since = prefix.strip_prefix(self.prefix.as_slice())?;
        let (token, top) = self.tokens.get(since.len())?;
        let same = since.iter().zip(&self.tokens).all(|(have, (said, _))| have == said);
        same.then(|| RemoteToken { token: *token, top: top.clone(), reserved: true, ..RemoteToken::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_beginning_is_answered() {
        let mut reserve = Reserve::default();
        assert_eq!(reserve.next(&[]), None);
        reserve.fill(vec![1, 2], vec![(3, vec![]), (4, vec![]), (5, vec![])]);
        let next = |prefix: &[TokenId]| reserve.next(prefix).map(|token| token.token);
        assert_eq!(next(&[1, 2]), Some(3));
        assert_eq!(next(&[1, 2, 3]), Some(4));
        assert_eq!(next(&[1, 2, 3, 4]), Some(5));
        assert_eq!(next(&[1, 2, 3, 4, 5]), None, "used up");
        assert_eq!(next(&[1, 2, 9]), None, "the answer went another way");
        assert_eq!(next(&[1, 2, 9, 4]), None);
        assert_eq!(next(&[1]), None);
        assert_eq!(next(&[0, 2, 3]), None);
    }
}
