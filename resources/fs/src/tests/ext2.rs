//! The whole chain: programs, FCR, EXT2R with the real logic of ext2, storage, on images that
//! `mke2fs` has made and `e2fsck` judges.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::format;
use std::process::{Command, Output};
use std::string::{String, ToString};
use std::sync::{Arc, Weak};
use std::vec;
use std::vec::Vec;

use vortex_grid::Labels;
use vortex_storage::VolumeId;
use vortex_units::ActivityId;

use super::disk::{Event, after_cut};
use super::programs::{Do, File, Got};
use super::ram::Frame;
use super::world::World;
use crate::{Answer, Ext2Request, FileId, MountId, New, Operation};

/// A program of e2fsprogs, whose directory is not on everybody's path.
fn tool(name: &str, arguments: &[&str]) -> Output {
    let path = format!("/usr/sbin:/sbin:{}", std::env::var("PATH").unwrap_or_default());
    let run = Command::new(name).args(arguments).env("PATH", path).output();
    run.unwrap_or_else(|error| panic!("{name}, of Debian's e2fsprogs, is wanted: {error}"))
}

pub(super) struct Image(tempfile::TempDir);

impl Image {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> String {
        self.0.path().join("image").to_str().unwrap().to_string()
    }

    /// A file system of so many KiB.
    pub fn make(&self, kib: usize, block: u32) -> Vec<u8> {
        std::fs::write(self.path(), vec![0; kib * 1024]).unwrap();
        let arguments =
            ["-q", "-t", "ext2", "-b", &block.to_string(), "-m", "0", "-F", &self.path()];
        let made = tool("mke2fs", &arguments);
        assert!(made.status.success(), "{made:?}");
        std::fs::read(self.path()).unwrap()
    }

    pub fn put(&self, image: &[u8]) {
        std::fs::write(self.path(), image).unwrap();
    }

    /// e2fsck finds nothing wrong.
    pub fn assert_clean(&self, what: &str) {
        let checked = tool("e2fsck", &["-fn", &self.path()]);
        assert!(checked.status.success(), "{what}: {}", String::from_utf8_lossy(&checked.stdout));
    }

    /// What a file holds.
    fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let to = self.0.path().join("out");
        let _ = std::fs::remove_file(&to);
        let request = format!("dump {name} {}", to.to_str().unwrap());
        let dumped = tool("debugfs", &["-R", &request, &self.path()]);
        assert!(dumped.status.success());
        let missing = String::from_utf8_lossy(&dumped.stderr).contains("not found");
        (!missing).then(|| std::fs::read(&to).unwrap())
    }
}

pub(super) struct Served {
    pub world: World,
    pub mount: MountId,
    block: u32,
    pub who: Vec<ActivityId>,
    /// Files that were made.
    made: Vec<Weak<crate::CachedFile<Frame>>>,
}

impl Served {
    pub fn new(image: Vec<u8>, seed: u64) -> Self {
        let mut world = World::new(image, 16, Box::new(|| None));
        world.seed(seed);
        let who = [50, 33, 17].map(|share| world.activity(share)).to_vec();
        let (mount, block) = world.mount(who[0]);
        Self { world, mount, block, who, made: Vec::new() }
    }

    pub fn operate(
        &mut self,
        who: ActivityId,
        operation: Operation,
    ) -> Result<Answer, vortex_abi::Errno> {
        match self.world.run(who, Do::Ext2(self.mount, operation))? {
            Got::Answer(answer) => Ok(answer),
            other => panic!("{other:?}"),
        }
    }

    pub fn create(&mut self, who: ActivityId, name: &str) -> File {
        let name = name.as_bytes().into();
        let create = Operation::Create { folder: 2, name, new: New::File, permissions: 0o644 };
        let Ok(Answer::Object(object)) = self.operate(who, create) else { panic!("not created") };
        assert_eq!((object.size, object.links), (0, 1));
        let id = FileId { mount: self.mount, ino: object.ino };
        let file = self.world.wiring.files.open(id, self.block, 0, who);
        self.made.push(Arc::downgrade(&file));
        file
    }

