//! The paper's figures drawn anew, as SVG: on the left what the paper shows, on the right
//! what was measured.

use std::fmt::Write as _;

use crate::svg::escaped;

use serde_json::Value;

/// A drawing.
pub struct Figure {
    /// The name of its file, without what it ends with.
    pub file: String,
    /// What it shows.
    pub title: String,
    /// It.
    pub svg: String,
}

/// What the paper's figures show of the three processes, over all of their time.
const PAPER: [f64; 3] = [50.0, 33.0, 17.0];
const COLOURS: [&str; 3] = ["#1f6feb", "#0a7f5a", "#b25e09"];
const NAMES: [&str; 3] = ["a, 50 %", "b, 33 %", "c, 17 %"];
/// A panel's size, and the room around it.
const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 46.0;
const TOP: f64 = 34.0;
const GAP: f64 = 40.0;
const RIGHT: f64 = 16.0;

/// A point in time, and the shares then.
type Row = (f64, [f64; 3]);

/// The figures of an experiment's run.
pub fn of(name: &str, value: &Value) -> Vec<Figure> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let figure = |file: &str, title: String, rows: &[Row]| Figure {
        file: file.into(),
        svg: draw(&title, rows),
        title,
    };
    match name {
        "cpu" => {
            let rows = list(&value["figure"]["rows"]);
            let core = |row: &Value| row["core"].as_u64().unwrap_or(0);
            let first = rows.iter().map(core).min().unwrap_or(0);
            let shares = rows.iter().filter(|row| core(row) == first);
            let rows = timed(shares.map(|row| (&row["seconds"], three(&row["shares"]))));
            let title = format!("Figure 8: shares of core {first}, a sample a second");
            vec![figure("figure-8", title, &rows)]
        }
        "file-read" => {
            const PANELS: [&str; 4] = ["threads", "ASR", "AIOR", "FCR"];
            let mut all = Vec::new();
            for one in list(value) {
                let form = one["figures"]["form"].as_str().unwrap_or("?").to_string();
                for (panel, name) in PANELS.into_iter().enumerate() {
                    let rows = list(&one["figures"]["rows"]);
                    let shares = rows.iter();
                    let rows =
                        timed(shares.map(|row| (&row["seconds"], three(&row["shares"][panel]))));
                    let title = format!("Figure 11: shares at {name} ({form})");
                    let file = format!("figure-11-{form}-{}", name.to_lowercase());
                    all.push(figure(&file, title, &rows));
                }
            }
            all
        }
        "disk" => {
            let rows = list(&value["figures"]["rows"]);
            let rows = timed(rows.iter().map(|row| (&row["seconds"], three(&row["shares"]))));
            let title = "Figure 16: shares of the bytes read from the disk".to_string();
            vec![figure("figure-16", title, &rows)]
        }
        "web" => {
            let mut all = Vec::new();
            for one in list(value) {
                // The seconds in which all three are at work.
                let shares = list(&one["figures"]["together"]["shares"]);
                let each = (1..).map(f64::from).zip(shares.iter().map(three));
                let rows: Vec<Row> = each.collect();
                let server = one["server"].as_str().unwrap_or("?");
                let title =
                    format!("Figure 13: shares of the bytes sent, all three at work ({server})");
                let name = server.rsplit('/').next().unwrap_or(server);
                all.push(figure(&format!("figure-13-{name}"), title, &rows));
            }
            all
        }
        _ => Vec::new(),
    }
}

fn three(value: &Value) -> [f64; 3] {
    [0, 1, 2].map(|place| value[place].as_f64().unwrap_or(0.0))
}

/// Each row lasts for its seconds.
fn timed<'a>(rows: impl Iterator<Item = (&'a Value, [f64; 3])>) -> Vec<Row> {
    let mut at = 0.0;
    rows.map(|(seconds, shares)| {
        at += seconds.as_f64().unwrap_or(1.0);
        (at, shares)
    })
    .collect()
}

