//! Pieces of HTML: escaped text, tables, figures, and numbers as people read them.

use crate::bootstrap::Interval;

/// Text for HTML, in elements and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

/// A table; the row whose first cell is `ours` stands out. Escapes all cells.
pub fn table(head: &[&str], rows: &[Vec<String>], ours: &str) -> String {
    let head: String = head.iter().map(|cell| format!("<th scope=\"col\">{}</th>", escape(cell))).collect();
    let row = |cells: &Vec<String>| {
        let mark = if cells.first().is_some_and(|cell| cell == ours) { " class=\"ours\"" } else { "" };
        let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        format!("<tr{mark}>{cells}</tr>")
    };
    let rows: String = rows.iter().map(row).collect();
    format!("<div class=\"wide\"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>")
}

/// A drawing with its caption; `svg` goes in as it is.
pub fn figure(name: &str, caption: &str, svg: &str) -> String {
    let (name, caption) = (escape(name), escape(caption));
    format!(
        "<figure><div role=\"img\" aria-label=\"{name}: {caption}\">{svg}</div>\
         <figcaption>{caption}</figcaption></figure>\n"
    )
}

/// A share in percent.
pub fn percent(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

/// In percent, the interval on a second line; marked where the figure was missing in over one resample in twenty.
pub fn interval(figure: &Option<Interval>) -> String {
    figure.map_or("-".into(), |f| {
        let doubt = if f.defined < 0.95 { " ?" } else { "" };
        format!("{:.1}\n({:.1} to {:.1}){doubt}", 100.0 * f.value, 100.0 * f.low, 100.0 * f.high)
    })
}

/// Three digits that count, or all before the point.
pub fn short(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        v => (2.0 - v.log10().floor()).clamp(3.0, 9.0) as usize,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let texts = [0.0, 0.000_012_34, 0.5, 1.234, 56.78, 1234.5].map(short);
        assert_eq!(texts, ["0", "0.0000123", "0.500", "1.23", "56.8", "1234"]);
    }

    #[test]
    fn a_figure_that_often_did_not_exist_is_marked() {
        let f = Interval { value: 0.5, low: 0.25, high: 0.75, defined: 0.5 };
        assert_eq!(interval(&Some(f)), "50.0\n(25.0 to 75.0) ?");
        assert_eq!(interval(&Some(Interval { defined: 1.0, ..f })), "50.0\n(25.0 to 75.0)");
        assert_eq!(interval(&None), "-");
    }

    #[test]
    fn cells_and_captions_are_escaped_also_inside_attributes() {
        let html = table(&["<h>"], &[vec!["a \"&\" b".into()]], "") + &figure("n", "it's \"<x>\"", "<svg/>");
        assert!(html.contains("&lt;h&gt;") && html.contains("a &quot;&amp;&quot; b") && html.contains("<svg/>"));
        assert!(html.contains("aria-label=\"n: it&#39;s &quot;&lt;x&gt;&quot;\""), "{html}");
    }
}