    pub fn unmount(&mut self) -> Vec<u8> {
        let who = self.who[0];
        assert_eq!(self.world.run(who, Do::Unmount(self.mount)), Ok(Got::Nothing));
        assert!(
            self.world.wiring.mounted(self.mount).is_none() && self.world.wiring.files.is_empty()
        );
        self.world.assert_nothing_left(&self.who);
        for who in self.who.iter().copied().chain([ActivityId::INFRASTRUCTURE]) {
            // But for files that the test itself has still.
            let had = self.made.iter().filter_map(Weak::upgrade);
            let left = had.map(|file| file.on_bill(who)).sum::<u64>();
            assert_eq!(self.world.pool.metadata(who), left, "metadata of {who}");
        }
        self.world.disk.lock().unwrap().image.clone()
    }

    fn random(&mut self, below: u64) -> u64 {
        self.world.random(below)
    }
}

/// Random work on files: each step does one thing, and what must be there then is noted.
struct Work {
    served: Served,
    files: BTreeMap<String, (File, Vec<u8>)>,
    /// What has been synced, and not been changed since.
    synced: BTreeMap<String, Vec<u8>>,
    named: usize,
}

impl Work {
    fn step(&mut self) {
        let served = &mut self.served;
        let who = served.random(3) as usize;
        let who = served.who[who];
        let which = served.random(20);
        if self.files.len() < 3 || (which == 0 && self.files.len() < 8) {
            let name = format!("file{}", self.named);
            self.named += 1;
            let file = served.create(who, &name);
            self.files.insert(name, (file, Vec::new()));
            return;
        }
        let at = served.random(self.files.len() as u64) as usize;
        let name = self.files.keys().nth(at).unwrap().clone();
        let (file, model) = self.files.get_mut(&name).unwrap();
        let file = file.clone();
        match which {
            1 => {
                let unlink =
                    Operation::Unlink { folder: 2, name: name.as_bytes().into(), directory: false };
                let ino = file.id().ino;
                assert_eq!(served.operate(who, unlink), Ok(Answer::Lost(Some(ino))));
                assert_eq!(served.world.run(who, Do::Release(file)), Ok(Got::Nothing));
                self.files.remove(&name);
                self.synced.remove(&name);
            }
            0..=9 => {
                let (at, bytes) = (served.random(300_000), served.random(60_000) as usize + 1);
                let fill = served.random(256) as u8;
                let data: Vec<u8> = (0..bytes).map(|at| fill ^ (at / 512) as u8).collect();
                let end = at as usize + bytes;
                model.resize(model.len().max(end), 0);
                model[at as usize..end].copy_from_slice(&data);
                assert_eq!(served.world.write(who, &file, at, &data), Ok(bytes));
                self.synced.remove(&name);
            }
            10 | 11 => {
                let size = served.random(300_000);
                model.resize(size as usize, 0);
                assert_eq!(served.world.run(who, Do::Truncate(file, size)), Ok(Got::Nothing));
                self.synced.remove(&name);
            }
            12..=15 => {
                let model = model.clone();
                let data_only = served.random(2) == 0;
                assert_eq!(served.world.run(who, Do::Sync(file, data_only)), Ok(Got::Nothing));
                self.synced.insert(name, model);
            }
            16 => served.world.pass(6),
            17 => {
                assert_eq!(served.world.run(who, Do::Evict(file)), Ok(Got::Nothing));
            }
            _ => {
                let (at, bytes) = (served.random(300_000), served.random(60_000) as usize + 1);
                let from = (at as usize).min(model.len());
                let expected = model[from..(from + bytes).min(model.len())].to_vec();
                assert!(served.world.read(who, &file, at, bytes) == Ok(expected));
            }
        }
    }
}

fn work(block: u32, seed: u64) -> (Image, Vec<u8>, Work) {
    let image = Image::new();
    let bytes = image.make(8192, block);
    let served = Served::new(bytes.clone(), seed);
    (image, bytes, Work { served, files: BTreeMap::new(), synced: BTreeMap::new(), named: 0 })
}

