//! An answer on the page: blocks of Markdown whose pieces carry their tokens' marks. Elements are made one by one; no text
//! is ever read as HTML.

use crate::copy::Copy;
use crate::strings;
use citer_chat::Token;
use citer_chat::markdown::{Node, Piece, Tag};
use citer_chat::maths::{Child, Element};
use citer_core::{Source, TokenId};
use leptos::prelude::*;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::sync::Arc;

/// The namespace of formulas.
const MATHML: &str = "http://www.w3.org/1998/Math/MathML";

/// A block of an answer: a tree of nodes with what its pieces show of their tokens.
#[derive(Clone)]
pub struct Block {
    /// Changes when another element is to stand here.
    pub key: (usize, u64),
    /// Changes with anything in the block.
    contents: u64,
    node: Arc<Node>,
    marks: Arc<Vec<Mark>>,
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.contents == other.contents
    }
}

/// What a piece shows of its token.
#[derive(Clone, PartialEq, Hash)]
struct Mark {
    id: TokenId,
    source: &'static str,
    score: String,
    /// 0 to 9, the score in tenths.
    heat: u8,
    /// A letter at the beginning of a run that the small model did not make alone.
    label: Option<&'static str>,
    is_end: bool,
}

/// The blocks of an answer.
pub fn blocks(tokens: &[Token], tail: &str, end: Option<TokenId>) -> Vec<Block> {
    let texts: Vec<&str> = tokens.iter().map(|token| token.event.text.as_str()).collect();
    let mut before = Source::Local;
    let marks = tokens.iter().map(|token| {
        let event = &token.event;
        let label = (strings::source(event.source) != strings::source(before)).then(|| label(event.source)).flatten();
        before = event.source;
        Mark {
            id: event.id,
            source: strings::source(event.source),
            score: format!("{:.4}", event.score),
            heat: (event.score.clamp(0.0, 1.0) * 9.99) as u8,
            label,
            is_end: end == Some(event.id),
        }
    });
    let marks: Arc<Vec<Mark>> = Arc::new(marks.collect());
    let nodes = citer_chat::markdown::layout(&texts, tail);
    let one = |(place, node): (usize, Node)| {
        let mut hasher = DefaultHasher::new();
        contents(&node, &marks, &mut hasher);
        let key = (place, shape(&node, &marks));
        Block { key, contents: hasher.finish(), node: Arc::new(node), marks: marks.clone() }
    };
    nodes.into_iter().enumerate().map(one).collect()
}

fn label(source: Source) -> Option<&'static str> {
    match source {
        Source::Local => None,
        Source::Agreed => Some(strings::answer::LABEL_AGREED),
        Source::Remote => Some(strings::answer::LABEL_REMOTE),
        Source::Forced(_) => Some(strings::answer::LABEL_FORCED),
    }
}

/// The nodes within a node that are elements of their own and may grow.
fn within(node: &Node) -> &[Node] {
    match node {
        Node::Element(_, nodes) | Node::Code { pieces: nodes, .. } => nodes,
        Node::Piece(_) | Node::Maths { .. } | Node::Rule | Node::Task(_) => &[],
    }
}

/// What makes a node's element the one it is, without what may grow in it.
fn outside(node: &Node, marks: &[Mark], hasher: &mut DefaultHasher) {
    mem::discriminant(node).hash(hasher);
    match node {
        Node::Element(tag, _) => tag.hash(hasher),
        Node::Code { language, .. } => language.hash(hasher),
        Node::Piece(piece) => {
            piece.hash(hasher);
            piece.token.and_then(|token| marks.get(token)).hash(hasher);
        }
        // A formula is drawn as a whole.
        Node::Maths { pieces, .. } => {
            node.hash(hasher);
            pieces.iter().for_each(|piece| outside(piece, marks, hasher));
        }
        Node::Rule => {}
        Node::Task(done) => done.hash(hasher),
    }
}

