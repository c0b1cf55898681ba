//! Random operations, against a model, judged by `e2fsck`.

use std::string::{String, ToString as _};
use std::vec::Vec;
use std::{env, format, println};

use super::driver::Driver;
use super::images::FORMS;
use super::model::{Model, Op};
use super::tools::{assert_clean, image};
use crate::{Ino, Options, Replace};
use vortex_abi::Errno;

/// Numbers that look random; the same for a seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.throw() % end
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        let index = self.below(list.len().max(1) as u64) as usize;
        list.get(index).copied()
    }

    /// An operation on what is there.
    pub fn operation(&mut self, model: &Model) -> Op {
        let directories = model.living(true);
        let files = model.living(false);
        let dir = self.of(&directories).unwrap_or(0);
        let name = Model::name(self.throw());
        let file = self.of(&files);
        match (self.below(21), file) {
            (20, _) => Op::Nameless(dir),
            (0..6, _) => Op::Create(dir, name, self.below(7) as usize),
            (6, Some(file)) => Op::Link(file, dir, name),
            (7..10, _) => Op::Unlink(dir, name),
            (10, _) => Op::Rmdir(dir, name),
            (11..14, _) => {
                let to = self.of(&directories).unwrap_or(0);
                let replace = match self.below(8) {
                    0 => Replace::No,
                    1 => Replace::Exchange,
                    _ => Replace::Yes,
                };
                Op::Rename(dir, name, to, Model::name(self.throw()), replace)
            }
            (14..17, Some(file)) => {
                let far = [1, 20_000, 400_000][self.below(3) as usize];
                let at = self.below(far);
                Op::Write(file, at, 1 + self.below(30_000) as usize, self.throw() as u8)
            }
            (17, Some(file)) => Op::Cut(file, self.below(400_000)),
            (18, _) => Op::Sync(dir),
            (19, Some(file)) => Op::Sync(file),
            _ => Op::Create(dir, name, 2),
        }
    }
}

/// The seed of a run, and how many runs: many where the whole proof is asked for.
pub fn seeds(few: u64, many: u64) -> impl Iterator<Item = u64> {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("PROPTEST_RNG_SEED").unwrap_or_else(|| {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos() as u64)
    });
    let count = if number("PROPTEST_CASES").is_some_and(|cases| cases > 1000) { many } else { few };
    (0..count).map(move |index| first.wrapping_add(index.wrapping_mul(7919)))
}

/// Random operations on a file system and on a model. What a full disk refuses is left out.
pub fn run(
    driver: &mut Driver,
    model: &mut Model,
    inos: &mut Vec<Ino>,
    dice: &mut Dice,
    count: u32,
) {
    for step in 0..count {
        let op = dice.operation(model);
        let shown: String = format!("{op:?}").chars().take(200).collect();
        let did = model.perform(driver, inos, &op);
        if did == Err(Errno::ENOSPC) {
            // Nothing has changed, but a write may have come a part of the way.
            if let Op::Write(node, ..) = op {
                let content = driver.read(inos[node]).expect("read");
                model.nodes[node].0 = super::model::Node::File(content);
            }
            continue;
        }
        let should = model.apply(&op);
        assert_eq!(did, should, "step {step}: {shown}");
    }
}

#[test]
fn random_operations_do_what_the_model_does() {
    for seed in seeds(6, 700) {
        let mut dice = Dice(seed);
        let form = FORMS[dice.below(FORMS.len() as u64) as usize];
        println!("seed {seed}: {form:?}");
        let blocks = if form[1] == "4096" { 2000 } else { 4000 };
        let bytes = image(form, blocks);
        let options = Options {
            cached: [64, 100, 2048][dice.below(3) as usize],
            volatile: dice.below(4) != 0,
            ..Options::default()
        };
        let mut driver = Driver::mount(bytes, options);
        driver.random = dice.throw() | 1;
        let mut model = Model::new();
        let mut inos = std::vec![Ino::ROOT];
        for round in 0..3 {
            run(&mut driver, &mut model, &mut inos, &mut dice, 400);
            model.check(&mut driver);
            model.close(&mut driver, &inos);
            let bytes = driver.unmount();
            assert_clean(
                &bytes,
                &["seed ", &seed.to_string(), " round ", &round.to_string()].concat(),
            );
            driver = Driver::mount(bytes, options);
            model.check(&mut driver);
        }
    }
}