#[test]
fn what_programs_wrote_is_on_a_clean_file_system() {
    for (seed, block) in [(1, 1024), (2, 2048), (3, 4096), (4, 1024), (5, 4096)] {
        let (image, _, mut work) = work(block, seed);
        (0..60).for_each(|_| work.step());
        let bytes = work.served.unmount();
        image.put(&bytes);
        image.assert_clean("at the end");
        for (name, (_, model)) in &work.files {
            assert!(image.contents(name).as_ref() == Some(model), "{name} of {block}, {seed}");
        }
    }
}

/// Several files at once: each has one thing done to it at a time, and all go on together, while
/// time passes in between.
fn together(block: u32, seed: u64, rounds: usize) {
    const FAR: u64 = 70_000_000;
    let (image, _, mut work) = work(block, seed);
    let served = &mut work.served;
    let mut files: Vec<(String, File, Vec<u8>, bool)> = Vec::new();
    for number in 0..5 {
        let name = format!("file{number}");
        let file = served.create(served.who[number % 3], &name);
        files.push((name, file, Vec::new(), false));
    }
    for _ in 0..rounds {
        let mut asked = Vec::new();
        for (_, file, model, far) in &mut files {
            let who = served.random(3) as usize;
            let (who, file) = (served.who[who], file.clone());
            let which = served.random(12);
            let (at, bytes) = (served.random(300_000), served.random(40_000) as usize + 1);
            let what = match which {
                _ if core::mem::take(far) => Do::Truncate(file, model.len() as u64),
                0..4 => {
                    let fill = served.random(256) as u8;
                    let data: Vec<u8> = (0..bytes).map(|at| fill ^ (at / 512) as u8).collect();
                    let end = at as usize + bytes;
                    model.resize(model.len().max(end), 0);
                    model[at as usize..end].copy_from_slice(&data);
                    Do::Write { file, at, bytes: data }
                }
                4..6 => {
                    *far = true;
                    Do::Write { file, at: FAR + at / 50, bytes: b"far".to_vec() }
                }
                6..8 => {
                    model.resize(at as usize / 3, 0);
                    Do::Truncate(file, at / 3)
                }
                8 => Do::Sync(file, false),
                9 => Do::Evict(file),
                _ => Do::Read { file, at, bytes },
            };
            asked.push(served.world.ask(who, what));
        }
        if served.random(3) == 0 {
            for _ in 0..12 {
                let steps = served.random(200) as usize;
                served.world.steps(steps);
                served.world.clock.fetch_add(500_000, std::sync::atomic::Ordering::Relaxed);
            }
        }
        served.world.settle();
        for number in asked {
            assert!(served.world.result(number).expect("not answered").is_ok());
        }
    }
    for (_, file, model, _) in files.iter().filter(|(.., far)| *far) {
        let cut = Do::Truncate(file.clone(), model.len() as u64);
        assert_eq!(served.world.run(served.who[0], cut), Ok(Got::Nothing));
    }
    let bytes = served.unmount();
    image.put(&bytes);
    image.assert_clean("at the end");
    for (name, _, model, _) in &files {
        let there = image.contents(name).unwrap();
        assert_eq!(there.len(), model.len(), "{name} of {block}, {seed}");
        assert!(there == *model, "{name} of {block}, {seed}");
    }
}

#[test]
fn what_is_done_to_several_files_at_once_is_on_the_disk() {
    for seed in 1..=8 {
        together([1024, 4096][seed as usize % 2], seed, 60);
    }
}

/// A run of so many steps, and what power cuts leave of it.
struct Cuts {
    image: Image,
    work: Work,
    /// The disk when the file system had been mounted, and what was done to it since.
    begin: Vec<u8>,
    log: Vec<Event>,
    /// How long the log was after each step, and what had to be there then.
    notes: Vec<(usize, BTreeMap<String, Vec<u8>>)>,
}

impl Cuts {
    fn new(block: u32, seed: u64, steps: usize) -> Self {
        let (image, _, mut work) = work(block, seed);
        let mut notes = vec![(0, BTreeMap::new())];
        let begin = {
            let mut disk = work.served.world.disk.lock().unwrap();
            disk.log = Some(Vec::new());
            disk.image.clone()
        };
        for _ in 0..steps {
            work.step();
            let length = work.served.world.disk.lock().unwrap().log.as_ref().unwrap().len();
            notes.push((length, work.synced.clone()));
        }
        let log = work.served.world.disk.lock().unwrap().log.take().unwrap();
        Self { image, work, begin, log, notes }
    }

