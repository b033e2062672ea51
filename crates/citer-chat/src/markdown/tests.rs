//! Tests of the layout.

use super::*;
use proptest::prelude::*;

fn pieces<'a>(nodes: &'a [Node], into: &mut Vec<&'a Piece>) {
    for node in nodes {
        match node {
            Node::Element(_, nodes) | Node::Code { pieces: nodes, .. } | Node::Maths { pieces: nodes, .. } => {
                pieces(nodes, into);
            }
            Node::Piece(piece) => into.push(piece),
            Node::Rule | Node::Task(_) => {}
        }
    }
}

fn all(nodes: &[Node]) -> Vec<&Piece> {
    let mut found = Vec::new();
    pieces(nodes, &mut found);
    found
}

fn text(nodes: &[Node]) -> String {
    all(nodes).iter().map(|piece| piece.text.as_str()).collect()
}

/// One token a character.
fn by_letters(source: &str) -> Vec<Node> {
    let letters: Vec<String> = source.chars().map(String::from).collect();
    layout(&letters.iter().map(String::as_str).collect::<Vec<_>>(), "")
}

fn outline(nodes: &[Node]) -> String {
    let one = |node: &Node| match node {
        Node::Element(tag, nodes) => format!("{tag:?}({})", outline(nodes)),
        Node::Piece(piece) => piece.text.clone(),
        Node::Code { language, text, .. } => format!("Code[{language}]({text})"),
        Node::Maths { layout, display, pieces } => format!("Maths[{},{display}]({})", layout.is_some(), text(pieces)),
        Node::Rule => "Rule".into(),
        Node::Task(done) => format!("Task({done})"),
    };
    nodes.iter().map(one).collect()
}