fn shape(node: &Node, marks: &[Mark]) -> u64 {
    let mut hasher = DefaultHasher::new();
    outside(node, marks, &mut hasher);
    hasher.finish()
}

fn contents(node: &Node, marks: &[Mark], hasher: &mut DefaultHasher) {
    outside(node, marks, hasher);
    let nodes = within(node);
    nodes.len().hash(hasher);
    nodes.iter().for_each(|node| contents(node, marks, hasher));
}

/// Where a node stands in its block.
type Path = Arc<[usize]>;

impl Block {
    fn at(&self, path: &[usize]) -> Option<&Node> {
        path.iter().try_fold(&*self.node, |node, place| within(node).get(*place))
    }
}

/// An answer's blocks as they are shown. What did not change is left alone, so a token that is added adds its own element.
#[component]
pub fn Blocks(blocks: Memo<Vec<Block>>) -> impl IntoView {
    view! {
        <For each=move || blocks.with(|all| all.iter().map(|block| block.key).collect::<Vec<_>>()) key=|key| *key let:key>
            {
                let block = Memo::new(move |_| blocks.with(|all| all.get(key.0).cloned()));
                shown(block, Path::default())
            }
        </For>
    }
}

/// The nodes in the node at `path`.
fn inner(block: Memo<Option<Block>>, path: Path) -> AnyView {
    let around = path.clone();
    let keys = move || {
        block.with(|block| {
            let node = block.as_ref().and_then(|block| Some((block.at(&around)?, &block.marks)));
            let keys =
                node.map(|(node, marks)| within(node).iter().map(|node| shape(node, marks)).enumerate().collect());
            keys.unwrap_or_else(Vec::new)
        })
    };
    let one = move |(place, _): (usize, u64)| shown(block, path.iter().copied().chain([place]).collect());
    view! { <For each=keys key=|key| *key children=one/> }.into_any()
}

/// The node at `path`.
fn shown(block: Memo<Option<Block>>, path: Path) -> AnyView {
    let parts = || inner(block, path.clone());
    block.with_untracked(|now| {
        let Some((node, marks)) = now.as_ref().and_then(|now| Some((now.at(&path)?, &now.marks))) else {
            return ().into_any();
        };
        match node {
            Node::Element(tag, _) => element(tag, parts()),
            Node::Piece(part) => piece(part, marks),
            Node::Code { language, .. } => {
                let path = path.clone();
                let text = Signal::derive(move || {
                    block.with(|block| match block.as_ref().and_then(|block| block.at(&path)) {
                        Some(Node::Code { text, .. }) => text.clone(),
                        _ => String::new(),
                    })
                });
                view! {
                    <div class="code-block">
                        <div class="code-head">
                            <span>{language.clone()}</span>
                            <Copy text/>
                        </div>
                        <pre tabindex="0" dir="ltr"><code>{parts()}</code></pre>
                    </div>
                }
                .into_any()
            }
            Node::Maths { layout, display, pieces } => {
                let source = pieces.iter().map(|part| match part {
                    Node::Piece(part) => piece(part, marks),
                    _ => ().into_any(),
                });
                let source = source.collect_view();
                match layout {
                    Some(layout) => view! {
                        <span class="maths" class:display=*display>
                            {formula(layout)}
                            <span class="maths-source">{source}</span>
                        </span>
                    }
                    .into_any(),
                    None => view! { <code>{source}</code> }.into_any(),
                }
            }
            Node::Rule => view! { <hr/> }.into_any(),
            Node::Task(done) => {
                let (sign, words) =
                    if *done { ("☑ ", strings::answer::DONE) } else { ("☐ ", strings::answer::NOT_DONE) };
                view! { <span aria-hidden="true">{sign}</span><span class="hidden">{words}</span> }.into_any()
            }
        }
    })
}

