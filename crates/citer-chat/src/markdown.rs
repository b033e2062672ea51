//! Markdown: an answer's text laid out as blocks whose smallest pieces still know the token they come from. HTML is shown
//! as it is written, links go to web addresses only, and nothing is loaded.

use crate::maths::{self, Element};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag as Start, TagEnd, TextMergeWithOffset};
use std::collections::BTreeSet;
use std::ops::Range;

/// Deepest nesting that is laid out; deeper levels are shown at this one.
const DEEPEST: usize = 16;

/// A piece of text that one token made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    /// The token's place in the answer; `None` for text that no token is known of.
    pub token: Option<usize>,
    /// What is shown of it here; empty where the token is syntax that is not shown.
    pub text: String,
    /// Whether it is the token's first piece. Every token has exactly one, in order.
    pub first: bool,
}

/// What a part of the answer is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// A paragraph.
    Paragraph,
    /// A heading. 1 is outermost in this answer, and none is more than one below the heading before it, whatever was written.
    Heading(u8),
    /// A quotation.
    Quote,
    /// A list, numbered from where it says.
    List(Option<u64>),
    /// An item of a list.
    Item,
    /// Emphasis.
    Emphasis,
    /// Strong emphasis.
    Strong,
    /// Struck out.
    Struck,
    /// Code in a line.
    Code,
    /// A boxed result.
    Boxed,
    /// A link to a web address.
    Link(String),
    /// A table.
    Table,
    /// A row of a table.
    Row,
    /// A cell; in the head of a table or not.
    Cell(bool),
    /// What belongs to no other part.
    Rest,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A part with parts.
    Element(Tag, Vec<Node>),
    /// Text.
    Piece(Piece),
    /// A block of code.
    Code {
        /// What it says its language is.
        language: String,
        /// The whole text, for copying.
        text: String,
        /// The same in pieces.
        pieces: Vec<Node>,
    },
    /// A formula.
    Maths {
        /// As it is laid out; `None` where it cannot be.
        layout: Option<Element>,
        /// Whether it stands in a line of its own.
        display: bool,
        /// As it was written, in pieces.
        pieces: Vec<Node>,
    },
    /// A line across.
    Rule,
    /// The box of a task.
    Task(bool),
}

/// Lays out an answer given by its tokens' texts and what follows the last one. The nodes are blocks that rarely change once
/// others follow.
pub fn layout(tokens: &[&str], tail: &str) -> Vec<Node> {
    let mut text = String::new();
    let mut ends = Vec::with_capacity(tokens.len());
    for token in tokens {
        text.push_str(token);
        ends.push(text.len());
    }
    text.push_str(tail);
    let (readable, inline) = with_dollars(&text);
    let mut builder = Builder {
        text: &text,
        ends,
        next: 0,
        inline,
        stack: vec![Frame::new(None)],
        in_head: false,
        code: None,
        headings: Vec::new(),
    };
    for (event, range) in TextMergeWithOffset::new(Parser::new_ext(&readable, options()).into_offset_iter()) {
        builder.take(event, range);
    }
    builder.finish()
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS | Options::ENABLE_MATH
}

/// Models write formulas as `\(…\)` and `\[…\]` too. The copy has dollars there, at the same places; the set holds the
/// places of formulas that belong in a line.
fn with_dollars(text: &str) -> (String, BTreeSet<usize>) {
    let mut inline = BTreeSet::new();
    if !text.contains("\\(") && !text.contains("\\[") {
        return (text.to_owned(), inline);
    }
    let code: Vec<Range<usize>> = Parser::new_ext(text, options())
        .into_offset_iter()
        .filter(|(event, _)| matches!(event, Event::Code(_) | Event::Start(Start::CodeBlock(_))))
        .map(|(_, range)| range)
        .collect();
    let is_code = |at: usize| code.iter().any(|range| range.contains(&at));
    let mut readable = text.to_owned().into_bytes();
    let mut at = 0;
    while let Some(found) = text[at..].find(['\\']).map(|found| at + found) {
        let rest = &text[found..];
        let close = if rest.starts_with("\\(") {
            "\\)"
        } else if rest.starts_with("\\[") {
            "\\]"
        } else {
            // An escaped backslash does not begin anything.
            at = found + if rest.starts_with("\\\\") { 2 } else { 1 };
            continue;
        };
        let end = rest.find(close).filter(|end| !rest[..*end].contains("\n\n") && !rest[..*end].contains('$'));
        let Some(end) = end.filter(|_| !is_code(found)) else {
            at = found + 2;
            continue;
        };
        for place in [found, found + end] {
            readable[place] = b'$';
            readable[place + 1] = b'$';
        }
        if close == "\\)" {
            inline.insert(found);
        }
        at = found + end + 2;
    }
    // Only ASCII was replaced by ASCII.
    (String::from_utf8(readable).unwrap_or_else(|_| text.to_owned()), inline)
}