#[test]
fn plain_text_stays_as_it_is() {
    let tokens = ["4 x 5", " = ", "20", ".\nSo", " it is", " 20.", ""];
    let nodes = layout(&tokens, "\u{fffd}");
    assert_eq!(outline(&nodes), "Paragraph(4 x 5 = 20.\nSo it is 20.\u{fffd})");
    let firsts: Vec<_> = all(&nodes).iter().filter(|piece| piece.first).map(|piece| piece.token.unwrap()).collect();
    assert_eq!(firsts, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(all(&nodes).last().unwrap().token, None, "no token made the mark of a broken character");
}

#[test]
fn the_parts_of_markdown_are_found() {
    for (source, wanted) in [
        ("# A *b* **c**", "Heading(1)(A Emphasis(b) Strong(c))"),
        // A reader who jumps from heading to heading misses no level.
        (
            "### A\n###### B\n#### C\n## D\n# E\n### F",
            "Heading(1)(A)Heading(2)(B)Heading(2)(C)Heading(1)(D)Heading(1)(E)Heading(2)(F)",
        ),
        ("- a\n- b", "List(None)(Item(a)Item(b))"),
        ("3. a", "List(Some(3))(Item(a))"),
        ("- [x] a", "List(None)(Item(Task(true)a))"),
        ("> a\n> b", "Quote(Paragraph(a\nb))"),
        ("`a*b*`", "Paragraph(Code(a*b*))"),
        ("```rust\nfn a() {}\n```", "Code[rust](fn a() {}\n)"),
        ("a\n\n---\n\nb", "Paragraph(a)RuleParagraph(b)"),
        ("|a|b|\n|-|-|\n|1|2|", "Table(Row(Cell(true)(a)Cell(true)(b))Row(Cell(false)(1)Cell(false)(2)))Rest()"),
        ("[a](https://b.c)", "Paragraph(Link(\"https://b.c\")(a))"),
        ("~~a~~ &amp; \\*", "Paragraph(Struck(a) & *)"),
    ] {
        assert_eq!(outline(&by_letters(source)), wanted, "{source}");
    }
}

#[test]
fn formulas_are_found_however_they_are_marked() {
    for (source, wanted) in [
        ("$x^2$ a", "Paragraph(Maths[true,false]($x^2$) a)"),
        ("\\(x\\) and \\[ y \\]", "Paragraph(Maths[true,false](\\(x\\)) and Maths[true,true](\\[ y \\]))"),
        ("$$x$$", "Paragraph(Maths[true,true]($$x$$))"),
        ("`\\(x\\)`", "Paragraph(Code(\\(x\\)))"),
        ("so \\boxed{27}.", "Paragraph(so Boxed(27).)"),
        ("\\boxed{\\frac{1}{2}}", "Paragraph(Boxed(Maths[true,false](\\boxed{\\frac{1}{2}})))"),
        ("$\\boxed{42}$", "Paragraph(Boxed(Maths[true,false]($\\boxed{42}$)))"),
        ("\\boxed{2", "Paragraph(\\boxed{2)"),
        ("$\\nosuch{1}$", "Paragraph(Maths[false,false]($\\nosuch{1}$))"),
        ("it is $3 and $4", "Paragraph(it is $3 and $4)"),
        ("$3+$4", "Paragraph($3+$4)"),
        ("2*x*3", "Paragraph(2*x*3)"),
    ] {
        assert_eq!(outline(&by_letters(source)), wanted, "{source}");
    }
}

#[test]
fn hostile_text_is_text() {
    let html = "<script>alert(1)</script> <img src=x onerror=alert(2)>\n\n<b>x</b>";
    let shown = text(&by_letters(html));
    assert!(shown.contains("<script>alert(1)</script>") && shown.contains("onerror=alert(2)"), "{shown}");
    for link in ["javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "vbscript:x", "//x.y", "file:///etc", "x"] {
        let nodes = by_letters(&format!("[a](<{link}>) ![b](<{link}>)"));
        assert!(!outline(&nodes).contains("Link("), "{link}");
        assert!(text(&nodes).contains('a'));
    }
    let deep = ">".repeat(20_000) + " a";
    assert!(text(&layout(&[&deep], "")).contains('a'));
    let deep = "*a ".repeat(3000) + &"[".repeat(3000) + &"(".repeat(3000);
    assert!(text(&layout(&[&deep], "")).contains('a'));
}

fn token() -> impl Strategy<Value = String> {
    let parts = [
        "*",
        "**",
        "_",
        "`",
        "```",
        "\n",
        "\n\n",
        "# ",
        "- ",
        "1. ",
        "> ",
        "|",
        "|-|",
        "[",
        "](",
        ")",
        "$",
        "$$",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        "\\boxed{",
        "}",
        "<b>",
        "<!--",
        "-->",
        "&amp;",
        "&#0;",
        "\\",
        "word",
        "é",
        "😀",
        " ",
        "  ",
        "    ",
        "~~",
        "x",
        "1",
        "---",
        "[ ] ",
        "![",
        "https://a.b",
        "",
        "\t",
        "\r\n",
    ];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 0..4).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_token_has_one_first_piece_in_order(tokens in prop::collection::vec(token(), 0..14), tail in "\u{fffd}?") {
        let texts: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let nodes = layout(&texts, &tail);
        let found = all(&nodes);
        let firsts: Vec<usize> = found.iter().filter(|piece| piece.first).filter_map(|piece| piece.token).collect();
        prop_assert_eq!(firsts, (0..texts.len()).collect::<Vec<_>>());
        for piece in found.iter().filter(|piece| !piece.first && piece.text.is_empty()) {
            prop_assert!(false, "an empty piece that is not first: {:?}", piece);
        }
    }

    #[test]
    fn words_are_never_lost(words in prop::collection::vec("[a-z]{1,5}", 1..10), marks in prop::collection::vec(token(), 10)) {
        // Words that stand in their own paragraph between marks are shown.
        let source: String = words.iter().zip(&marks).map(|(word, mark)| {
            let mark: String = mark.replace(['<', '[', '`', '$', '|', '\\'], "");
            format!("{mark}\n\n{word}\n\n")
        }).collect();
        let shown = text(&layout(&[&source], ""));
        for word in &words {
            prop_assert!(shown.contains(word.as_str()), "{} in {:?} from {:?}", word, shown, source);
        }
    }
}
