//! Formulas: LaTeX becomes a tree of MathML elements. Only elements and attributes that lay out formulas come through, so
//! nothing that a model writes can run or load anything; what cannot be laid out is shown as it was written.

use pulldown_latex::config::DisplayMode;
use pulldown_latex::{Event, Parser, RenderConfig, Storage, push_mathml};

/// Longest formula that is laid out, in bytes.
const LONGEST: usize = 4000;
/// Stands for the sign "<" while a formula is laid out.
const LESS: char = '\u{e000}';
/// Deepest nesting that is laid out.
const DEEPEST: usize = 40;
/// The commands that are laid out. Others, such as those that define commands, leave the formula as it was written.
const COMMANDS: &str = " frac dfrac tfrac cfrac binom dbinom tbinom sqrt left right middle big Big bigg Bigg bigl bigr Bigl \
    Bigr begin end text textbf textit mathrm mathbf mathit mathsf mathtt mathcal mathbb mathfrak mathscr boldsymbol \
    operatorname overline underline overbrace underbrace hat bar vec dot ddot tilde widehat widetilde check acute grave \
    breve overrightarrow overleftarrow stackrel overset underset substack limits nolimits displaystyle textstyle quad qquad \
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho sigma \
    varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega sum prod coprod \
    int iint iiint oint bigcup bigcap bigoplus bigotimes bigvee bigwedge lim limsup liminf max min sup inf sin cos tan cot sec \
    csc arcsin arccos arctan sinh cosh tanh log ln lg exp det dim ker deg gcd arg Pr hom times div cdot cdots ldots dots vdots \
    ddots pm mp ast star circ bullet oplus ominus otimes oslash odot cap cup setminus wedge vee land lor lnot neg le leq ge geq \
    ne neq ll gg equiv sim simeq approx cong propto prec succ preceq succeq subset supset subseteq supseteq in ni notin \
    mid nmid parallel perp angle triangle square forall exists nexists emptyset varnothing infty partial nabla hbar ell Re Im \
    aleph to gets mapsto rightarrow leftarrow Rightarrow Leftarrow leftrightarrow Leftrightarrow longrightarrow longleftarrow \
    implies impliedby iff uparrow downarrow therefore because langle rangle lfloor rfloor lceil rceil lvert rvert lVert rVert \
    vert Vert prime backslash degree bmod pmod mod colon ";

const ELEMENTS: [&str; 30] = [
    "math",
    "menclose",
    "merror",
    "mfrac",
    "mi",
    "mmultiscripts",
    "mn",
    "mo",
    "mover",
    "mpadded",
    "mphantom",
    "mprescripts",
    "mroot",
    "mrow",
    "ms",
    "mspace",
    "msqrt",
    "mstyle",
    "msub",
    "msubsup",
    "msup",
    "mtable",
    "mtd",
    "mtext",
    "mtr",
    "munder",
    "munderover",
    "none",
    "semantics",
    "maction",
];
const ATTRIBUTES: [&str; 27] = [
    "accent",
    "accentunder",
    "columnalign",
    "columnspan",
    "depth",
    "display",
    "displaystyle",
    "fence",
    "form",
    "height",
    "largeop",
    "linethickness",
    "lspace",
    "mathvariant",
    "maxsize",
    "minsize",
    "movablelimits",
    "notation",
    "rowspan",
    "rspace",
    "scriptlevel",
    "separator",
    "stretchy",
    "symmetric",
    "voffset",
    "width",
    "columnlines",
];

/// An element of MathML.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Element {
    /// Its name, one of those that lay out formulas.
    pub name: String,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
    /// What is in it.
    pub children: Vec<Child>,
}

/// What is in an element.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Child {
    /// Another element.
    Element(Element),
    /// Text.
    Text(String),
}

/// The formula as MathML, in a line of its own where `display`; `None` when it cannot be laid out.
pub fn mathml(latex: &str, display: bool) -> Option<Element> {
    let latex = latex.trim().trim_start_matches('$').trim_end_matches('$');
    if latex.len() > LONGEST || depth(latex) > DEEPEST || !is_known(latex) {
        return None;
    }
    // The renderer writes this sign as it is, which is no XML.
    let latex = &latex.replace('<', &LESS.to_string());
    let storage = Storage::new();
    let events: Vec<Event> = Parser::new(latex, &storage).collect::<Result<_, _>>().ok()?;
    let mode = if display { DisplayMode::Block } else { DisplayMode::Inline };
    let config = RenderConfig { display_mode: mode, ..RenderConfig::default() };
    let mut text = String::new();
    let events = events.into_iter().map(Ok::<_, std::convert::Infallible>);
    push_mathml(&mut text, events, config).ok()?;
    let text = text.replace("&nbsp;", "\u{a0}");
    let document = roxmltree::Document::parse(&text).ok()?;
    element(document.root_element(), 0)
}

/// Every opening counts, closed or not.
fn depth(latex: &str) -> usize {
    ["{", "\\left", "\\begin", "^", "_"].iter().map(|opening| latex.matches(opening).count()).sum()
}

