//! The policies side by side, as a drawing (SVG): a line each, and in three columns what a
//! request costs, how far shares are off in a tenth of a second, and how long the light one waits.

use std::fmt::Write as _;

use crate::human;
use crate::svg::escaped;

/// What is drawn of a policy.
#[derive(Clone, Debug)]
pub struct Line {
    pub policy: String,
    /// Instructions of a request, among few activities and among many.
    pub instructions: [u64; 2],
    /// Points that shares are off at worst, of a policy that promises any.
    pub off: Option<f64>,
    /// Microseconds that the light one waits, on average and at most.
    pub waits: Option<[f64; 2]>,
}

const NAMES: f64 = 170.0;
const COLUMN: f64 = 200.0;
const GAP: f64 = 104.0;
const TOP: f64 = 64.0;
const ROW: f64 = 30.0;
const PALE: &str = "#a9c7f5";
const DARK: &str = "#1f6feb";

/// A column: its title, its two kinds of bars, and how much a whole one is.
struct Column {
    title: &'static str,
    under: &'static str,
    most: f64,
    /// Each ten times as much is as long a part of a bar as the last: where the least are seen
    /// beside the greatest.
    by_tens: bool,
}

impl Column {
    fn length(&self, value: f64) -> f64 {
        let part = match self.by_tens {
            true => (value + 1.0).log10() / (self.most + 1.0).log10(),
            false => value / self.most,
        };
        COLUMN * part.clamp(0.0, 1.0)
    }
}

/// Draws them.
pub fn draw(lines: &[Line]) -> String {
    let most = |of: &dyn Fn(&Line) -> f64| lines.iter().map(of).fold(1.0, f64::max);
    let columns = [
        Column {
            title: "Instructions of a request",
            under: "8 activities, 1,000",
            most: most(&|line| line.instructions[1] as f64),
            by_tens: false,
        },
        Column {
            title: "Shares off in 100 ms, points",
            under: "at worst; by tens",
            most: most(&|line| line.off.unwrap_or(0.0)),
            by_tens: true,
        },
        Column {
            title: "The light one waits, µs",
            under: "on average, at most; by tens",
            most: most(&|line| line.waits.map_or(0.0, |waits| waits[1])),
            by_tens: true,
        },
    ];
    let width = NAMES + (COLUMN + GAP) * 3.0;
    let height = TOP + ROW * lines.len() as f64 + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"12\"><title>Every scheduler on the same work</title>\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    );
    for (place, column) in columns.iter().enumerate() {
        let x = left(place);
        // Writing to a string does not fail.
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"24\" font-weight=\"bold\">{}</text>\
             <text x=\"{x}\" y=\"42\" fill=\"#57606a\">{}</text>",
            column.title, column.under
        );
    }
    for (row, line) in lines.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            NAMES - 12.0,
            y + 14.0,
            escaped(&line.policy)
        );
        let [few, many] = line.instructions;
        let told = format!("{} / {}", human::grouped(few), human::grouped(many));
        bars(&mut svg, &columns, 0, y, Some(([few as f64, many as f64], told)));
        let off = line.off.map(|off| ([off, off], format!("{off:.2}")));
        bars(&mut svg, &columns, 1, y, off);
        let waits = line.waits.map(|[mean, most]| ([mean, most], format!("{mean:.0} / {most:.0}")));
        bars(&mut svg, &columns, 2, y, waits);
    }
    svg + "</svg>\n"
}

fn left(column: usize) -> f64 {
    NAMES + (COLUMN + GAP) * column as f64
}

/// The greater value behind, the lesser before it, and both in words; a dash where there is none.
fn bars(
    svg: &mut String,
    columns: &[Column],
    place: usize,
    y: f64,
    of: Option<([f64; 2], String)>,
) {
    let (x, Some(column)) = (left(place), columns.get(place)) else { return };
    let Some(([less, more], told)) = of else {
        let _ = write!(svg, "<text x=\"{x}\" y=\"{}\" fill=\"#57606a\">–</text>", y + 14.0);
        return;
    };
    let (less, more) = (column.length(less), column.length(more));
    let _ = write!(
        svg,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{more:.1}\" height=\"18\" fill=\"{PALE}\"/>\
         <rect x=\"{x}\" y=\"{}\" width=\"{less:.1}\" height=\"8\" fill=\"{DARK}\"/>\
         <text x=\"{:.1}\" y=\"{}\">{told}</text>",
        y + 5.0,
        x + more + 6.0,
        y + 14.0
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_has_its_bars_and_a_dash_for_what_it_does_not_promise() {
        let lines = [
            Line {
                policy: "a".into(),
                instructions: [1_000, 2_000],
                off: Some(0.5),
                waits: Some([9.0, 99.0]),
            },
            Line { policy: "b<c".into(), instructions: [500, 4_000], off: None, waits: None },
        ];
        let svg = draw(&lines);
        assert!(svg.contains("1,000 / 2,000") && svg.contains("b&lt;c"));
        assert_eq!(svg.matches('–').count(), 2);
        // The longest of a column is as long as that, and half of it half as long.
        assert!(svg.contains("width=\"200.0\" height=\"18\"") && svg.contains("width=\"100.0\""));
        assert!(svg.contains("width=\"50.0\" height=\"8\""));
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    }
}
