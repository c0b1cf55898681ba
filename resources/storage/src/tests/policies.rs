//! DRWR by policies and metrics that know of disks.

use std::vec;
use std::vec::Vec;

use vortex_grid::policy::Metric;

use super::disk::Disk;
use super::ram::Ram;
use super::world::World;
use crate::{Memory, Operation, SERVICE_TIME};

const BLOCKS: usize = 1 << 16;

/// A disk that serves one request after the other, in the order in which it is given them: a
/// seek to where the last did not end takes 5 ms, a block 10 µs.
struct Arm {
    at: u64,
}

impl Arm {
    /// Serves one; what it took and of whom it was, by the blocks that are its own.
    fn serve(&mut self, world: &mut World) -> Option<(u64, u64)> {
        let request = world.host.lock().unwrap().works.first()?.0.part(0, 51).unwrap().to_vec();
        let block = u64::from(u32::from_be_bytes(request[21..25].try_into().unwrap()));
        let count = u64::from(u16::from_be_bytes([request[26], request[27]]));
        let seek = if self.at == block { 0 } else { 5_000 };
        self.at = block + count;
        let took = seek + count * 10;
        world.pass(took);
        world.host.lock().unwrap().work(0);
        Some((block, took))
    }
}

/// Two always have requests, one small ones anywhere and one large ones in order. How much of
/// the disk's time, and of its bytes, the one in order had.
fn divided(metric: Metric) -> (f64, f64) {
    let disks = vec![((0, 0), Disk::new(vec![0; BLOCKS * 512], 512))];
    let mut world = World::by(4, disks, "propshare.wfq", metric);
    world.find();
    let (sda, half) = (world.named("sda"), BLOCKS as u64 / 2);
    let activities = [world.activity(50), world.activity(50)];
    let (mut arm, mut next) = (Arm { at: 0 }, 0);
    let mut open: [Vec<usize>; 2] = Default::default();
    let (mut times, mut bytes) = ([0_u64; 2], [0_u64; 2]);
    for turn in 0..4_000 {
        for who in 0..2 {
            open[who].retain(|number| world.answers.lock().unwrap().remove(number).is_none());
            while open[who].len() < 12 {
                let (block, length) = match who {
                    0 => (world.random(half - 1), 512),
                    _ => (half + next % (half - 64), 32_768),
                };
                next += if who == 1 { 64 } else { 0 };
                let data = Ram::of(&vec![0; length], 4096);
                open[who].push(world.ask(activities[who], sda, Operation::Read, block, &data));
            }
        }
        while world.step() {}
        if let Some((block, took)) = arm.serve(&mut world)
            && turn > 400
        {
            let who = usize::from(block >= half);
            times[who] += took;
            bytes[who] += if who == 0 { 512 } else { 32_768 };
        }
    }
    let part = |of: [u64; 2]| of[1] as f64 / (of[0] + of[1]) as f64;
    (part(times), part(bytes))
}

/// By service time they have the disk's time in halves, whatever each of their requests takes;
/// by bytes the one that seeks for each block takes nearly all of it.
#[test]
fn service_time_divides_what_a_disk_has() {
    let (time, bytes) = divided(Metric::Field(SERVICE_TIME));
    assert!((time - 0.5).abs() < 0.02, "{time} of the time, {bytes} of the bytes");
    let (time, bytes) = divided(Metric::Bytes);
    assert!((bytes - 0.5).abs() < 0.02 && time < 0.1, "{time} and {bytes}");
}