/// A part that is being made; `None` for one whose contents go to the part around it.
struct Frame {
    tag: Option<Tag>,
    nodes: Vec<Node>,
    /// The text that stands at both ends instead of the part.
    literal: bool,
}

impl Frame {
    fn new(tag: Option<Tag>) -> Self {
        Self { tag, nodes: Vec::new(), literal: false }
    }
}

struct Builder<'a> {
    text: &'a str,
    /// Where each token ends.
    ends: Vec<usize>,
    /// The first token without a piece.
    next: usize,
    inline: BTreeSet<usize>,
    stack: Vec<Frame>,
    in_head: bool,
    /// The block of code that is being read: language and text.
    code: Option<(String, String)>,
    /// The written levels of the headings that the next one may stand under.
    headings: Vec<u8>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag, range),
            Event::Text(shown) => match &mut self.code {
                Some((_, code)) => {
                    code.push_str(&shown);
                    self.leaf(&shown, range);
                }
                None => self.words(&shown, range),
            },
            Event::Html(shown) | Event::InlineHtml(shown) => self.leaf(&shown, range),
            Event::Code(shown) => {
                let inner = self.inner(&shown, &range);
                self.wrapped(Tag::Code, &shown, inner);
            }
            Event::InlineMath(latex) => self.maths(&latex, range, false),
            Event::DisplayMath(latex) => {
                let display = !self.inline.contains(&range.start);
                self.maths(&latex, range, display);
            }
            Event::SoftBreak | Event::HardBreak => self.leaf("\n", range),
            Event::Rule => self.push(Node::Rule),
            Event::TaskListMarker(done) => self.push(Node::Task(done)),
            Event::FootnoteReference(name) => self.leaf(&name, range),
        }
    }

    /// Where `shown` lies in the source within `range`, or all of it.
    fn inner(&self, shown: &str, range: &Range<usize>) -> Range<usize> {
        let found = self.text[range.clone()].find(shown).map(|at| range.start + at);
        found.map_or(range.clone(), |at| at..at + shown.len())
    }

    fn start(&mut self, tag: Start, range: Range<usize>) {
        if let Start::CodeBlock(kind) = &tag {
            let language = match kind {
                CodeBlockKind::Fenced(name) => name.split_whitespace().next().unwrap_or_default().to_owned(),
                CodeBlockKind::Indented => String::new(),
            };
            self.code = Some((language, String::new()));
        }
        let mut frame = Frame::new(None);
        if self.stack.len() < DEEPEST {
            frame.tag = match tag {
                Start::Paragraph => Some(Tag::Paragraph),
                Start::Heading { level, .. } => Some(Tag::Heading(self.depth(level as u8))),
                Start::BlockQuote(_) => Some(Tag::Quote),
                Start::List(from) => Some(Tag::List(from)),
                Start::Item => Some(Tag::Item),
                Start::Strong => Some(Tag::Strong),
                Start::Strikethrough => Some(Tag::Struck),
                Start::Table(_) => Some(Tag::Table),
                Start::TableHead | Start::TableRow => Some(Tag::Row),
                Start::TableCell => Some(Tag::Cell(self.in_head)),
                Start::Link { dest_url, .. } | Start::Image { dest_url, .. } => web_address(&dest_url).map(Tag::Link),
                // A sign of multiplication between two numbers or names is no emphasis.
                Start::Emphasis if self.is_inside_word(&range) => {
                    frame.literal = true;
                    None
                }
                Start::Emphasis => Some(Tag::Emphasis),
                Start::HtmlBlock => Some(Tag::Paragraph),
                _ => None,
            };
        }
        self.in_head |= matches!(frame.tag, Some(Tag::Row)) && self.is_first_row();
        let literal = frame.literal;
        self.stack.push(frame);
        if literal {
            self.leaf("*", range.start..range.start + 1);
        }
    }

    /// How deep a heading written at `level` stands under those before it.
    fn depth(&mut self, level: u8) -> u8 {
        self.headings.retain(|above| *above < level);
        self.headings.push(level);
        self.headings.len() as u8
    }

    fn is_first_row(&self) -> bool {
        self.stack.last().is_some_and(|around| around.tag == Some(Tag::Table) && around.nodes.is_empty())
    }

    fn is_inside_word(&self, range: &Range<usize>) -> bool {
        let before = self.text[..range.start].chars().next_back();
        let after = self.text[range.end..].chars().next();
        self.text[range.clone()].starts_with('*')
            && before.is_some_and(char::is_alphanumeric)
            && after.is_some_and(char::is_alphanumeric)
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        if self.stack.last().is_some_and(|frame| frame.literal) {
            self.leaf("*", range.end - 1..range.end);
        }
        if tag == TagEnd::TableHead {
            self.in_head = false;
        }
        let Some(frame) = (self.stack.len() > 1).then(|| self.stack.pop()).flatten() else { return };
        let code = if tag == TagEnd::CodeBlock { self.code.take() } else { None };
        match (code, frame.tag) {
            (Some((language, text)), _) => self.push(Node::Code { language, text, pieces: frame.nodes }),
            (None, Some(tag)) => self.push(Node::Element(tag, frame.nodes)),
            (None, None) => frame.nodes.into_iter().for_each(|node| self.push(node)),
        }
    }

    fn push(&mut self, node: Node) {
        if let Some(frame) = self.stack.last_mut() {
            frame.nodes.push(node);
        }
    }

    /// Text of a line, in which a result may be boxed without signs of a formula around it.
    fn words(&mut self, shown: &str, range: Range<usize>) {
        const BOXED: &str = "\\boxed{";
        let source = &self.text[range.clone()];
        let boxed = (shown == source).then(|| source.find(BOXED)).flatten().and_then(|at| {
            let open = at + BOXED.len();
            closing(&source[open..]).map(|length| (at, open, open + length))
        });
        let Some((at, open, close)) = boxed else { return self.leaf(shown, range) };
        let start = range.start;
        if at > 0 {
            self.leaf(&shown[..at], start..start + at);
        }
        let content = &shown[open..close];
        if content.contains(['\\', '^', '_', '{']) {
            self.maths(&shown[at..=close], start + at..start + close + 1, false);
        } else {
            self.wrapped(Tag::Boxed, content, start + open..start + close);
        }
        if close + 1 < shown.len() {
            self.words(&shown[close + 1..], start + close + 1..range.end);
        }
    }

    fn wrapped(&mut self, tag: Tag, shown: &str, range: Range<usize>) {
        self.stack.push(Frame::new(None));
        self.leaf(shown, range);
        let nodes = self.stack.pop().map(|frame| frame.nodes).unwrap_or_default();
        self.push(Node::Element(tag, nodes));
    }

    fn maths(&mut self, latex: &str, range: Range<usize>, display: bool) {
        // Two prices are no formula: nothing may follow the second dollar that belongs to a number.
        let single = self.text[range.clone()].starts_with('$') && !self.text[range.clone()].starts_with("$$");
        if single && self.text[range.end..].starts_with(|c: char| c.is_ascii_digit()) {
            let source = self.text[range.clone()].to_owned();
            return self.leaf(&source, range);
        }
        // The box is drawn around the formula.
        let boxed = latex.trim().strip_prefix("\\boxed{").filter(|inner| closing(inner) == Some(inner.len() - 1));
        let layout = maths::mathml(boxed.map_or(latex, |inner| &inner[..inner.len() - 1]), display);
        let source = self.text[range.clone()].to_owned();
        self.stack.push(Frame::new(None));
        self.leaf(&source, range);
        let pieces = self.stack.pop().map(|frame| frame.nodes).unwrap_or_default();
        let formula = Node::Maths { layout, display, pieces };
        self.push(if boxed.is_some() { Node::Element(Tag::Boxed, vec![formula]) } else { formula });
    }

    /// Text that stands at `range` of the source, in pieces by token.
    fn leaf(&mut self, shown: &str, range: Range<usize>) {
        // Tokens that ended before are syntax that is not shown.
        while self.ends.get(self.next).is_some_and(|end| *end <= range.start) {
            self.piece(self.next, "");
        }
        if self.text[range.clone()] == *shown {
            let mut from = range.start;
            let mut token = self.ends.partition_point(|end| *end <= from);
            while from < range.end && token < self.ends.len() {
                let to = self.ends[token].min(range.end);
                if to > from {
                    self.piece(token, &self.text[from..to]);
                } else if token >= self.next {
                    self.piece(token, "");
                }
                from = to;
                token += 1;
            }
            if from < range.end {
                let text = self.text[from..range.end].to_owned();
                self.push(Node::Piece(Piece { token: None, text, first: false }));
            }
            return;
        }
        // What is shown differs from what was written: it belongs to the token that began it.
        let token = self.ends.partition_point(|end| *end <= range.start);
        if token < self.ends.len() {
            self.piece(token, shown);
        } else {
            self.push(Node::Piece(Piece { token: None, text: shown.to_owned(), first: false }));
        }
        while self.next < self.ends.len() && self.ends[self.next] <= range.end {
            self.piece(self.next, "");
        }
    }

    fn piece(&mut self, token: usize, text: &str) {
        // Tokens without text of their own come before this one.
        while self.next < token {
            let before = self.next;
            self.next += 1;
            self.push(Node::Piece(Piece { token: Some(before), text: String::new(), first: true }));
        }
        let first = token == self.next;
        if first {
            self.next += 1;
        }
        self.push(Node::Piece(Piece { token: Some(token), text: text.to_owned(), first }));
    }

    fn finish(mut self) -> Vec<Node> {
        while self.stack.len() > 1 {
            self.end(TagEnd::Paragraph, self.text.len()..self.text.len());
        }
        while self.next < self.ends.len() {
            self.piece(self.next, "");
        }
        let mut nodes = self.stack.pop().map(|frame| frame.nodes).unwrap_or_default();
        // Pieces that stand alone join the block before them.
        let mut blocks: Vec<Node> = Vec::with_capacity(nodes.len());
        for node in nodes.drain(..) {
            match node {
                Node::Piece(_) => match blocks.last_mut().and_then(last_line) {
                    Some(line) => line.push(node),
                    None => blocks.push(Node::Element(Tag::Rest, vec![node])),
                },
                block => blocks.push(block),
            }
        }
        blocks
    }
}

/// Where text can be added at the end of a block.
fn last_line(node: &mut Node) -> Option<&mut Vec<Node>> {
    match node {
        Node::Element(Tag::Paragraph | Tag::Heading(_) | Tag::Rest, nodes) | Node::Code { pieces: nodes, .. } => {
            Some(nodes)
        }
        Node::Element(Tag::Item, nodes) => {
            let ends_in_block =
                matches!(nodes.last(), Some(Node::Element(Tag::Paragraph | Tag::List(_) | Tag::Quote, _)));
            if ends_in_block { nodes.last_mut().and_then(last_line) } else { Some(nodes) }
        }
        Node::Element(Tag::Quote | Tag::List(_), nodes) => nodes.last_mut().and_then(last_line),
        _ => None,
    }
}

/// Length of the text before the brace that closes one opened before it.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// An address that a link may go to.
fn web_address(url: &str) -> Option<String> {
    let lower = url.to_ascii_lowercase();
    let may = ["https://", "http://", "mailto:"].iter().any(|start| lower.starts_with(start));
    (may && !url.chars().any(|letter| letter.is_control() || letter.is_whitespace())).then(|| url.to_owned())
}

#[cfg(test)]
mod tests;
