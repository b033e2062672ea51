//! The prefix tree: which blocks of keys and values are kept, by the ids they stand for, shared by everybody who begins alike.
//!
//! A node is a block of up to [`BLOCK`] ids; only full ones have children. The block unused for longest that nothing hangs on
//! goes first. No node's ids begin those of a brother, so what a sequence shares with the tree is found by looking at the
//! neighbours of its next ids in their order.

use citer_core::TokenId;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

/// Tokens of a block.
pub const BLOCK: usize = 16;

/// A node's children, by their ids.
type Children = BTreeMap<Box<[TokenId]>, usize>;

struct Node<B> {
    parent: Option<usize>,
    ids: Box<[TokenId]>,
    block: B,
    children: Children,
    used: u64,
}

/// At most so many blocks; `B` is what holds a block, and a clone of it is cheap.
pub struct PrefixTree<B> {
    nodes: Vec<Option<Node<B>>>,
    free: Vec<usize>,
    roots: Children,
    /// Nodes without children, by their last use.
    leaves: BTreeSet<(u64, usize)>,
    most: usize,
    clock: u64,
}

impl<B: Clone> PrefixTree<B> {
    /// Keeps at most `most` blocks.
    pub fn new(most: usize) -> Self {
        let (nodes, free, roots, leaves) = (Vec::new(), Vec::new(), Children::new(), BTreeSet::new());
        Self { nodes, free, roots, leaves, most, clock: 0 }
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many first tokens of `ids` are kept, and the blocks that hold them; the last one may hold others behind them.
    pub fn find(&mut self, ids: &[TokenId]) -> (usize, Vec<B>) {
        self.clock += 1;
        let (mut at, mut blocks, mut parent) = (0, Vec::new(), None);
        while at < ids.len() {
            let next = &ids[at..ids.len().min(at + BLOCK)];
            let Some((shared, index)) = self.nearest(parent, next) else { break };
            self.touch(index);
            let Some(node) = &self.nodes[index] else { break };
            blocks.push(node.block.clone());
            at += shared;
            if shared < BLOCK {
                break;
            }
            parent = Some(index);
        }
        (at, blocks)
    }

    /// Keeps the blocks of `ids`, as many as these need; what is there already stays.
    pub fn insert(&mut self, ids: &[TokenId], blocks: &[B]) {
        self.clock += 1;
        let mut parent = None;
        for (part, block) in ids.chunks(BLOCK).zip(blocks) {
            let index = match self.nearest(parent, part) {
                Some((shared, index)) if shared == part.len() => {
                    self.touch(index);
                    index
                }
                // A brother that is the beginning of this one is replaced by it.
                Some((shared, index)) if self.nodes[index].as_ref().is_some_and(|node| node.ids.len() == shared) => {
                    self.remove(index);
                    self.add(parent, part, block)
                }
                _ => self.add(parent, part, block),
            };
            parent = Some(index);
        }
        while self.len() > self.most {
            let Some((_, index)) = self.leaves.first().copied() else { break };
            self.remove(index);
        }
    }

    fn children(&self, parent: Option<usize>) -> Option<&Children> {
        match parent {
            None => Some(&self.roots),
            Some(index) => self.nodes[index].as_ref().map(|node| &node.children),
        }
    }

    fn children_mut(&mut self, parent: Option<usize>) -> Option<&mut Children> {
        match parent {
            None => Some(&mut self.roots),
            Some(index) => self.nodes[index].as_mut().map(|node| &mut node.children),
        }
    }

    /// The child that shares most with `next`, and how many tokens, at least one.
    fn nearest(&self, parent: Option<usize>, next: &[TokenId]) -> Option<(usize, usize)> {
        let children = self.children(parent)?;
        let before = children.range::<[TokenId], _>((Bound::Unbounded, Bound::Included(next))).next_back();
        let after = children.range::<[TokenId], _>((Bound::Excluded(next), Bound::Unbounded)).next();
        let shared = |ids: &[TokenId]| ids.iter().zip(next).take_while(|(a, b)| a == b).count();
        let both = before.into_iter().chain(after).map(|(ids, index)| (shared(ids), *index));
        both.max_by_key(|(shared, _)| *shared).filter(|(shared, _)| *shared > 0)
    }

    fn touch(&mut self, index: usize) {
        let Some(node) = &mut self.nodes[index] else { return };
        if node.children.is_empty() {
            self.leaves.remove(&(node.used, index));
            self.leaves.insert((self.clock, index));
        }
        node.used = self.clock;
    }

    fn add(&mut self, parent: Option<usize>, ids: &[TokenId], block: &B) -> usize {
        let ids: Box<[TokenId]> = ids.into();
        let node = Node { parent, ids: ids.clone(), block: block.clone(), children: Children::new(), used: self.clock };
        let index = self.free.pop().unwrap_or(self.nodes.len());
        if index == self.nodes.len() {
            self.nodes.push(Some(node));
        } else {
            self.nodes[index] = Some(node);
        }
        if let Some(above) = parent.and_then(|above| self.nodes[above].as_ref()) {
            self.leaves.remove(&(above.used, parent.unwrap_or_default()));
        }
        if let Some(children) = self.children_mut(parent) {
            children.insert(ids, index);
        }
        self.leaves.insert((self.clock, index));
        index
    }

    /// Forgets a node without children.
    fn remove(&mut self, index: usize) {
        let Some(node) = self.nodes[index].take() else { return };
        self.free.push(index);
        self.leaves.remove(&(node.used, index));
        if let Some(children) = self.children_mut(node.parent) {
            children.remove(&node.ids);
        }
        if let Some(above) = node.parent
            && let Some(parent) = &self.nodes[above]
            && parent.children.is_empty()
        {
            self.leaves.insert((parent.used, above));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// Blocks whose content is the ids they stand for.
    fn blocks(ids: &[TokenId]) -> Vec<Vec<TokenId>> {
        ids.chunks(BLOCK).map(<[TokenId]>::to_vec).collect()
    }

    fn shared(a: &[TokenId], b: &[TokenId]) -> usize {
        a.iter().zip(b).take_while(|(a, b)| a == b).count()
    }

    /// Sequences that often begin alike.
    fn sequences() -> impl Strategy<Value = Vec<(bool, Vec<TokenId>)>> {
        let part = prop_oneof![Just(vec![1; BLOCK]), Just(vec![2; BLOCK]), Just(vec![1; 5]), vec(0..3u32, 0..20)];
        let sequence = vec(part, 0..5).prop_map(|parts| parts.concat());
        vec((any::<bool>(), sequence), 1..40)
    }

    proptest! {
        #[test]
        fn without_a_limit_it_finds_what_a_list_of_all_sequences_finds(steps in sequences()) {
            let (mut tree, mut all) = (PrefixTree::new(usize::MAX), Vec::<Vec<TokenId>>::new());
            for (insert, ids) in steps {
                if insert {
                    tree.insert(&ids, &blocks(&ids));
                    all.push(ids);
                    continue;
                }
                let (found, blocks) = tree.find(&ids);
                prop_assert_eq!(found, all.iter().map(|other| shared(other, &ids)).max().unwrap_or(0));
                let kept: Vec<TokenId> = blocks.concat();
                prop_assert_eq!(&kept[..found], &ids[..found]);
                prop_assert_eq!(blocks.len(), found.div_ceil(BLOCK));
            }
        }

        #[test]
        fn with_a_limit_it_stays_below_it_and_keeps_the_newest(steps in sequences(), most in 1..12usize) {
            let mut tree = PrefixTree::new(most);
            for (insert, ids) in steps {
                if insert {
                    tree.insert(&ids, &blocks(&ids));
                    prop_assert!(tree.len() <= most);
                    let (found, _) = tree.find(&ids);
                    prop_assert!(found >= ids.len().min(most * BLOCK), "{} of {}", found, ids.len());
                } else {
                    let (found, blocks) = tree.find(&ids);
                    prop_assert_eq!(&blocks.concat()[..found], &ids[..found]);
                }
                let children: usize = tree.nodes.iter().flatten().map(|node| node.children.len()).sum();
                prop_assert_eq!(children + tree.roots.len(), tree.len());
                let leaves = tree.nodes.iter().flatten().filter(|node| node.children.is_empty()).count();
                prop_assert_eq!(tree.leaves.len(), leaves);
            }
        }
    }

    #[test]
    fn the_one_unused_for_longest_goes_first() {
        let mut tree = PrefixTree::new(2);
        let sequence = |first: TokenId| vec![first; 4];
        for first in [1, 2] {
            tree.insert(&sequence(first), &blocks(&sequence(first)));
        }
        assert_eq!(tree.find(&sequence(1)).0, 4);
        tree.insert(&sequence(3), &blocks(&sequence(3)));
        assert_eq!([1, 2, 3].map(|first| tree.find(&sequence(first)).0), [4, 0, 4]);
    }

    #[test]
    fn a_sequence_that_grows_takes_no_more_blocks_than_it_needs() {
        let mut tree = PrefixTree::new(100);
        let ids: Vec<TokenId> = (0..40).collect();
        for length in 1..=ids.len() {
            tree.insert(&ids[..length], &blocks(&ids[..length]));
            assert_eq!(tree.len(), length.div_ceil(BLOCK));
        }
    }
}