fn draw(title: &str, rows: &[Row]) -> String {
    let whole = 2.0 * (LEFT + WIDTH) + GAP + RIGHT;
    let height = TOP + HEIGHT + 44.0;
    let end = rows.last().map_or(1.0, |row| row.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole} {height}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"12\"><title>{}</title>\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
        escaped(title)
    );
    let paper = [(0.0, PAPER), (end, PAPER)];
    panel(&mut svg, LEFT, "The paper", &paper, end);
    panel(&mut svg, LEFT + WIDTH + GAP + LEFT, "Measured", rows, end);
    for (place, (name, colour)) in NAMES.iter().zip(COLOURS).enumerate() {
        let x = LEFT + 110.0 * place as f64;
        let y = TOP + HEIGHT + 34.0;
        // Writing to a string does not fail.
        let _ = write!(
            svg,
            "<rect x=\"{x}\" y=\"{}\" width=\"12\" height=\"3\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{y}\">{name}</text>",
            y - 5.0,
            x + 18.0
        );
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, left: f64, title: &str, rows: &[Row], end: f64) {
    let x = |at: f64| left + WIDTH * at / end.max(1e-9);
    let y = |share: f64| TOP + HEIGHT * (1.0 - share / 100.0);
    // Writing to a string does not fail.
    let _ = write!(svg, "<text x=\"{left}\" y=\"20\" font-weight=\"bold\">{title}</text>");
    for share in [0.0, 25.0, 50.0, 75.0, 100.0] {
        let at = y(share);
        let _ = write!(
            svg,
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{at}\" y2=\"{at}\" stroke=\"#d5d9df\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#57606a\">{share} %</text>",
            left + WIDTH,
            left - 6.0,
            at + 4.0
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#57606a\">{end:.0} s</text>",
        left + WIDTH,
        TOP + HEIGHT + 16.0
    );
    for (process, colour) in COLOURS.iter().enumerate() {
        let points: Vec<String> = rows
            .iter()
            .filter_map(|(at, shares)| {
                let share = shares.get(process)?;
                Some(format!("{:.1},{:.1}", x(*at), y(*share)))
            })
            .collect();
        let points = points.join(" ");
        let _ = write!(
            svg,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_figure_has_the_paper_and_what_was_measured() {
        let row = |core: u64, a: f64| json!({ "core": core, "seconds": 1.0, "shares": [a, 33.0, 67.0 - a] });
        let value = json!({ "figure": { "rows": [row(0, 50.0), row(1, 9.0), row(0, 40.0)] } });
        let [figure] = &of("cpu", &value)[..] else { panic!("one figure") };
        assert_eq!(figure.file, "figure-8");
        assert_eq!(figure.svg.matches("<polyline").count(), 6);
        let x = LEFT + WIDTH + GAP + LEFT;
        let points = format!("{:.1},{:.1} {:.1},{:.1}", x + WIDTH / 2.0, 134.0, x + WIDTH, 154.0);
        assert!(figure.svg.contains(&points), "{points} in {}", figure.svg);
        assert!(ends_match(&figure.svg));
    }

    #[test]
    fn the_web_servers_figure_is_of_the_seconds_with_all_three() {
        let together = json!({ "shares": [[50.0, 33.0, 17.0], [40.0, 33.0, 27.0]] });
        let one = |server: &str| json!({ "server": server, "figures": { "together": together } });
        let value = json!([one("services/web"), one("lighttpd")]);
        let [figure, other] = &of("web", &value)[..] else { panic!("two figures") };
        assert_eq!(figure.file, "figure-13-web");
        assert_eq!(other.file, "figure-13-lighttpd");
        let x = LEFT + WIDTH + GAP + LEFT;
        let points = format!("{:.1},{:.1} {:.1},{:.1}", x + WIDTH / 2.0, 134.0, x + WIDTH, 154.0);
        assert!(figure.svg.contains(&points), "{points} in {}", figure.svg);
    }

    /// As well-formed as can be told without a reader of XML: every angle has its end.
    fn ends_match(svg: &str) -> bool {
        svg.matches('<').count() == svg.matches('>').count()
    }

    #[test]
    fn what_has_no_figures_has_none_drawn() {
        assert!(of("attacks", &json!([])).is_empty());
        assert!(of("file-read", &json!([])).is_empty());
        assert_eq!(of("cpu", &json!({})).len(), 1);
    }
}
