//! What the experiments' JSON says, in one form.

use serde::Serialize;
use serde_json::Value;

/// A figure of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// On what.
    pub what: String,
    /// What the paper reports, in its words; nothing where it reports nothing.
    pub paper: &'static str,
    /// What was measured.
    pub measured: f64,
    /// What is allowed.
    pub bound: Option<f64>,
    /// The unit of both.
    pub unit: String,
    /// Whether it holds.
    pub holds: bool,
}

/// The same of all runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// On what.
    pub what: String,
    /// What the paper reports.
    pub paper: String,
    /// The lowest and the highest that was measured.
    pub lowest: f64,
    /// See [`Self::lowest`].
    pub highest: f64,
    /// What is allowed: the widest, where it depends on how long a run took.
    pub bound: Option<f64>,
    /// The unit.
    pub unit: String,
    /// Whether it holds in all runs.
    pub holds: bool,
}

/// A figure as people read it.
pub fn number(number: f64, unit: &str) -> String {
    match unit {
        "cycles" | "" => crate::human::grouped(number.abs() as u64),
        _ => format!("{number:.2}"),
    }
}

impl Spread {
    /// What was measured: one figure, or from the lowest to the highest.
    pub fn measured(&self) -> String {
        let [lowest, highest] = [self.lowest, self.highest].map(|of| number(of, &self.unit));
        if lowest == highest { lowest } else { format!("{lowest} to {highest}") }
    }
}

/// What is entitled to, in the order of the processes.
const ENTITLED: [&str; 3] = ["50", "33", "17"];

