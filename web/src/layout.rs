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
use std::sync::Arc;

/// The namespace of formulas.
const MATHML: &str = "http://www.w3.org/1998/Math/MathML";

/// A block with what its pieces need, and a key that changes with them.
#[derive(Clone)]
pub struct Block {
    /// Its place and a hash of its contents.
    pub key: (usize, u64),
    node: Node,
    marks: Arc<Vec<Mark>>,
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
        node.hash(&mut hasher);
        Block { key: (place, hasher.finish()), node, marks: marks.clone() }
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

impl Block {
    /// The block as it is shown.
    pub fn view(&self) -> AnyView {
        node(&self.node, &self.marks)
    }
}

fn all(nodes: &[Node], marks: &Arc<Vec<Mark>>) -> Vec<AnyView> {
    nodes.iter().map(|part| node(part, marks)).collect()
}

fn node(part: &Node, marks: &Arc<Vec<Mark>>) -> AnyView {
    match part {
        Node::Element(tag, nodes) => element(tag, all(nodes, marks)),
        Node::Piece(part) => piece(part, marks),
        Node::Code { language, text, pieces } => {
            let text = text.clone();
            view! {
                <div class="code-block">
                    <div class="code-head">
                        <span>{language.clone()}</span>
                        <Copy text=Signal::stored(text)/>
                    </div>
                    <pre tabindex="0"><code>{all(pieces, marks)}</code></pre>
                </div>
            }
            .into_any()
        }
        Node::Maths { layout: Some(layout), display, pieces } => view! {
            <span class="maths" class:display=*display>
                {formula(layout)}
                <span class="maths-source">{all(pieces, marks)}</span>
            </span>
        }
        .into_any(),
        Node::Maths { layout: None, pieces, .. } => view! { <code>{all(pieces, marks)}</code> }.into_any(),
        Node::Rule => view! { <hr/> }.into_any(),
        Node::Task(done) => {
            let (sign, words) =
                if *done { ("☑ ", strings::answer::DONE) } else { ("☐ ", strings::answer::NOT_DONE) };
            view! { <span aria-hidden="true">{sign}</span><span class="hidden">{words}</span> }.into_any()
        }
    }
}

fn element(tag: &Tag, parts: Vec<AnyView>) -> AnyView {
    match tag {
        Tag::Paragraph => view! { <p>{parts}</p> }.into_any(),
        // The page's own headings come before those of an answer.
        Tag::Heading(1) => view! { <h4>{parts}</h4> }.into_any(),
        Tag::Heading(2) => view! { <h5>{parts}</h5> }.into_any(),
        Tag::Heading(_) => view! { <h6>{parts}</h6> }.into_any(),
        Tag::Quote => view! { <blockquote>{parts}</blockquote> }.into_any(),
        Tag::List(None) => view! { <ul class="list">{parts}</ul> }.into_any(),
        Tag::List(Some(from)) => view! { <ol class="list" start=from.to_string()>{parts}</ol> }.into_any(),
        Tag::Item => view! { <li>{parts}</li> }.into_any(),
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
        Tag::Cell(true) => view! { <th>{parts}</th> }.into_any(),
        Tag::Cell(false) => view! { <td>{parts}</td> }.into_any(),
        Tag::Rest => view! { <p class="rest">{parts}</p> }.into_any(),
    }
}

fn piece(piece: &Piece, marks: &Arc<Vec<Mark>>) -> AnyView {
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
