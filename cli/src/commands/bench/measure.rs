//! Running `vortex-bench` under callgrind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::groups::group;
use super::{FRAME, GROWTH, IDLE, LOCAL, Limit, REMOTE, REQUEST, RUN_ON};
use crate::callgrind;
use crate::failure::Failure;
use crate::home;

/// The two numbers of turns whose difference is measured.
const TURNS: [u64; 2] = [2_000, 8_000];
/// Activities with requests in circulation, where their number is not the question.
const USUAL: u32 = 8;

/// What a kind of request costs.
#[derive(Debug, Serialize)]
pub struct Line {
    /// What it is, for people.
    pub what: &'static str,
    /// The scenario's name.
    pub scenario: &'static str,
    /// Instructions for a request, rounded up.
    pub instructions: u64,
    /// What we aim for.
    pub goal: u64,
    /// Where they go, rounded to the nearest; by group.
    pub groups: BTreeMap<&'static str, u64>,
    #[serde(skip)]
    limit: Limit,
}

/// A request to the same core among so many activities.
#[derive(Debug, Serialize)]
pub struct Growth {
    /// How many.
    pub activities: u32,
    /// Instructions for a request.
    pub instructions: u64,
}

/// All that is measured.
#[derive(Debug, Serialize)]
pub struct Results {
    /// Kinds of requests.
    pub lines: Vec<Line>,
    /// By number of activities.
    pub growth: Vec<Growth>,
    /// The last of those over the first, in hundredths.
    pub growth_hundredths: u64,
    /// Bytes of a queued request.
    pub request_bytes: u64,
    /// Bytes of an idle activity on a core.
    pub idle_bytes: u64,
    /// Bytes of an activity in the table that all cores share.
    pub table_bytes: u64,
}

impl Results {
    /// What is above a limit, in words.
    pub fn against(&self, limit: impl Fn(Limit) -> u64) -> Vec<String> {
        let mut over = Vec::new();
        let mut look = |what: &str, measured: u64, limit: u64, unit: &str| {
            if measured > limit {
                over.push(format!("{what} {measured} > {limit}{unit}"));
            }
        };
        for line in &self.lines {
            look(line.what, line.instructions, limit(line.limit), " instructions");
        }
        look("growth", self.growth_hundredths, limit(GROWTH), " %");
        look("a queued request", self.request_bytes, limit(REQUEST), " bytes");
        look("an idle activity", self.idle_bytes, limit(IDLE), " bytes");
        over
    }
}

/// Builds the benchmark and runs everything.
pub fn all(root: &Path) -> Result<Results, Failure> {
    let bench = Bench::build(root)?;
    let lines = [
        ("local", "local", USUAL, LOCAL),
        ("local, the paper's shares", "local-paper", USUAL, LOCAL),
        ("to another core", "remote", USUAL, REMOTE),
        ("to another core, idle", "remote-idle", 1, REMOTE),
        // Of one activity, whose turns are all its own.
        ("run-on", "run-on", 1, RUN_ON),
        ("a frame of memory, and back", "frame", USUAL, FRAME),
    ];
    let lines = lines
        .into_iter()
        .map(|(what, scenario, activities, limit)| {
            let (instructions, groups) = bench.scenario(scenario, activities)?;
            Ok(Line { what, scenario, instructions, goal: limit.goal, groups, limit })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let growth = [1, 10, 100, 1_000, 10_000, 100_000]
        .into_iter()
        .map(|activities| {
            let (instructions, _) = bench.scenario("local", activities)?;
            Ok(Growth { activities, instructions })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let first = growth.first().map_or(1, |growth| growth.instructions.max(1));
    let last = growth.last().map_or(0, |growth| growth.instructions);
    let sizes = home::output(Command::new(&bench.binary).arg("bytes"))?;
    let size = |name: &'static str| {
        let words = sizes.lines().filter_map(|line| line.split_once(' '));
        let found = words.into_iter().find(|(key, _)| *key == name);
        found.and_then(|(_, value)| value.parse().ok()).ok_or_else(|| {
            Failure::Unexpected("vortex-bench should print its sizes", sizes.clone())
        })
    };
    Ok(Results {
        lines,
        growth,
        growth_hundredths: (last * 100).div_ceil(first),
        request_bytes: size("request")?,
        idle_bytes: size("idle")?,
        table_bytes: size("table")?,
    })
}

/// The program that is measured.
pub(super) struct Bench {
    binary: PathBuf,
    folder: PathBuf,
}

impl Bench {
    /// Builds it.
    pub fn build(root: &Path) -> Result<Self, Failure> {
        let mut build = Command::new("cargo");
        build.args(["build", "--quiet", "--release", "--locked", "-p", "vortex-bench"]);
        home::output(build.current_dir(root))?;
        let target = home::target(root);
        let (binary, folder) = (target.join("release/vortex-bench"), target.join("bench"));
        fs::create_dir_all(&folder).map_err(|error| Failure::Unwritable(folder.clone(), error))?;
        Ok(Self { binary, folder })
    }

    /// Instructions for a request to the same core, with this policy at both schedulers.
    pub fn policy(&self, policy: &str, activities: u32) -> Result<u64, Failure> {
        Ok(self.difference(&["local", &activities.to_string()], Some(policy))?.0)
    }

    /// Instructions for a request, in all and by group.
    fn scenario(
        &self,
        name: &str,
        activities: u32,
    ) -> Result<(u64, BTreeMap<&'static str, u64>), Failure> {
        self.difference(&[name, &activities.to_string()], None)
    }

    /// What more of a request costs, in all and by group.
    fn difference(
        &self,
        what: &[&str],
        policy: Option<&str>,
    ) -> Result<(u64, BTreeMap<&'static str, u64>), Failure> {
        let [few, many] = TURNS;
        let (few_requests, few) = self.once(what, policy, few)?;
        let (many_requests, many) = self.once(what, policy, many)?;
        let requests = many_requests.saturating_sub(few_requests).max(1);
        let differ = |group: &str, cost: u64| cost.saturating_sub(*few.get(group).unwrap_or(&0));
        let groups: BTreeMap<_, _> =
            many.iter().map(|(&group, &cost)| (group, differ(group, cost))).collect();
        let total: u64 = groups.values().sum();
        let round = |cost: u64| (cost + requests / 2) / requests;
        let groups = groups.into_iter().map(|(group, cost)| (group, round(cost))).collect();
        Ok((total.div_ceil(requests), groups))
    }

    /// How many requests were served, and the instructions by group.
    fn once(
        &self,
        what: &[&str],
        policy: Option<&str>,
        turns: u64,
    ) -> Result<(u64, BTreeMap<&'static str, u64>), Failure> {
        let out = self.folder.join("callgrind.out");
        let mut file = std::ffi::OsString::from("--callgrind-out-file=");
        file.push(&out);
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--collect-atstart=no"])
            .arg("--toggle-collect=vortex_bench::measured*")
            .arg(file)
            .arg(&self.binary)
            .args(what)
            .arg(turns.to_string())
            .args(policy);
        let printed = home::output(&mut command)?;
        let requests = printed.trim().parse().map_err(|_| {
            Failure::Unexpected("vortex-bench should print a number of requests", printed.clone())
        })?;
        let text = fs::read_to_string(&out).map_err(|error| Failure::Unreadable(out, error))?;
        let mut groups = BTreeMap::new();
        for (site, cost) in callgrind::read(&text) {
            *groups.entry(group(&site)).or_default() += cost;
        }
        Ok((requests, groups))
    }
}
