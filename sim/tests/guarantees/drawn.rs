//! Configurations drawn at random: all forms, policies, groups, buses, limits, reservations and
//! cores that a file may have, and who is busy.

use std::fmt::Write as _;

/// A configuration without a simulation, and a load for it.
pub struct Drawn {
    pub text: String,
    pub threads: bool,
    pub busy: Option<String>,
}

/// What a file needs to know of a policy.
#[derive(Clone, Copy)]
struct Policy {
    name: &'static str,
    shares: bool,
    priorities: bool,
    reserves: bool,
    limits: bool,
    groups: bool,
}

const fn policy(name: &'static str) -> Policy {
    Policy { name, shares: true, priorities: false, reserves: false, limits: false, groups: false }
}

const WFQ: Policy = policy("propshare.wfq");
const TURNS: Policy = policy("propshare.round-robin");
const STRIDE: Policy = policy("propshare.stride");
const LOTS: Policy = policy("propshare.lottery");
const FIFO: Policy = Policy { shares: false, ..policy("fifo") };
const STRICT: Policy = Policy { shares: false, priorities: true, ..policy("priority.strict") };
const LEVELS: Policy = Policy { shares: false, ..policy("priority.multilevel") };
const CBS: Policy = Policy { reserves: true, ..policy("deadline.cbs") };
const EDF: Policy = Policy { shares: false, ..policy("deadline.edf") };
const MCLOCK: Policy = Policy { name: "reserve.mclock", limits: true, ..CBS };
const TREE: Policy = Policy { groups: true, ..policy("hierarchy") };
const ALL: [Policy; 11] = [WFQ, TURNS, STRIDE, LOTS, FIFO, STRICT, LEVELS, CBS, EDF, MCLOCK, TREE];
const RESOURCES: [&str; 3] = ["resource.fcr", "resource.tcp", "resource.asr"];

/// Splitmix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of so many.
    fn of(&mut self, many: usize) -> usize {
        usize::try_from(self.next() % many as u64).unwrap()
    }

    /// From one to the other, both included.
    fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.of(most + 1 - least)
    }

    /// Once in so many times.
    fn once_in(&mut self, many: usize) -> bool {
        self.of(many) == 0
    }

    fn pick(&mut self, from: &[Policy]) -> Policy {
        from[self.of(from.len())]
    }
}

/// A scheduler of which activities are clients.
struct Place {
    /// As an entitlement names it.
    name: String,
    policy: Policy,
    /// By root, of a tree.
    root: Policy,
    bytes: bool,
    /// What of it, or of the core, may still be reserved, in per cent.
    left: usize,
}

