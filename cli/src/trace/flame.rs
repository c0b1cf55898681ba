//! A recording as a flame graph: who paid, in which resource, for what. As folded lines, which
//! speedscope and others read, and as a picture (SVG).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Trace;
use crate::human;
use crate::svg::escaped;

/// The picture's measures, in pixels.
const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 10.0;
const HEAD: f64 = 44.0;
const ROW: f64 = 20.0;
const LETTER: f64 = 6.6;
/// What is narrower is not drawn.
const NARROWEST: f64 = 0.1;

/// Cycles by activity, resource and what it was about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flame {
    cycles: BTreeMap<[String; 3], u64>,
    megahertz: u32,
}

impl Flame {
    /// Of a recording; what was billed back is its causer's.
    pub fn of(trace: &Trace) -> Self {
        let mut cycles: BTreeMap<[String; 3], u64> = BTreeMap::new();
        for slice in trace.cores.iter().flat_map(|core| &core.slices) {
            for (payer, paid) in slice.paid() {
                let stack =
                    [&trace.activity(payer), trace.resource(slice), trace.about(slice)].map(plain);
                *cycles.entry(stack).or_default() += paid;
            }
        }
        cycles.retain(|_, cycles| *cycles > 0);
        Self { cycles, megahertz: trace.megahertz }
    }

    /// As folded lines: `web;resource.tcp;packet 123`.
    pub fn folded(&self) -> String {
        let line =
            |(stack, cycles): (&[String; 3], &u64)| format!("{} {cycles}\n", stack.join(";"));
        self.cycles.iter().map(line).collect()
    }

    /// As a picture with this heading.
    pub fn svg(&self, heading: &str) -> String {
        let all: u64 = self.cycles.values().sum();
        let height = HEAD + 4.0 * (ROW + 1.0) + MARGIN;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{MARGIN}\" y=\"18\" font-size=\"14\">{}</text>\n\
             <text x=\"{MARGIN}\" y=\"35\" fill=\"#666\">activity, resource, what it was about; widths \
             are cycles. Point at one for its figures.</text>\n",
            escaped(heading)
        );
        if all == 0 {
            return text + "</svg>\n";
        }
        let whole = Box { text: "all", from: 0.0, width: 1.0, row: 0, colour: "#e0e0e0".into() };
        self.draw(&mut text, &whole, "all", all, all);
        let mut left = 0;
        for (activity, own) in self.level(&[]) {
            let hue = hue(&activity);
            self.boxes(&mut text, &[activity], own, left, all, hue);
            left += own;
        }
        text + "</svg>\n"
    }

    /// Draws what is on this stack from there on, and all above it.
    fn boxes(&self, text: &mut String, stack: &[String], own: u64, left: u64, all: u64, hue: u32) {
        let of_all = |cycles: u64| cycles as f64 / all as f64;
        let Some(name) = stack.last() else { return };
        let lightness = 62 + 8 * stack.len();
        let place = Box {
            text: name,
            from: of_all(left),
            width: of_all(own),
            row: stack.len(),
            colour: hex(hue, lightness as f64 / 100.0),
        };
        self.draw(text, &place, &stack.join(", "), own, all);
        let mut from = left;
        for (name, cycles) in self.level(stack) {
            let stack = [stack, &[name]].concat();
            self.boxes(text, &stack, cycles, from, all, hue);
            from += cycles;
        }
    }

    fn draw(&self, to: &mut String, place: &Box<'_>, whole: &str, own: u64, all: u64) {
        let room = WIDTH - 2.0 * MARGIN;
        let (x, width) = (MARGIN + place.from * room, place.width * room);
        if width < NARROWEST {
            return;
        }
        let y = HEAD + place.row as f64 * (ROW + 1.0);
        let time = human::nanos(own as f64 * 1000.0 / f64::from(self.megahertz.max(1)));
        let part = human::percent(own as f64, all as f64);
        let title = escaped(&format!("{whole}: {time}, {part} of what was recorded"));
        // Writing to a string does not fail.
        let _ = write!(
            to,
            "<g><title>{title}</title><rect x=\"{x:.2}\" y=\"{y}\" width=\"{:.2}\" \
             height=\"{ROW}\" fill=\"{}\" rx=\"2\"/>",
            (width - 0.5).max(NARROWEST),
            place.colour
        );
        let label = cut(place.text, ((width - 6.0) / LETTER).max(0.0) as usize);
        if !label.is_empty() {
            let (x, y) = (x + 3.0, y + 14.0);
            let _ = write!(to, "<text x=\"{x:.2}\" y=\"{y}\">{}</text>", escaped(&label));
        }
        to.push_str("</g>\n");
    }

    /// What is on this stack, the most first.
    fn level(&self, stack: &[String]) -> Vec<(String, u64)> {
        let mut level: BTreeMap<&String, u64> = BTreeMap::new();
        for (names, cycles) in self.cycles.iter().filter(|(names, _)| names.starts_with(stack)) {
            if let Some(name) = names.get(stack.len()) {
                *level.entry(name).or_default() += cycles;
            }
        }
        let mut level: Vec<_> = level.into_iter().map(|(name, sum)| (name.clone(), sum)).collect();
        level.sort_by_key(|(_, cycles)| std::cmp::Reverse(*cycles));
        level
    }
}

/// A box of the picture: where it is in parts of its width.
struct Box<'a> {
    text: &'a str,
    from: f64,
    width: f64,
    row: usize,
    colour: String,
}

/// A name as a folded line may have it.
fn plain(name: &str) -> String {
    name.replace([';', '\n'], ",")
}

/// A colour that a name always has.
fn hue(name: &str) -> u32 {
    name.bytes().fold(7, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 360
}

/// A text of at most so many letters, with a mark where it is cut; nothing where three do not fit.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.into();
    }
    if room < 3 {
        return String::new();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}

/// A colour of this hue in degrees and this lightness, as all who draw SVG know it (CSS Color 4,
/// section 7.1).
fn hex(hue: u32, lightness: f64) -> String {
    const SATURATION: f64 = 0.65;
    let reach = SATURATION * lightness.min(1.0 - lightness);
    let part = |n: f64| {
        let k = (n + f64::from(hue) / 30.0) % 12.0;
        let value = lightness - reach * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
        (value * 255.0).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", part(0.0), part(8.0), part(4.0))
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn colours_are_what_css_says() {
        assert_eq!(hex(0, 0.5), "#d22d2d");
        assert_eq!(hex(120, 0.7), "#81e481");
        assert_eq!(hex(235, 0.7), "#8189e4");
    }
}
