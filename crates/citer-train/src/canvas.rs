//! What the plots share: an SVG canvas, axes, and a look for each policy.
//!
//! Lines differ by colour, dash and mark, so that they can be told apart without colour. The colours are Okabe and
//! Ito's palette for all kinds of colour vision, with grey in place of its yellow, which is too faint on white.

use crate::error::TrainError;
use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

/// A drawing in pixels.
pub type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A drawing step that failed.
pub type Failure = DrawingAreaErrorKind<std::io::Error>;
/// A place in pixels from the top left.
pub type Pixel = (i32, i32);

/// Size of labels, in pixels.
pub const LABEL: i32 = 27;
/// Text and axes.
pub const INK: RGBColor = RGBColor(40, 40, 40);
/// Grids and references.
pub const FAINT: RGBColor = RGBColor(150, 150, 150);

const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(110, 110, 110),
];
/// Length of dashes and gaps, in pixels.
const DASHES: [Option<(i32, i32)>; 5] = [None, Some((24, 9)), Some((5, 7)), Some((13, 9)), Some((38, 14))];

/// Colour, dash and mark of a line.
#[derive(Clone, Copy)]
pub struct Look {
    /// Colour.
    pub colour: RGBColor,
    dash: Option<(i32, i32)>,
    mark: usize,
}

impl Look {
    /// The look of the line with this index; no two among the first forty are the same.
    pub fn of(index: usize) -> Self {
        Self { colour: COLOURS[index % 8], dash: DASHES[index % 5], mark: (index + index / 8) % 8 }
    }
}

/// Draws an SVG of this size.
pub fn svg(
    (width, height): (u32, u32),
    draw: impl FnOnce(&Canvas<'_>) -> Result<(), Failure>,
) -> Result<String, TrainError> {
    let failed = |e: Failure| TrainError::Settings(format!("a plot cannot be drawn: {e}"));
    let mut text = String::new();
    {
        let canvas = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        canvas.fill(&WHITE).map_err(failed)?;
        draw(&canvas).map_err(failed)?;
        canvas.present().map_err(failed)?;
    }
    Ok(text)
}

/// Axes with their names. `sides` are the pixels left of the y axis and right of the plot;
/// without `y_name` the y axis has no labels. Returns where a point lies.
pub fn axes(
    canvas: &Canvas<'_>,
    sides: (i32, i32),
    (x, x_name): (Range<f64>, &str),
    (y, y_name): (Range<f64>, Option<&str>),
) -> Result<impl Fn(f64, f64) -> Pixel, Failure> {
    let spans = [&x, &y].map(|range| range.end - range.start);
    let mut builder = ChartBuilder::on(canvas);
    builder.margin_left(16).margin_top(70).margin_bottom(12).margin_right(sides.1);
    builder.x_label_area_size(90).y_label_area_size(sides.0);
    let mut chart = builder.build_cartesian_2d(x, y)?;
    let mut mesh = chart.configure_mesh();
    mesh.label_style(("sans-serif", LABEL, &INK)).axis_desc_style(("sans-serif", LABEL, &INK)).axis_style(INK);
    mesh.light_line_style(WHITE).bold_line_style(FAINT.mix(0.35)).x_labels(11).y_labels(9).x_desc(x_name);
    let [x_label, y_label] = spans.map(|span| {
        // One digit after the point, more where all numbers are small.
        let scale = 10f64.powf((2.0 - span.log10().floor()).clamp(1.0, 9.0));
        move |value: &f64| format!("{}", (value * scale).round() / scale)
    });
    mesh.x_label_formatter(&x_label).y_label_formatter(&y_label);
    match y_name {
        Some(name) => mesh.y_desc(name).draw()?,
        None => mesh.disable_y_mesh().y_labels(0).draw()?,
    }
    let area = chart.plotting_area().clone();
    Ok(move |x, y| area.map_coordinate(&(x, y)))
}

/// A line in a look.
pub fn line(canvas: &Canvas<'_>, points: Vec<Pixel>, look: Look, width: u32) -> Result<(), Failure> {
    let style = look.colour.stroke_width(width);
    match look.dash {
        None => canvas.draw(&PathElement::new(points, style)),
        Some((dash, gap)) => canvas.draw(&DashedPathElement::new(points, dash, gap, style)),
    }
}

/// A look's mark.
pub fn mark(canvas: &Canvas<'_>, (x, y): Pixel, look: Look) -> Result<(), Failure> {
    let fill = look.colour.filled();
    let shape = |points: &[Pixel]| -> Vec<Pixel> { points.iter().map(|p| (x + p.0, y + p.1)).collect() };
    let stroke = |points: &[Pixel]| canvas.draw(&PathElement::new(shape(points), look.colour.stroke_width(3)));
    match look.mark {
        0 => canvas.draw(&Circle::new((x, y), 7, fill)),
        1 => canvas.draw(&Polygon::new(shape(&[(-8, 7), (8, 7), (0, -8)]), fill)),
        2 => canvas.draw(&Rectangle::new([(x - 6, y - 6), (x + 7, y + 7)], fill)),
        3 => canvas.draw(&Polygon::new(shape(&[(-8, 0), (0, 9), (8, 0), (0, -9)]), fill)),
        4 => stroke(&[(-7, -7), (7, 7)]).and_then(|()| stroke(&[(-7, 7), (7, -7)])),
        5 => canvas.draw(&Polygon::new(shape(&[(-8, -7), (8, -7), (0, 8)]), fill)),
        6 => canvas.draw(&Circle::new((x, y), 7, look.colour.stroke_width(3))),
        _ => stroke(&[(-8, 0), (9, 0)]).and_then(|()| stroke(&[(0, -8), (0, 9)])),
    }
}

/// An interval as a vertical or horizontal bar between two places.
pub fn whisker(canvas: &Canvas<'_>, from: Pixel, to: Pixel, colour: RGBColor) -> Result<(), Failure> {
    let (dx, dy) = if from.0 == to.0 { (6, 0) } else { (0, 6) };
    let cap = |p: Pixel| vec![(p.0 - dx, p.1 - dy), (p.0 + dx, p.1 + dy)];
    for points in [vec![from, to], cap(from), cap(to)] {
        canvas.draw(&PathElement::new(points, colour.mix(0.7).stroke_width(2)))?;
    }
    Ok(())
}

/// Text that begins (`HPos::Left`), is centred or ends at a place, vertically centred.
pub fn text(canvas: &Canvas<'_>, at: Pixel, side: HPos, size: i32, words: &str) -> Result<(), Failure> {
    let style = TextStyle::from(("sans-serif", size)).color(&INK).pos(Pos::new(side, VPos::Center));
    canvas.draw_text(words, &style, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn looks_differ_and_neighbours_differ_in_every_way() {
        let look = |i| {
            let look = Look::of(i);
            (look.colour.0, look.colour.1, look.colour.2, look.dash, look.mark)
        };
        assert_eq!((0..40).map(look).collect::<BTreeSet<_>>().len(), 40);
        for (a, b) in (0..12).map(|i| (Look::of(i), Look::of(i + 1))) {
            assert!(a.colour != b.colour && a.dash != b.dash && a.mark != b.mark);
        }
    }

    #[test]
    fn text_is_text_and_is_escaped() {
        let svg = svg((300, 200), |canvas| text(canvas, (10, 10), HPos::Left, LABEL, "<a & b>")).unwrap();
        assert!(svg.contains("&lt;a &amp; b&gt;") && !svg.contains("<a & b>"), "{svg}");
    }
}