/// `share="5"`, `priority="3"` or nothing, as the policy wants it; most of the time.
fn standing(dice: &mut Dice, policy: Policy) -> String {
    if policy.shares && !dice.once_in(6) {
        return format!(r#" share="{}""#, dice.between(1, 99));
    }
    if policy.priorities {
        return format!(r#" priority="{}""#, dice.of(5));
    }
    String::new()
}

fn algorithm(dice: &mut Dice, policy: Policy) -> (Policy, String) {
    if !policy.groups {
        return (policy, String::new());
    }
    let root = dice.pick(&[WFQ, TURNS, STRIDE, LOTS, WFQ, STRIDE, STRICT]);
    (root, format!(r#"<param name="root">{}</param>"#, root.name))
}

/// The configuration of this seed.
pub fn drawn(seed: u64) -> Drawn {
    let mut dice = Dice(seed);
    let dice = &mut dice;
    let cores = [1, 1, 2, 2, 3][dice.of(5)];
    let mut text = String::from(r#"<schedulerconfig><machine frequency="1 GHz"/>"#);
    let mut places: Vec<Place> = Vec::new();
    // Most of the time all cores have the same, and that are shares.
    let usual = dice.pick(&[WFQ, TURNS, STRIDE, LOTS, CBS, MCLOCK, TREE, TREE]);
    for core in 0..cores {
        let own = if dice.once_in(4) { dice.pick(&ALL) } else { usual };
        let (root, param) = algorithm(dice, own);
        let form = match dice.of(3) {
            0 if root.shares => r#" shares="paper""#,
            _ => "",
        };
        let name = own.name;
        let _ = write!(
            text,
            "\n<cpumultiplexor tag=\"m{core}\" core=\"{core}\" algorithm=\"{name}\"{form}>{param}</cpumultiplexor>"
        );
        let name = format!(r#"core="{core}""#);
        places.push(Place { name, policy: own, root, bytes: false, left: 90 });
    }
    let on = |dice: &mut Dice, places: &[Place], core: usize| {
        let root = places[core].root;
        format!(r#"<cpumultiplexor tag="m{core}"{}/>"#, standing(dice, root))
    };
    let all = |dice: &mut Dice, places: &[Place]| {
        (0..cores).map(|core| on(dice, places, core)).collect::<String>()
    };
    let bus =
        (!dice.once_in(3)).then(|| dice.pick(&[WFQ, TURNS, STRIDE, LOTS, FIFO, STRICT, LEVELS]));
    let mut beneath = 0;
    if let Some(bus) = bus {
        let limit = if dice.once_in(3) {
            format!(r#" metric="bytes" limit="{} kB/s""#, dice.between(100, 9_000))
        } else {
            String::new()
        };
        // It has one standing on all its cores.
        let first = places[0].root;
        let like = |place: &Place| (place.root.shares, place.root.priorities);
        let own = match places.iter().all(|place| like(place) == like(&places[0])) {
            true => standing(dice, first),
            false => String::new(),
        };
        let draws = (0..cores).map(|core| format!(r#"<cpumultiplexor tag="m{core}"{own}/>"#));
        let draws: String = draws.collect();
        let _ = write!(
            text,
            "\n<scheduler tag=\"bus\" algorithm=\"{}\"{limit}>{draws}</scheduler>",
            bus.name
        );
    }
    let own = dice.pick(&[TURNS, WFQ, FIFO]);
    let draws: String = (0..cores)
        .map(|core| {
            let root = places[core].root;
            let share = if root.shares && dice.once_in(4) {
                format!(r#" share="{}""#, dice.between(5, 99))
            } else {
                String::new()
            };
            format!(r#"<cpumultiplexor tag="m{core}"{share}/>"#)
        })
        .collect();
    let _ = write!(
        text,
        "\n<resourcescheduler resource=\"resource.thread\" algorithm=\"{}\">{draws}</resourcescheduler>",
        own.name
    );
    let many = dice.between(1, 3);
    // Of each third the first resource has a part of the cores, much of it is reserved, and it is
    // busy: of that much was wrong once.
    let reserving = dice.once_in(3);
    for (place, name) in RESOURCES.iter().take(many).enumerate() {
        let reserving = reserving && place == 0;
        let own = if reserving { dice.pick(&[CBS, MCLOCK]) } else { dice.pick(&ALL) };
        let (root, param) = algorithm(dice, own);
        let bytes = !reserving && dice.once_in(6);
        let metric = if bytes { r#" metric="bytes""# } else { "" };
        let under = bus
            .filter(|_| !reserving)
            .filter(|_| dice.once_in(2) || place + 1 == many && beneath == 0);
        let draws = match under {
            Some(bus) => {
                beneath += 1;
                format!(r#"<scheduler tag="bus"{}/>"#, standing(dice, bus))
            }
            None if dice.once_in(3) => {
                let core = dice.of(cores);
                on(dice, &places, core)
            }
            None => all(dice, &places),
        };
        let _ = write!(
            text,
            "\n<resourcescheduler resource=\"{name}\" algorithm=\"{}\"{metric}>{param}{draws}</resourcescheduler>",
            own.name
        );
        let name = format!(r#"resource="{name}""#);
        places.push(Place { name, policy: own, root, bytes, left: dice.between(5, 90) });
    }
    let groups = groups(dice, &mut text, &places);
    if dice.once_in(2) && places.iter().any(|place| place.root.shares) {
        let _ = write!(text, "\n<infrastructure share=\"{}\"/>", dice.between(1, 200));
    }
    for place in 0..dice.between(2, 5) {
        activity(dice, &mut text, &mut places, &groups, place);
    }
    text += "\n</schedulerconfig>";
    let busy = if reserving { 1 } else { dice.of(many + 1) };
    let busy = busy.checked_sub(1).map(|busy| RESOURCES[busy].to_string());
    Drawn { text, threads: busy.is_none() || !dice.once_in(4), busy }
}

/// Groups, where there is a tree, with the policies of each.
fn groups(dice: &mut Dice, text: &mut String, places: &[Place]) -> Vec<Policy> {
    let mut groups: Vec<Policy> = Vec::new();
    let roots: Vec<&Place> = places.iter().filter(|place| place.policy.groups).collect();
    if roots.is_empty() {
        return groups;
    }
    for number in 0..dice.of(4) {
        let own = dice.pick(&[WFQ, TURNS, STRIDE, LOTS, STRICT, LEVELS, FIFO]);
        let within = (number > 0 && dice.once_in(2)).then(|| dice.of(number));
        // What all parents look at may be said.
        let parents: Vec<Policy> = match within {
            Some(within) => vec![groups[within]],
            None => roots.iter().map(|place| place.root).collect(),
        };
        let mut more = String::new();
        if parents.iter().all(|parent| parent.shares) {
            more += &format!(r#" share="{}""#, dice.between(1, 99));
        }
        if parents.iter().all(|parent| parent.priorities) {
            more += &format!(r#" priority="{}""#, dice.of(5));
        }
        if let Some(within) = within {
            more += &format!(r#" within="g{within}""#);
        }
        let _ = write!(text, "\n<group name=\"g{number}\" algorithm=\"{}\"{more}/>", own.name);
        groups.push(own);
    }
    groups
}

fn activity(
    dice: &mut Dice,
    text: &mut String,
    places: &mut [Place],
    groups: &[Policy],
    number: usize,
) {
    let group = dice.of(groups.len() + 1).checked_sub(1);
    let own = group.map(|group| groups[group]);
    let meets = |place: &Place| match own {
        Some(own) if place.policy.groups => own,
        _ => place.root,
    };
    let mut head = String::new();
    if let Some(group) = group {
        head += &format!(r#" group="g{group}""#);
    }
    if places.iter().any(|place| meets(place).shares) {
        head += &format!(r#" share="{}""#, dice.between(1, 99));
    }
    if places.iter().any(|place| meets(place).priorities) {
        head += &format!(r#" priority="{}""#, dice.of(6));
    }
    let mut inside = String::new();
    for place in places {
        let policy = meets(place);
        let mut has = String::new();
        if policy.shares && dice.once_in(4) {
            has += &format!(r#" share="{}""#, dice.between(1, 99));
        }
        if policy.priorities && dice.once_in(4) {
            has += &format!(r#" priority="{}""#, dice.of(6));
        }
        let is_core = place.name.starts_with("core");
        let rate = |part: usize| match place.bytes {
            true => format!("{} kB/s", 50 * part),
            false => format!("{part} %"),
        };
        let mut limit = None;
        if policy.limits && !is_core && dice.once_in(3) {
            limit = Some(dice.between(5, 60));
        }
        if policy.reserves && dice.once_in(2) {
            let part = dice.between(1, 35).min(limit.unwrap_or(99));
            if part <= place.left {
                place.left -= part;
                has += &format!(r#" reservation="{}""#, rate(part));
                if policy.name == CBS.name && dice.once_in(3) {
                    has += &format!(r#" period="{} ms""#, dice.between(2, 50));
                }
            }
        }
        if let Some(limit) = limit {
            has += &format!(r#" limit="{}""#, rate(limit));
        }
        if !has.is_empty() {
            inside += &format!("<entitlement {}{has}/>", place.name);
        }
    }
    let _ = write!(text, "\n<activity name=\"a{number}\"{head}>{inside}</activity>");
}