    /// The power is cut after so many of the disk's doings; of what is in its cache each sector
    /// is kept by so many chances of 100.
    fn cut(&mut self, at: usize, kept: u64) {
        let world = &mut self.work.served.world;
        let bytes = after_cut(&self.begin, &self.log[..at], &mut || world.random(100) < kept);
        self.image.put(&bytes);
        let mended = tool("e2fsck", &["-p", &self.image.path()]);
        let code = mended.status.code().unwrap();
        let said = String::from_utf8_lossy(&mended.stdout).to_string();
        assert!(code & !3 == 0, "cut at {at}, {kept} kept: {code}: {said}");
        self.image.assert_clean("after e2fsck -p");
        let last = self.notes.iter().rposition(|(length, _)| *length <= at).unwrap();
        let before = &self.notes[last].1;
        let after = self.notes.get(last + 1).map_or(before, |(_, synced)| synced);
        for (name, contents) in before {
            // What was being changed at the cut may be either.
            if after.get(name) == Some(contents) {
                let there = self.image.contents(name);
                assert!(there.as_ref() == Some(contents), "cut at {at}, {kept} kept: {name}");
            }
        }
    }
}

#[test]
fn what_was_synced_outlives_a_power_cut_at_every_write() {
    // The first short run in which something is synced, and stays so for a while.
    let is_meant = |cuts: &Cuts| {
        cuts.notes.iter().filter(|(_, synced)| !synced.is_empty()).count() > 6
            && cuts.log.len() < 90
    };
    let mut cuts = (14..40).map(|seed| Cuts::new(1024, seed, 20)).find(is_meant).unwrap();
    for at in 0..=cuts.log.len() {
        // Nothing of the cache, or some; or all of it.
        for kept in [0, 50 + 50 * (at as u64 % 2)] {
            cuts.cut(at, kept);
        }
    }
}

#[test]
fn what_was_synced_outlives_power_cuts_of_long_runs() {
    for (seed, block) in [(11, 1024), (12, 4096), (13, 2048)] {
        let mut cuts = Cuts::new(block, seed, 50);
        for _ in 0..20 {
            let at = cuts.work.served.random(cuts.log.len() as u64 + 1) as usize;
            let kept = cuts.work.served.random(101);
            cuts.cut(at, kept);
        }
    }
}

/// Where nothing of the metadata has changed, the data are flushed all the same.
#[test]
fn what_is_written_over_is_on_the_medium_when_it_is_synced() {
    let (_, _, mut work) = work(4096, 1);
    let served = &mut work.served;
    let who = served.who[0];
    let file = served.create(who, "over");
    assert_eq!(served.world.write(who, &file, 0, &[1; 8192]), Ok(8192));
    assert_eq!(served.world.run(who, Do::Sync(file.clone(), false)), Ok(Got::Nothing));
    served.world.pass(12);
    served.world.disk.lock().unwrap().log = Some(Vec::new());
    assert_eq!(served.world.write(who, &file, 0, &[2; 8192]), Ok(8192));
    assert_eq!(served.world.run(who, Do::Sync(file, true)), Ok(Got::Nothing));
    let log = served.world.disk.lock().unwrap().log.take().unwrap();
    assert!(matches!(log.as_slice(), [.., Event::Write { .. }, Event::Flush]), "{}", log.len());
}

#[test]
fn what_is_no_file_system_is_not_served() {
    let mut world = World::new(vec![7; 1 << 20], 16, Box::new(|| None));
    let who = world.activity(50);
    let port = world.wiring.ports.get().unwrap().ext2;
    let request = Ext2Request::mount(VolumeId::disk(0).unwrap(), false);
    world.cores[0].root(who, port, Labels::NONE, request).unwrap();
    world.settle();
    assert!(world.was_said("is not served"));
    world.assert_nothing_left(&[who]);
}