/// Whether only known commands and plain signs are in the formula.
fn is_known(latex: &str) -> bool {
    let mut parts = latex.split('\\');
    let plain = |text: &str| !text.contains(['%', '#', '~', '"', '`', '@', '$']) && !text.contains(char::is_control);
    let is_plain = |text: &str| plain(&text.replace(['\n', '\t'], " "));
    if !parts.next().is_none_or(is_plain) {
        return false;
    }
    let mut escaped = false;
    for part in parts {
        // Two in a row are one command, which ends a line.
        if escaped {
            escaped = false;
            if is_plain(part) {
                continue;
            }
            return false;
        }
        let name: String = part.chars().take_while(char::is_ascii_alphabetic).collect();
        let rest = &part[name.len()..];
        let known = match (name.is_empty(), part.chars().next()) {
            (true, None) => {
                escaped = true;
                true
            }
            (true, Some(sign)) => " ,;:!{}|%".contains(sign) && is_plain(&part[1..]),
            (false, _) => COMMANDS.contains(&format!(" {name} ")) && is_plain(rest),
        };
        if !known {
            return false;
        }
    }
    // A backslash at the end commands nothing.
    !escaped
}

fn element(node: roxmltree::Node, depth: usize) -> Option<Element> {
    let name = node.tag_name().name();
    if depth > 3 * DEEPEST || !ELEMENTS.contains(&name) {
        return None;
    }
    let attributes = node.attributes().filter(|attribute| ATTRIBUTES.contains(&attribute.name()));
    let attributes = attributes.map(|attribute| (attribute.name().to_owned(), attribute.value().to_owned())).collect();
    let mut children = Vec::new();
    for child in node.children() {
        if child.is_element() {
            children.push(Child::Element(element(child, depth + 1)?));
        } else if let Some(text) = child.text() {
            children.push(Child::Text(text.replace(LESS, "<")));
        }
    }
    // It is an operator.
    let name = if name == "mi" && node.text() == Some("\u{e000}") { "mo" } else { name };
    Some(Element { name: name.to_owned(), attributes, children })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(element: &Element) -> String {
        let children = element.children.iter().map(|child| match child {
            Child::Element(element) => text(element),
            Child::Text(text) => text.clone(),
        });
        children.collect()
    }

    #[test]
    fn formulas_are_laid_out() {
        let half = mathml(r"\frac{1}{2}", false).unwrap();
        assert_eq!((half.name.as_str(), text(&half).as_str()), ("math", "12"));
        assert!(format!("{half:?}").contains("mfrac"));
        for latex in [r"x^2 + \sqrt{y}", r"\sum_{i=1}^n i", r"\begin{matrix}1&2\\3&4\end{matrix}", r"\text{if } a < b"]
        {
            assert!(mathml(latex, true).is_some(), "{latex}");
        }
    }

    #[test]
    fn what_cannot_be_laid_out_is_nothing() {
        let deep = format!("{}x{}", "{".repeat(5000), "}".repeat(5000));
        for latex in [r"\frac{1", r"\nosuchthing", r"\def\a{\a\a}\a", &deep, &"x".repeat(LONGEST + 1)] {
            assert_eq!(mathml(latex, false), None, "{latex}");
        }
    }

    #[test]
    fn nothing_that_runs_or_loads_comes_through() {
        for latex in [
            r"\href{javascript:alert(1)}{x}",
            r"\text{<script>alert(1)</script>}",
            r"\class{x}{y}",
            r"\style{background:url(http://x)}{y}",
            r"\includegraphics{http://x/y.png}",
            r"<img src=x onerror=alert(1)>",
        ] {
            let Some(element) = mathml(latex, false) else { continue };
            let all = format!("{element:?}");
            assert!(!all.contains("name: \"script\"") && !all.contains("(\"href\""), "{all}");
            assert!(!all.contains("(\"style\"") && !all.contains("(\"on"), "{all}");
        }
    }

    fn latex() -> impl Strategy<Value = String> {
        let parts = [
            "\\frac",
            "\\sqrt",
            "\\left",
            "\\right",
            "(",
            ")",
            "{",
            "}",
            "[",
            "]",
            "^",
            "_",
            "&",
            "\\\\",
            "\\begin",
            "matrix",
            "\\end",
            "cases",
            "x",
            "1",
            "%",
            "#",
            "$",
            "~",
            " ",
            "\\",
            "\\text",
            "\\boxed",
            "\\hat",
            "\\not",
            "\\middle",
            "|",
            "\\limits",
            "'",
            "\n",
            "é",
            "∑",
            "\\color",
            "red",
            "\\hspace",
            "1em",
            "\\genfrac",
            "\\substack",
            "\\tag",
            "array",
            "\\rule",
            "\\char",
            "\"41",
            "\\operatorname",
            "\\mathbb",
            "\\big",
            "\\hline",
            "\\kern",
            "\\over",
            "\\sum",
            "-",
            ".",
        ];
        prop::collection::vec(prop::sample::select(parts.to_vec()), 0..14).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn no_formula_brings_the_page_down(latex in latex(), display: bool) {
            mathml(&latex, display);
        }

        #[test]
        fn nor_does_any_text(latex in "\\PC*") {
            mathml(&latex, false);
        }
    }
}