/// A tag's element. Text that runs from right to left has its own direction.
fn element(tag: &Tag, parts: AnyView) -> AnyView {
    match tag {
        Tag::Paragraph => view! { <p dir="auto">{parts}</p> }.into_any(),
        // An answer stands under its question, which is a heading of the second level.
        Tag::Heading(1) => view! { <h3 dir="auto">{parts}</h3> }.into_any(),
        Tag::Heading(2) => view! { <h4 dir="auto">{parts}</h4> }.into_any(),
        Tag::Heading(3) => view! { <h5 dir="auto">{parts}</h5> }.into_any(),
        Tag::Heading(_) => view! { <h6 dir="auto">{parts}</h6> }.into_any(),
        Tag::Quote => view! { <blockquote dir="auto">{parts}</blockquote> }.into_any(),
        Tag::List(None) => view! { <ul class="list">{parts}</ul> }.into_any(),
        Tag::List(Some(from)) => view! { <ol class="list" start=from.to_string()>{parts}</ol> }.into_any(),
        Tag::Item => view! { <li dir="auto">{parts}</li> }.into_any(),
        Tag::Emphasis => view! { <em>{parts}</em> }.into_any(),
        Tag::Strong => view! { <strong>{parts}</strong> }.into_any(),
        Tag::Struck => view! { <s>{parts}</s> }.into_any(),
        Tag::Code => view! { <code>{parts}</code> }.into_any(),
        Tag::Boxed => view! { <span class="boxed">{parts}</span> }.into_any(),
        Tag::Link(url) => view! {
            <a href=url.clone() target="_blank" rel="noopener noreferrer nofollow">{parts}</a>
        }
        .into_any(),
        Tag::Table => view! { <div class="table" tabindex="0"><table><tbody>{parts}</tbody></table></div> }.into_any(),
        Tag::Row => view! { <tr>{parts}</tr> }.into_any(),
        Tag::Cell(true) => view! { <th dir="auto">{parts}</th> }.into_any(),
        Tag::Cell(false) => view! { <td dir="auto">{parts}</td> }.into_any(),
        Tag::Rest => view! { <p class="rest" dir="auto">{parts}</p> }.into_any(),
    }
}

fn piece(piece: &Piece, marks: &[Mark]) -> AnyView {
    let text = piece.text.clone();
    let Some((index, mark)) = piece.token.and_then(|index| Some((index, marks.get(index)?.clone()))) else {
        return text.into_any();
    };
    view! {
        <span
            class="token"
            class:end=piece.first && mark.is_end
            tabindex=piece.first.then_some(if index == 0 { "0" } else { "-1" })
            aria-describedby=piece.first.then_some("token-card")
            data-token=piece.first.then(|| mark.id.to_string())
            data-index=index.to_string()
            data-source=mark.source
            data-heat=mark.heat.to_string()
            data-label=mark.label.filter(|_| piece.first)
            data-score=mark.score
        >
            {text}
        </span>
    }
    .into_any()
}

/// A formula's elements, which leptos has no tags for in this form.
fn formula(layout: &Element) -> AnyView {
    let host = leptos::html::span().class("formula");
    let layout = layout.clone();
    let place = NodeRef::<leptos::html::Span>::new();
    Effect::new(move || {
        if let (Some(place), Some(made)) = (place.get(), made(&layout)) {
            place.replace_children_with_node_1(&made);
        }
    });
    host.node_ref(place).into_any()
}

fn made(layout: &Element) -> Option<web_sys::Node> {
    let element = document().create_element_ns(Some(MATHML), &layout.name).ok()?;
    for (name, value) in &layout.attributes {
        // Names come from a list of those that lay out formulas.
        let _ = element.set_attribute(name, value);
    }
    for child in &layout.children {
        let child = match child {
            Child::Element(element) => made(element)?,
            Child::Text(text) => document().create_text_node(text).into(),
        };
        element.append_child(&child).ok()?;
    }
    Some(element.into())
}