/// The outcomes of an experiment's run.
pub fn of(name: &str, value: &Value) -> Vec<Outcome> {
    let mut all = Vec::new();
    match name {
        "cpu" => {
            means(&mut all, "share of the cores", &value["figure"]["means"]);
            checks(&mut all, "", &value["checks"]);
        }
        "file-read" => {
            for one in list(value) {
                let form = one["figures"]["form"].as_str().unwrap_or_default();
                checks(&mut all, &format!("{form}: "), &one["checks"]);
            }
        }
        "disk" => {
            means(&mut all, "share of the bytes", &value["figures"]["means"]);
            checks(&mut all, "", &value["checks"]);
        }
        "web" => {
            for one in list(value) {
                let server = one["server"].as_str().unwrap_or_default();
                let what = format!("{server}: share of the bytes");
                means(&mut all, &what, &one["figures"]["together"]["means"]);
                checks(&mut all, &format!("{server}: "), &one["checks"]);
            }
        }
        "attacks" => list(value).iter().for_each(|one| attack(&mut all, one)),
        "memory" => list(value).iter().for_each(|one| memory(&mut all, one)),
        _ => {}
    }
    all
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Three means, against which the paper has the entitlements; their bounds are among the
/// checks.
fn means(all: &mut Vec<Outcome>, what: &str, value: &Value) {
    for (process, (mean, paper)) in "abc".chars().zip(list(value).iter().zip(ENTITLED)) {
        all.push(Outcome {
            what: format!("{what}, {process}"),
            paper,
            measured: float(mean),
            bound: None,
            unit: "%".into(),
            holds: true,
        });
    }
}

fn checks(all: &mut Vec<Outcome>, before: &str, value: &Value) {
    for check in list(value) {
        let what = check["what"].as_str().unwrap_or("?");
        let name = format!("{before}{what}");
        // What is measured several times, as a disk's rate that comes again, is told apart.
        let times = all.iter().filter(|of| of.what.starts_with(&name)).count();
        let again = if times > 0 { format!(" ({})", times + 1) } else { String::new() };
        let paper = if what.starts_with("unaccounted") { "0.004 % of all" } else { "" };
        all.push(Outcome {
            what: name + &again,
            paper,
            measured: float(&check["measured"]),
            bound: check["bound"].as_f64(),
            unit: check["unit"].as_str().unwrap_or_default().into(),
            holds: check["holds"] == Value::Bool(true),
        });
    }
}

fn attack(all: &mut Vec<Outcome>, one: &Value) {
    let name = one["attack"].as_str().unwrap_or("?");
    // As the experiment judges it: the neighbours either way, the attacker beyond its share.
    let neighbours = (float(&one["ratio"]) - 50.0 * 100.0 / 83.0).abs();
    let off = neighbours.max(float(&one["attacker"]) - 17.0);
    let (bound, lost) = (float(&one["tolerance"]), float(&one["unaccounted"]));
    let (infrastructure, idle) = (float(&one["infrastructure"]), float(&one["idle"]));
    let mut put = |what: &str, measured: f64, bound: f64, unit: &str| {
        all.push(Outcome {
            what: format!("{name}: {what}"),
            paper: "",
            measured,
            bound: Some(bound),
            unit: unit.into(),
            holds: measured <= bound,
        });
    };
    put("somebody off its share", off, bound, "points");
    put("infrastructure", infrastructure, 0.5, "%");
    put("idle", idle, 0.5, "%");
    put("cycles on no bill", lost.abs(), 0.0, "cycles");
}

fn memory(all: &mut Vec<Outcome>, one: &Value) {
    let name = one["attack"].as_str().unwrap_or("?");
    let wrong = list(&one["wrong"]);
    let mut put = |what: &str, measured: f64, unit: &str, bound: Option<f64>, holds: bool| {
        let what = format!("{name}: {what}");
        all.push(Outcome { what, paper: "", measured, bound, unit: unit.into(), holds });
    };
    put("the first neighbour's part of both", float(&one["ratio"]), "%", None, true);
    put("cycles on no bill", float(&one["unaccounted"]).abs(), "cycles", None, true);
    put("bounds that do not hold", wrong.len() as f64, "", Some(0.0), wrong.is_empty());
}

/// Of all runs together; a figure that is not in every run does not hold.
pub fn spread(runs: &[Vec<Outcome>]) -> Vec<Spread> {
    let Some(first) = runs.first() else { return Vec::new() };
    first
        .iter()
        .map(|one| {
            let same = |run: &Vec<Outcome>| run.iter().find(|of| of.what == one.what).cloned();
            let found: Vec<Outcome> = runs.iter().filter_map(same).collect();
            let fold = |begin: f64, of: fn(f64, f64) -> f64| {
                found.iter().map(|outcome| outcome.measured).fold(begin, of)
            };
            Spread {
                what: one.what.clone(),
                paper: one.paper.into(),
                lowest: fold(f64::INFINITY, f64::min),
                highest: fold(f64::NEG_INFINITY, f64::max),
                bound: found.iter().filter_map(|of| of.bound).reduce(f64::max),
                unit: one.unit.clone(),
                holds: found.len() == runs.len() && found.iter().all(|of| of.holds),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cpu(mean: f64, holds: bool) -> Value {
        json!({
            "figure": { "means": [mean, 33.0, 17.0] },
            "checks": [{ "what": "unaccounted at 5 ms", "measured": 0.0, "bound": 0.0,
                         "unit": "cycles", "holds": holds }],
        })
    }

    #[test]
    fn runs_spread_and_one_that_fails_fails_them() {
        let runs = [of("cpu", &cpu(50.01, true)), of("cpu", &cpu(49.9, true))];
        let all = spread(&runs);
        assert_eq!(all.len(), 4);
        assert_eq!((all[0].measured().as_str(), all[0].paper.as_str()), ("49.90 to 50.01", "50"));
        assert!(all.iter().all(|of| of.holds));
        let runs = [of("cpu", &cpu(50.0, true)), of("cpu", &cpu(50.0, false))];
        assert!(!spread(&runs)[3].holds);
        let runs = [of("cpu", &cpu(50.0, true)), Vec::new()];
        assert!(spread(&runs).iter().all(|of| !of.holds));
    }

    #[test]
    fn web_servers_have_their_means_and_their_checks() {
        let check = json!({ "what": "largest deviation of a second's share", "measured": 0.3,
                            "bound": 1.0, "unit": "points", "holds": true });
        let means = json!({ "means": [50.1, 32.9, 17.0] });
        let one = |server: &str| json!({ "server": server, "figures": { "together": means }, "checks": [check] });
        let all = of("web", &json!([one("ours"), one("theirs")]));
        assert_eq!(all.len(), 8);
        assert_eq!((all[0].what.as_str(), all[0].measured), ("ours: share of the bytes, a", 50.1));
        assert!(all[7].what.starts_with("theirs: largest deviation"));
        assert!(all.iter().all(|of| of.holds));
    }

    #[test]
    fn attacks_are_judged_as_they_judge_themselves() {
        let one = |attacker: f64| {
            json!([{ "attack": "forkbomb", "ratio": 60.24, "attacker": attacker, "tolerance": 0.9,
                     "infrastructure": 0.1, "idle": 0.0, "unaccounted": 0 }])
        };
        assert!(of("attacks", &one(3.0)).iter().all(|of| of.holds));
        assert!(of("attacks", &one(19.0)).iter().any(|of| !of.holds));
        let missing = of("attacks", &json!([{ "attack": "x" }]));
        assert!(missing.iter().any(|of| !of.holds), "what is not there does not hold");
    }
}
