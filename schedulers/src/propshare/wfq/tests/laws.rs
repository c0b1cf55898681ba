//! Laws under random arrivals, lengths, debts and suspensions.

use super::*;

const CLIENTS: u32 = 5;
const LONGEST: u64 = 500;

#[derive(Clone, Copy, Debug)]
enum Step {
    Ready(u32),
    Suspend(u32),
    Serve { length: u64, again: bool, late: bool },
    Bill(u32, u64),
    Credit(u32, u64),
    Remove(u32),
    Reweigh(u32, u32),
    Beside(u32, u32),
    Inherit(u32, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..CLIENTS;
    prop_oneof![
        3 => id.clone().prop_map(Step::Ready),
        1 => id.clone().prop_map(Step::Suspend),
        6 => (1..LONGEST, any::<bool>(), any::<bool>())
            .prop_map(|(length, again, late)| Step::Serve { length, again, late }),
        1 => (id.clone(), 1..3_000_u64).prop_map(|(id, n)| Step::Bill(id, n)),
        1 => (id.clone(), 1..3_000_u64).prop_map(|(id, n)| Step::Credit(id, n)),
        1 => id.clone().prop_map(Step::Remove),
        1 => (id.clone(), 1..10_000_u32).prop_map(|(id, share)| Step::Reweigh(id, share)),
        1 => (id.clone(), id.clone()).prop_map(|(id, whole)| Step::Beside(id, whole)),
        1 => (id.clone(), id).prop_map(|(id, from)| Step::Inherit(id, from)),
    ]
}

fn charge(amount: u64, kind: RecordKind) -> Record {
    Record { cycles: Cycles::new(amount), ..Record::new(kind) }
}

/// The invariants of `WfqCore`, in full.
fn check(core: &WfqCore) {
    let (now, mut weight, mut ready) = (core.clock.now(), 0, 0);
    for id in (0..CLIENTS).map(ClientId::new) {
        let Some(client) = core.clients.get(id) else { continue };
        let (eligible, ahead) = (core.eligible.contains(id), core.ahead.contains(id));
        let few = !core.crowded && client.state == State::Ready;
        let in_service = matches!(client.state, State::Serving | State::Returned);
        assert_eq!(core.few.contains(id), !core.crowded && (few || in_service));
        if few {
            let (known, noted) = (client.waiter(id), core.few.at(client.place).unwrap());
            assert_eq!((noted.tag, noted.due), (known.tag, known.due));
        }
        let (owing, serving) = (core.owing.contains(id), core.serving == Some(id));
        let expected = match client.state {
            // V may have come to the tags of some that are in `ahead`; never back.
            State::Ready if few => (false, false, false, false),
            State::Ready => (eligible, !eligible, false, false),
            State::Owing => (false, false, true, false),
            State::Serving | State::Returned => (false, false, false, true),
            State::Empty | State::Suspended => (false, false, false, false),
        };
        assert_eq!((eligible, ahead, owing, serving), expected, "{:?}", client.state);
        assert!(!eligible || client.tag <= now);
        match client.state {
            State::Owing => assert!(client.tag > now),
            State::Empty => assert!(client.tag <= now),
            _ => {}
        }
        if !matches!(client.state, State::Empty | State::Suspended) {
            weight += client.weight;
        }
        ready += usize::from(matches!(client.state, State::Ready | State::Returned));
    }
    assert_eq!((core.clock.weight(), core.ready), (weight, ready));
}

proptest! {
    #[test]
    fn invariants_hold_and_no_ready_client_is_kept_waiting(
        shares in prop::array::uniform5(1..10_000_u32),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut core = WfqCore::new(Metric::Cycles, 2_000);
        let add = |core: &mut WfqCore, id: u32| {
            let share = Share::from_hundredths(shares[id as usize]).unwrap();
            let params = ClientParams { share, ..ClientParams::default() };
            core.add_client(ClientId::new(id), &params);
        };
        (0..CLIENTS).for_each(|id| add(&mut core, id));
        let mut ready = [false; CLIENTS as usize];
        for step in steps {
            let before = core.clock.now();
            match step {
                Step::Ready(id) => {
                    core.client_ready(ClientId::new(id), Cycles::ZERO);
                    ready[id as usize] = true;
                }
                Step::Suspend(id) => {
                    core.client_suspended(ClientId::new(id), Cycles::ZERO);
                    ready[id as usize] = false;
                }
                Step::Remove(id) => {
                    core.remove_client(ClientId::new(id));
                    add(&mut core, id);
                    ready[id as usize] = false;
                }
                Step::Reweigh(id, share) => {
                    let id = ClientId::new(id);
                    let lag = |core: &WfqCore| {
                        let client = core.clients.get(id).unwrap();
                        let present = client.present(core.clock.now());
                        let (ahead, behind) =
                            (client.tag.since(present), present.since(client.tag));
                        let empty = client.state == State::Empty;
                        let behind = if empty { 0 } else { behind.at_weight(client.weight) };
                        (ahead, ahead.at_weight(client.weight), behind)
                    };
                    let (time, amount, behind) = lag(&core);
                    let weight = core.clients.get(id).unwrap().weight;
                    let share = Share::from_hundredths(share).unwrap();
                    let params = ClientParams { share, ..ClientParams::default() };
                    core.client_reweighed(id, &params, Cycles::ZERO);
                    let (time_now, amount_now, behind_now) = lag(&core);
                    prop_assert!(behind_now <= behind, "being behind is worth no more");
                    if u64::from(share.hundredths()) > weight {
                        prop_assert!(amount_now.abs_diff(amount) <= 1);
                    } else {
                        prop_assert_eq!(time_now, time);
                    }
                }
                Step::Beside(id, whole) if id != whole => {
                    let share = Share::from_hundredths(shares[id as usize]).unwrap();
                    let beside = Some(ClientId::new(whole));
                    let params = ClientParams { share, beside, ..ClientParams::default() };
                    core.remove_client(ClientId::new(id));
                    core.add_client(ClientId::new(id), &params);
                    ready[id as usize] = false;
                    let ahead = |id| {
                        let client = core.clients.get(ClientId::new(id)).unwrap();
                        client.tag.since(client.present(core.clock.now()))
                    };
                    prop_assert_eq!(ahead(id), ahead(whole));
                }
                Step::Inherit(id, from) if id != from => {
                    let ahead = |core: &WfqCore, id| {
                        let client = core.clients.get(ClientId::new(id)).unwrap();
                        let present = client.present(core.clock.now());
                        client.tag.since(present).at_weight(client.weight)
                    };
                    let sum = ahead(&core, id) + ahead(&core, from);
                    let forgiven = |core: &WfqCore| core.clients.get(ClientId::new(id)).unwrap().forgiven;
                    let charged = |core: &WfqCore, id| core.client_statistics(ClientId::new(id)).charged;
                    let (before, told) = (forgiven(&core), charged(&core, id) + charged(&core, from));
                    core.client_inherits(ClientId::new(id), ClientId::new(from), Cycles::ZERO);
                    prop_assert_eq!(ahead(&core, from), 0);
                    prop_assert_eq!(charged(&core, id), told);
                    // Who was behind has used a part of it to come up.
                    let now = ahead(&core, id) + forgiven(&core) - before;
                    prop_assert!(now <= sum + 2);
                }
                Step::Beside(..) | Step::Inherit(..) => {}
                Step::Bill(id, amount) => {
                    let record = charge(amount, RecordKind::BILLED_BACK);
                    let tag = core.clients.get(ClientId::new(id)).map(|c| c.tag);
                    core.resource_record(ClientId::new(id), &record, Cycles::ZERO);
                    let client = core.clients.get(ClientId::new(id)).unwrap();
                    let limit = before.plus(core.ceiling).max(tag.unwrap());
                    let frozen = matches!(client.state, State::Suspended);
                    prop_assert!(frozen || client.tag <= limit);
                }
                Step::Credit(id, amount) => {
                    let record = charge(amount, RecordKind::BILLED_BACK).credited();
                    let tag = core.clients.get(ClientId::new(id)).unwrap().tag;
                    core.resource_record(ClientId::new(id), &record, Cycles::ZERO);
                    let client = core.clients.get(ClientId::new(id)).unwrap();
                    let present = client.present(before);
                    prop_assert!(client.tag <= tag && client.tag >= tag.min(present));
                    prop_assert_eq!(core.clock.now(), before);
                }
                Step::Serve { length, again, late } => {
                    let choice = core.schedule(Cycles::ZERO, &mut NoQueues);
                    // Work conservation.
                    prop_assert_eq!(choice.is_some(), ready.contains(&true));
                    if let Some(Choice { client: id, .. }) = choice {
                        prop_assert!(ready[id.index()]);
                        prop_assert!(core.clients.get(id).unwrap().tag <= core.clock.now());
                        ready[id.index()] = again;
                        if again && !late {
                            core.client_ready(id, Cycles::ZERO);
                        }
                        core.resource_record(id, &charge(length, RecordKind::BASIC), Cycles::ZERO);
                        if again && late {
                            core.client_ready(id, Cycles::ZERO);
                        }
                        // Bound 1: ahead by no more than this request.
                        let client = core.clients.get(id).unwrap();
                        let ahead = client.tag.since(core.clock.now());
                        prop_assert!(ahead.at_weight(client.weight) <= length);
                    }
                }
            }
            prop_assert!(core.clock.now() >= before, "V went back");
            check(&core);
        }
    }

    /// Bounds 2 and 3, lengths unpredictable: behind by no more than all the others' longest
    /// requests, and two clients apart by no more than both bounds.
    #[test]
    fn backlogged_clients_stay_within_the_bounds(
        shares in prop::array::uniform5(100..1_000_u32),
        lengths in prop::collection::vec(1..LONGEST, 400),
    ) {
        let mut rig = rig(&shares);
        let mut used = [0_u64; CLIENTS as usize];
        let others = u64::from(CLIENTS - 1) * LONGEST;
        let (mut highest, mut lowest) = (vec![i128::MIN; 25], vec![i128::MAX; 25]);
        for length in lengths {
            let id = rig.next().unwrap();
            rig.charge(id, length);
            rig.ready(id);
            used[id as usize] += length;
            for (i, j) in (0..5).flat_map(|i| (0..5).map(move |j| (i, j))) {
                let (wi, wj) = (i128::from(shares[i]), i128::from(shares[j]));
                // Service by weight, times both weights.
                let apart = i128::from(used[i]) * wj - i128::from(used[j]) * wi;
                let (high, low) = (&mut highest[i * 5 + j], &mut lowest[i * 5 + j]);
                *high = apart.max(*high);
                *low = apart.min(*low);
                let bound = i128::from(others + LONGEST) * (wi + wj);
                prop_assert!(*high - *low <= bound, "{i} {j}");
            }
        }
    }

    /// Bound 4: with threads of timeslice T, interrupted at any time, over any interval each has
    /// its share to within T/4 for each that is busy. (Whole timeslices: up to T for each.)
    #[test]
    fn threads_have_their_shares_over_any_interval(
        shares in prop::collection::vec(1..10_000_u32, 2..6),
        runs in prop::collection::vec((0..4_u8, 1..100_u64), 400),
    ) {
        const T: u64 = 100_000;
        let mut rig = rig(&shares);
        let clients = shares.len();
        let total: i128 = shares.iter().copied().map(i128::from).sum();
        let mut rest = vec![T; clients];
        let (mut used, mut all) = (vec![0; clients], 0);
        let (mut highest, mut lowest) = (vec![0; clients], vec![0; clients]);
        for (interrupted, cent) in runs {
            let id = rig.next().unwrap() as usize;
            let allowed = rig.core.allowance(ClientId::new(id as u32), Cycles::new(T)).get();
            prop_assert!(allowed >= T / 4, "{allowed}");
            let whole = allowed.min(rest[id]);
            let run = if interrupted == 0 { (whole * cent / 100).max(1) } else { whole };
            rig.charge(id as u32, run);
            rig.ready(id as u32);
            rest[id] = if run == rest[id] { T } else { rest[id] - run };
            used[id] += i128::from(run);
            all += i128::from(run);
            for i in 0..clients {
                // Ahead of its share, times the total weight.
                let ahead = used[i] * total - all * i128::from(shares[i]);
                highest[i] = ahead.max(highest[i]);
                lowest[i] = ahead.min(lowest[i]);
                // A unit for what is rounded, at each.
                let each = (i128::from(T / 4) + 1) * total;
                prop_assert!(ahead <= each, "{i} is ahead");
                prop_assert!(highest[i] - lowest[i] <= each * clients as i128, "{i}");
            }
        }
    }

    /// Bounds 2 and 3 where lengths are as predicted.
    #[test]
    fn known_lengths_keep_everyone_within_two_requests(
        shares in prop::array::uniform5(100..1_000_u32),
        lengths in prop::array::uniform5(50..LONGEST),
    ) {
        let mut rig = rig(&shares);
        let total: u64 = shares.iter().copied().map(u64::from).sum();
        let (mut used, mut all) = ([0; 5], 0);
        let longest = lengths.iter().copied().max().unwrap();
        for step in 0..300 {
            let id = rig.run(1, &lengths)[0] as usize;
            used[id] += lengths[id];
            all += lengths[id];
            for i in 0..5 {
                // How far behind the fluid server, times the total weight.
                let fluid = i128::from(all) * i128::from(shares[i]);
                let behind = fluid - i128::from(used[i]) * i128::from(total);
                let one = i128::from(lengths[i]) * i128::from(total);
                let other = i128::from(longest) * i128::from(shares[i]);
                // What the first round, of unknown lengths, left behind is soon made up.
                let known = step >= 50;
                prop_assert!(!known || behind <= one + other, "{i} is behind");
                prop_assert!(-behind <= one, "{i} is ahead");
            }
        }
    }
}

#[test]
fn steps_grow_with_the_logarithm_of_the_clients() {
    let steps = |clients: u32| {
        let mut core = WfqCore::new(Metric::Cycles, 1_000_000);
        for id in (0..clients).map(ClientId::new) {
            let share = Share::from_hundredths(1 + (id.get() * 7_919) % 1_000).unwrap();
            core.add_client(id, &ClientParams { share, ..ClientParams::default() });
            core.client_ready(id, Cycles::ZERO);
        }
        let count = |core: &WfqCore| core.eligible.steps + core.ahead.steps + core.owing.steps;
        let before = count(&core);
        let rounds = 20_000;
        for round in 0..rounds {
            let id = core.schedule(Cycles::ZERO, &mut NoQueues).unwrap().client;
            let length = 1 + (round * 31) % 1_000;
            core.resource_record(id, &charge(length, RecordKind::BASIC), Cycles::ZERO);
            core.client_ready(id, Cycles::ZERO);
        }
        (count(&core) - before) / rounds
    };
    // A decision, a charge and a return are at most two moves down and two up.
    for (clients, depth) in [(1, 1), (10, 2), (1_000, 6), (100_000, 10)] {
        assert!(steps(clients) <= 3 * 5 * depth, "{clients}: {}", steps(clients));
    }
}
