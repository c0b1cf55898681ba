//! The report as a page, with the figures in it: one file that can be sent.

use std::fmt::Write as _;
use std::time::Duration;

use super::Came;
use super::figure::Figure;
use super::outcome::number;
use crate::human;
use crate::svg::escaped;

/// Its file's name.
pub const NAME: &str = "report.html";

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<title>Vortex: the experiments</title><style>\
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;\
margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%;\
font-variant-numeric:tabular-nums}th,td{text-align:right;padding:.25rem .6rem;\
border-bottom:1px solid #8884}th:first-child,td:first-child{text-align:left}\
.no{color:#d1242f;font-weight:700}svg{max-width:100%;height:auto;border:1px solid #8884}\
figure{margin:1rem 0}.scroll{overflow-x:auto}</style>\n";

/// The page.
pub fn text(results: &[Came], figures: &[(&str, Figure)], took: Duration) -> String {
    let mut page = String::from(HEAD);
    // Writing to a string does not fail.
    let _ = write!(
        page,
        "<h1>Vortex: the experiments</h1>\n<p>What the paper reports, what was measured, from \
         the lowest to the highest of all runs, and the bounds. It took {}.</p>\n",
        human::span(took)
    );
    for result in results {
        let title = escaped(result.about);
        let _ =
            write!(page, "<h2>{title}</h2>\n<p><code>./vortex experiment {}</code>, ", result.name);
        let _ = writeln!(page, "{}.</p>", human::count(result.runs.len(), "run", "runs"));
        for why in result.runs.iter().filter_map(|run| run.wrong.as_ref()) {
            let _ = writeln!(page, "<p class=\"no\">Of a run: {}</p>", escaped(why));
        }
        page += "<div class=\"scroll\"><table><thead><tr><th>on<th>paper<th>measured<th>bound\
                 <th>unit<th>holds</thead><tbody>\n";
        for of in &result.spread {
            let bound = of.bound.map_or("–".into(), |bound| number(bound, &of.unit));
            let holds = if of.holds { "<td>yes" } else { "<td class=\"no\">NO" };
            let _ = writeln!(
                page,
                "<tr><td>{}<td>{}<td>{}<td>{bound}<td>{}{holds}",
                escaped(&of.what),
                escaped(&of.paper),
                of.measured(),
                escaped(&of.unit)
            );
        }
        page += "</tbody></table></div>\n";
        for (_, figure) in figures.iter().filter(|(name, _)| *name == result.name) {
            let title = escaped(&figure.title);
            let _ =
                writeln!(page, "<figure>{}<figcaption>{title}</figcaption></figure>", figure.svg);
        }
    }
    page + "</html>\n"
}