/// Who may have little keeps few blocks of metadata that can be read again; whoever else has some
/// keeps them.
#[test]
fn metadata_that_can_be_read_again_is_no_more_than_its_part() {
    let image = Image::new();
    let mut served = Served::new(image.make(16_384, 1024), 1);
    let (a, b) = (served.who[0], served.who[1]);
    let look = |served: &mut Served, who, ino: u32| {
        assert!(matches!(served.operate(who, Operation::Inode(ino)), Ok(Answer::Object(_))));
    };
    let files: Vec<File> = (0..2_000).map(|at| served.create(a, &format!("file{at}"))).collect();
    let image = served.unmount();
    let mut served = Served::new(image, 1);
    for file in &files {
        look(&mut served, a, file.id().ino);
    }
    let all = served.world.pool.metadata(a);
    assert!(all > 300 * 1024, "{all}");
    let image = served.unmount();
    let mut served = Served::new(image, 1);
    // An eighth of two mebibytes.
    served.world.pool.limit(b, 512);
    for file in &files[..200] {
        look(&mut served, a, file.id().ino);
    }
    let before = served.world.pool.metadata(a);
    for file in &files {
        look(&mut served, b, file.id().ino);
        // A little more for a while, since others' blocks stand before its own.
        assert!(served.world.pool.metadata(b) <= 264 * 1024);
    }
    assert_eq!(served.world.pool.metadata(b), 256 * 1024);
    assert_eq!(served.world.pool.metadata(a), before);
    served.unmount();
}

/// Blocks of metadata are on the bill of who has had them made, or changed them last; adjacent
/// ones of one activity go to the disk together.
#[test]
fn metadata_is_on_the_bill_of_who_makes_it_and_is_written_together() {
    let image = Image::new();
    let mut served = Served::new(image.make(8192, 1024), 1);
    let (a, b) = (served.who[0], served.who[1]);
    assert_eq!(served.world.pool.metadata(b), 0);
    // Their blocks of pointers lie one behind the other's data; their inodes in one block.
    let files: Vec<File> = (0..6).map(|at| served.create(b, &format!("file{at}"))).collect();
    for file in &files {
        assert_eq!(served.world.write(b, file, 300_000, &[1; 10]), Ok(10));
    }
    assert!(served.world.pool.metadata(b) >= 6 * 1024, "{}", served.world.pool.metadata(b));
    served.world.disk.lock().unwrap().trace.clear();
    let folder = |at: usize| Operation::Create {
        folder: 2,
        name: format!("folder{at}").as_bytes().into(),
        new: New::Directory,
        permissions: 0o755,
    };
    for at in 0..24 {
        assert!(served.operate(a, folder(at)).is_ok());
    }
    assert_eq!(served.world.run(a, Do::SyncAll(None)), Ok(Got::Nothing));
    let disk = served.world.disk.lock().unwrap();
    let sizes: Vec<usize> = disk.trace.iter().filter(|it| it.0).map(|it| it.2).collect();
    assert!(sizes.iter().any(|bytes| *bytes > 4 * 1024), "joined: {sizes:?}");
    assert!(sizes.iter().all(|bytes| *bytes <= 32 * 1024), "{sizes:?}");
    drop(disk);
    image.put(&served.unmount());
    image.assert_clean("after it");
}

/// What is written of many files lasts by a few flushes, not by some for each.
#[test]
fn many_files_are_synced_together() {
    let image = Image::new();
    let mut served = Served::new(image.make(8192, 1024), 1);
    let a = served.who[0];
    let files: Vec<File> = (0..40).map(|at| served.create(a, &format!("file{at}"))).collect();
    for file in &files {
        assert_eq!(served.world.write(a, file, 0, &[7; 3000]), Ok(3000));
    }
    let before = served.world.disk.lock().unwrap().flushes;
    assert_eq!(served.world.run(a, Do::SyncAll(None)), Ok(Got::Nothing));
    let flushes = served.world.disk.lock().unwrap().flushes - before;
    assert!(flushes <= 12, "{flushes} flushes");
    // As they are on the disk now.
    let now = served.world.disk.lock().unwrap().image.clone();
    image.put(&now);
    for at in 0..40 {
        assert_eq!(image.contents(&format!("file{at}")), Some(vec![7; 3000]), "file{at}");
    }
}
