use alloc::string::ToString;
use alloc::vec;

use super::*;

fn sample() -> Sample {
    let client = Client {
        kind: Kind::Holder,
        instance: 3,
        resource: "resource.file".to_string(),
        activity: 2,
        cycles: u64::MAX,
        bytes: 1,
        memory: 2,
        requests: 3,
        runs: 4,
        waited: 5,
        longest: 6,
        queued: 7,
    };
    let core = |number| Core {
        number,
        stamp: 1 << 40,
        elapsed: 1000,
        idle: 100,
        host: 0,
        departed: 7,
        used: vec![(0, 3), (2, 890)],
        clients: vec![client.clone(), Client { kind: Kind::Resource, ..Client::default() }],
        unnamed: 12,
        blame: vec![Blame { victim: 2, causer: OTHERS, cycles: 1 << 35 }],
    };
    Sample {
        whole: true,
        stamp: 77,
        megahertz: 2600,
        names: vec![(0, "infrastructure".to_string()), (2, "wéb".to_string())],
        memory: vec![Memory { activity: 2, frames: 9, objects: 1 << 33 }],
        entitled: [None, Some(1)]
            .map(|core| Entitled {
                activity: 2,
                resource: PROCESSORS.into(),
                core,
                hundredths: 5_000,
                priority: 3,
            })
            .into(),
        said: Arc::new(said()),
        cores: vec![core(0), core(5)],
    }
}

fn said() -> Said {
    let reserved = |activity, core, reservation, limit: Option<u64>| Reserved {
        activity,
        resource: "resource.dwr".into(),
        core,
        reservation,
        limit,
        period: limit.map(|_| 20_000),
    };
    let scheduler = |core, limit, priority: Option<u32>| Scheduling {
        site: "bus".into(),
        core,
        policy: "propshare.wfq".into(),
        metric: "bytes".into(),
        limit,
        share: priority.map(|_| 2_050),
        priority,
    };
    Said {
        reserved: vec![
            reserved(2, None, Some(4_000_000), None),
            reserved(0, Some(1), None, Some(1)),
        ],
        schedulers: vec![scheduler(None, Some(5), Some(0)), scheduler(Some(3), None, None)],
    }
}

#[test]
fn who_may_not_know_all_knows_what_is_its_own() {
    let own = Arc::new(said()).of(&[2], false);
    assert_eq!((own.reserved.len(), own.reserved[0].activity, own.schedulers.len()), (1, 2, 0));
    assert_eq!(*Arc::new(said()).of(&[], true), said());
}

#[test]
fn what_was_written_is_read() {
    for sample in [sample(), Sample::default()] {
        let mut bytes = encode(&sample);
        assert_eq!(decode(&bytes), Ok(sample.clone()));
        bytes.extend([0; 100]);
        assert_eq!(decode(&bytes), Ok(sample));
    }
    assert_eq!(sample().name(2), Some("wéb"));
    assert_eq!(sample().name(1), None);
}

#[test]
fn a_part_of_a_sample_is_none() {
    let bytes = encode(&sample());
    for length in 0..bytes.len() {
        assert_eq!(decode(&bytes[..length]), Err(Unreadable::Short), "{length}");
    }
}

#[test]
fn wrong_bytes_are_errors_or_other_samples() {
    let good = encode(&sample());
    for place in 0..good.len() {
        for wrong in [0, 1, 0x7f, 0xff] {
            let mut bytes = good.clone();
            bytes[place] = wrong;
            if let Ok(read) = decode(&bytes) {
                assert_eq!(encode(&read).len(), good.len());
            }
        }
    }
    let with = |place: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[place] = value;
        decode(&bytes)
    };
    assert_eq!(with(0, 0), Err(Unreadable::NotOne));
    assert_eq!(with(4, 9), Err(Unreadable::Version(9)));
    assert_eq!(with(8, 0), Err(Unreadable::Length));
}

#[test]
fn the_number_is_the_declared_one() {
    let declared = crate::DECLARED.iter().find(|call| call.name == "performance");
    assert_eq!(declared.map(|call| call.number), Some(NUMBER));
}
