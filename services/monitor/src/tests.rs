//! What is said of a sample whose figures are known, and to whom it is said.

mod orders;
mod recording;
mod server;
mod shown;

use vortex_abi::performance::{
    Blame, Client, Core, Entitled, Kind, Memory, OTHERS, PROCESSORS, Reserved, Said, Sample,
    Scheduling,
};

/// What is reserved and limited, and by which policies is decided.
fn said() -> Said {
    let reserved = |resource: &str, core, reservation, limit| Reserved {
        activity: 2,
        resource: resource.into(),
        core,
        reservation,
        limit,
        period: None,
    };
    let scheduler = |site: &str, core, policy: &str, metric: &str| Scheduling {
        site: site.into(),
        core,
        policy: policy.into(),
        metric: metric.into(),
        ..Scheduling::default()
    };
    let mut on_core = reserved(PROCESSORS, Some(1), Some(300_000), None);
    on_core.period = Some(20_000);
    Said {
        reserved: vec![on_core, reserved("resource.dwr", None, None, Some(4_000_000))],
        schedulers: vec![
            scheduler(PROCESSORS, Some(0), "deadline.cbs", "cycles"),
            Scheduling {
                share: Some(3_050),
                priority: Some(0),
                ..scheduler("resource.dwr", None, "reserve.mclock", "bytes")
            },
            Scheduling { limit: Some(9), ..scheduler("bus", None, "fifo", "requests") },
        ],
    }
}

/// Two activities beside the infrastructure, on one core of 1 GHz and one that is idle.
pub fn sample() -> Sample {
    let threads = Client { kind: Kind::Threads, activity: 1, cycles: 70, ..Client::default() };
    let resource = Client {
        kind: Kind::Resource,
        instance: 4,
        resource: "resource.tcp".into(),
        cycles: 30,
        ..Client::default()
    };
    let holder = Client {
        kind: Kind::Holder,
        instance: 4,
        resource: "resource.tcp".into(),
        activity: 2,
        cycles: 1_500_000_000,
        bytes: 4096,
        memory: 0,
        requests: 12,
        runs: 13,
        waited: 250_000,
        longest: 1_000,
        queued: 3,
    };
    let own = Client {
        kind: Kind::Holder,
        instance: 9,
        resource: "resource.thread of web".into(),
        activity: 2,
        cycles: 5,
        ..Client::default()
    };
    let busy = Core {
        number: 0,
        stamp: 10_000_000_007,
        elapsed: 10_000_000_007,
        idle: 1_000_000_000,
        host: 0,
        departed: 7,
        used: vec![(0, 500_000_000), (1, 7_000_000_000), (2, 1_500_000_000)],
        clients: vec![threads, resource, holder, own],
        unnamed: 9,
        blame: vec![
            Blame { victim: 2, causer: 1, cycles: 2_000 },
            Blame { victim: 2, causer: OTHERS, cycles: 3_000 },
        ],
    };
    let quiet = Core { number: 1, elapsed: 500, idle: 499, ..Core::default() };
    Sample {
        whole: true,
        stamp: 10_000_000_007,
        megahertz: 1000,
        names: vec![(0, "infrastructure".into()), (1, "a \"b\"\\".into()), (2, "web".into())],
        memory: vec![Memory { activity: 2, frames: 3, objects: 100 }],
        entitled: [(None, 25), (Some(1), 700)]
            .map(|(core, hundredths)| Entitled {
                activity: 2,
                resource: PROCESSORS.into(),
                core,
                hundredths,
                priority: 3,
            })
            .into(),
        said: std::sync::Arc::new(said()),
        cores: vec![busy, quiet],
    }
}
