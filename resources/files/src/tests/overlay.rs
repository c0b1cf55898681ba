//! A file whose pages programs write to by a mapping, and which leave memory at any time: what
//! calls see is one file all the same.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use std::sync::Mutex;

use linux_raw_sys::general as abi;

use super::{OWNER, World};
use crate::{
    Ask, At, Caller, Collect, Counted, Errno, NoProc, OpenId, Outcome, Over, Overlay, PAGE, Root,
    Shown, Then, Told, Versions, Walks,
};

const NUMBER: u64 = 9;
const PAGES: u64 = 6;

/// What the kernel's does with frames and places, with bytes.
#[derive(Default)]
struct Pages {
    here: BTreeMap<u64, Vec<u8>>,
    away: BTreeMap<u64, Vec<u8>>,
    cleared: BTreeMap<u64, usize>,
    /// From where on programs show what was cut off.
    shown: Option<u64>,
}

#[derive(Default)]
struct Mapped(Mutex<Pages>);

impl Pages {
    fn bring(&mut self, page: u64) {
        let Some(mut bytes) = self.away.remove(&page) else { return };
        if let Some(from) = self.cleared.remove(&page) {
            bytes[from..].fill(0);
        }
        self.here.insert(page, bytes);
    }

    fn clear_away(&mut self, page: u64, from: usize) {
        let first = self.cleared.entry(page).or_insert(from);
        *first = from.min(*first);
    }
}

impl Overlay for Mapped {
    fn number(&self) -> u64 {
        NUMBER
    }

    fn unmapped(&self) {}

    fn read(&self, page: u64, within: usize, bytes: &mut [u8]) -> Over {
        let pages = self.0.lock().unwrap();
        match pages.here.get(&page) {
            Some(held) => {
                bytes.copy_from_slice(&held[within..within + bytes.len()]);
                Over::Here
            }
            None if pages.away.contains_key(&page) => Over::Left,
            None => Over::Nothing,
        }
    }

    fn next(&self, page: u64) -> Option<u64> {
        let pages = self.0.lock().unwrap();
        let all = pages.here.keys().chain(pages.away.keys()).copied();
        all.filter(|&number| number >= page).min()
    }

    fn write(&self, page: u64, within: usize, bytes: &[u8]) -> bool {
        let mut pages = self.0.lock().unwrap();
        if pages.away.contains_key(&page) {
            return false;
        }
        if let Some(held) = pages.here.get_mut(&page) {
            held[within..within + bytes.len()].copy_from_slice(bytes);
        }
        true
    }

    fn clear(&self, page: u64, from: usize, to: usize) -> bool {
        let mut pages = self.0.lock().unwrap();
        if let Some(held) = pages.here.get_mut(&page) {
            held[from..to].fill(0);
        } else if pages.away.contains_key(&page) {
            if to != PAGE {
                return false;
            }
            pages.clear_away(page, from);
        }
        true
    }

    /// What is in memory, programs show.
    fn resize(&self, size: u64) -> Option<u64> {
        let mut pages = self.0.lock().unwrap();
        let (end, last) = (size.div_ceil(PAGE as u64), size / PAGE as u64);
        let within = (size % PAGE as u64) as usize;
        if !pages.here.split_off(&end).is_empty() {
            pages.shown = Some(pages.shown.map_or(end, |from| from.min(end)));
        }
        pages.away.split_off(&end);
        pages.cleared.split_off(&end);
        if let Some(held) = pages.here.get_mut(&last) {
            held[within..].fill(0);
        } else if within > 0 && pages.away.contains_key(&last) {
            pages.clear_away(last, within);
        }
        pages.shown
    }
}

struct Test {
    world: World,
    open: OpenId,
    mapped: Arc<Mapped>,
    asked: u32,
    concealed: Vec<u64>,
    chance: u64,
}

impl Test {
    fn draw(&mut self, most: u64) -> u64 {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.chance >> 33) % most
    }

    /// A call that ends with something.
    fn make<T>(
        &mut self,
        call: impl FnMut(&mut Root, &Caller) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.ends(call).map(|ended| ended.expect("it is made until it has something"))
    }

    /// A call, with what it asks answered, until it has ended; `None` where the answer was its end.
    fn ends<T>(
        &mut self,
        mut call: impl FnMut(&mut Root, &Caller) -> Result<T, Errno>,
    ) -> Result<Option<T>, Errno> {
        let walks = RefCell::new(Walks::default());
        let World { root, table, place, effects, now, .. } = &mut self.world;
        for _ in 0..100 {
            walks.borrow_mut().begin();
            let caller = Caller {
                pid: 1,
                table,
                place,
                proc: &NoProc,
                owner: OWNER,
                largest: u64::MAX,
                now: *now,
                walks: Some(&walks),
            };
            let result = call(root, &caller);
            let Some(ask) = walks.borrow_mut().take_ask() else { return result.map(Some) };
            match ask {
                Ask::Bring { overlay: NUMBER, page } => {
                    self.mapped.0.lock().unwrap().bring(page);
                    self.asked += 1;
                }
                Ask::Conceal { shown: Shown { overlay: Some((NUMBER, from)), .. }, .. } => {
                    self.mapped.0.lock().unwrap().shown = None;
                    self.concealed.push(from);
                }
                Ask::Conceal { shown: Shown { versions: Some((NUMBER, from)), .. }, .. } => {
                    self.concealed.push(from);
                }
                _ => panic!("asks {}", ask.name()),
            }
            match root.told(ask, Ok(Told::Done), effects) {
                Ok(Then::Again) => {}
                then => {
                    assert_eq!(then, Ok(Then::Done));
                    return Ok(None);
                }
            }
        }
        panic!("it never ends");
    }

    fn read(&mut self, from: u64, count: usize) -> Vec<u8> {
        let (open, mut all) = (self.open, Vec::new());
        while all.len() < count {
            let at = from + all.len() as u64;
            let mut sink = Collect::new(count - all.len());
            let moved = self.make(|root, caller| {
                let (mut random, mut effects) = (|_: &mut [u8]| (), crate::Effects::new());
                root.read(caller, open, Some(at as i64), &mut sink, &mut random, &mut effects)
            });
            let bytes = sink.into_bytes();
            assert_eq!(moved, Ok(Outcome::Done(bytes.len())));
            let more = self.world.root.goes_on(open, Some((at + bytes.len() as u64) as i64));
            all.extend(&bytes);
            if bytes.is_empty() || !more {
                break;
            }
        }
        all
    }

    fn write(&mut self, from: u64, bytes: &[u8]) {
        let (open, mut done) = (self.open, 0);
        while done < bytes.len() {
            let at = from + done as u64;
            let moved = self.make(|root, caller| {
                // A call that is made again begins with all of it.
                let (mut rest, mut effects) = (&bytes[done..], crate::Effects::new());
                root.write(caller, open, Some(at as i64), &mut rest, &mut effects)
            });
            let Ok(Outcome::Done(count)) = moved else { panic!("{moved:?}") };
            assert!(count > 0);
            done += count;
        }
    }
}

#[test]
fn pages_that_have_left_are_the_files_all_the_same() {
    let mut world = World::new();
    let fd = world.open("/a", abi::O_CREAT | abi::O_RDWR).unwrap();
    let open = world.table.get(fd).unwrap();
    let node = world.root.node(open).unwrap();
    let mapped = Arc::new(Mapped::default());
    world.root.overlay(&node, mapped.clone()).unwrap();
    let mut test = Test { world, open, mapped, asked: 0, concealed: Vec::new(), chance: 2011 };
    let mut model: Vec<u8> = Vec::new();
    let most = PAGES * PAGE as u64;
    let mut concealed = 0;
    for step in 0..4_000 {
        let (from, byte) = (test.draw(most), step as u8);
        let count = test.draw(most - from) as usize;
        match test.draw(8) {
            0 => {
                test.write(from, &alloc::vec![byte; count]);
                if count > 0 {
                    model.resize(model.len().max(from as usize + count), 0);
                    model[from as usize..][..count].fill(byte);
                }
            }
            1 => {
                let end = from.div_ceil(PAGE as u64);
                let shown = test.mapped.0.lock().unwrap().here.range(end..).next().is_some();
                let cut = test.ends(|root, caller| root.truncate_open(caller, open, from as i64));
                assert_eq!(cut, Ok((!shown).then_some(())));
                // Once, and only where there is something.
                let taken = core::mem::take(&mut test.concealed);
                assert_eq!(taken, if shown { alloc::vec![end] } else { Vec::new() });
                concealed += taken.len();
                model.resize(from as usize, 0);
            }
            2 if count > 0 => {
                let mut at = from;
                while at < from + count as u64 {
                    let left = from + count as u64 - at;
                    let mode = abi::FALLOC_FL_PUNCH_HOLE | abi::FALLOC_FL_KEEP_SIZE;
                    let done = test.make(|root, caller| {
                        root.allocate(caller, open, mode, at as i64, left as i64)
                    });
                    at += done.unwrap();
                }
                let end = model.len().min(from as usize + count);
                if let Some(part) = model.get_mut(from as usize..end) {
                    part.fill(0);
                }
            }
            // A program writes to a page that the file has, by its mapping.
            3 | 4 if !model.is_empty() => {
                let page = test.draw((model.len() as u64).div_ceil(PAGE as u64));
                let at = page as usize * PAGE;
                let mut bytes = test.read(at as u64, PAGE);
                bytes.resize(PAGE, 0);
                let end = PAGE.min(model.len() - at);
                bytes[end - 1] = byte;
                model[at + end - 1] = byte;
                // Its frame is made of what the file has below.
                test.make(|root, caller| root.page(caller, &node, page)).unwrap();
                let pages = &mut *test.mapped.0.lock().unwrap();
                pages.here.insert(page, bytes);
            }
            // Some leave.
            5 | 6 => {
                let pages = &mut *test.mapped.0.lock().unwrap();
                let (stay, leave) = core::mem::take(&mut pages.here)
                    .into_iter()
                    .partition(|(page, _)| (page + step) % 3 == 0);
                pages.here = stay;
                pages.away.append(&mut { leave });
            }
            _ => {
                let end = model.len().min(from as usize + count);
                let right = model.get(from as usize..end).unwrap_or_default();
                let read = test.read(from, count);
                let differs = read.iter().zip(right).position(|(a, b)| a != b);
                assert!(read == right, "step {step}: {from}, {count}, {differs:?}");
            }
        }
        let size = test.make(|root, caller| root.attributes(caller, &node)).unwrap().size;
        assert_eq!(size, model.len() as u64, "step {step}");
    }
    assert!(test.read(0, model.len()) == model);
    assert!(test.asked > 100, "{} were brought back", test.asked);
    assert!(concealed > 100, "{concealed} cuts took pages from programs");
    // As a program would be loaded of it.
    let (mut next, mut all) = (0, alloc::vec![0; model.len().next_multiple_of(PAGE)]);
    while let Some((page, bytes)) =
        test.make(|root, caller| root.next_page(caller, &node, next)).unwrap()
    {
        if let Some(part) = all.get_mut(page as usize * PAGE..).filter(|part| !part.is_empty()) {
            part[..PAGE].copy_from_slice(bytes.bytes());
        }
        next = page + 1;
    }
    assert!(all[..model.len()] == model);
    // Who opens it anew and empties it takes from programs what they show, too.
    test.mapped.0.lock().unwrap().here.insert(0, alloc::vec![1; PAGE]);
    let flags = abi::O_RDWR | abi::O_TRUNC;
    test.write(0, b"not empty");
    let opened = test.make(|root, caller| {
        root.open(caller, At::cwd(b"/a"), flags, 0, &mut crate::Effects::new())
    });
    assert!(opened.is_ok());
    assert_eq!(test.concealed, [0]);
    assert_eq!(test.read(0, PAGE), []);
    // Who may have no more open files empties nothing.
    test.write(0, b"not empty");
    test.world.root.set_most(OWNER, Counted::Open, Some(1));
    assert_eq!(test.world.open("/a", flags), Err(Errno::ENFILE));
    test.world.root.set_most(OWNER, Counted::Open, None);
    assert_eq!(test.read(0, 9), b"not empty");
    // What could not be asked is asked by the next call, which cuts nothing more.
    test.write(0, b"not empty");
    test.mapped.0.lock().unwrap().here.insert(0, alloc::vec![1; PAGE]);
    let walks = RefCell::new(Walks::default());
    walks.borrow_mut().begin();
    let World { root, table, place, effects, now, .. } = &mut test.world;
    let caller = Caller {
        pid: 1,
        table,
        place,
        proc: &NoProc,
        owner: OWNER,
        largest: u64::MAX,
        now: *now,
        walks: Some(&walks),
    };
    assert!(root.truncate_open(&caller, open, 0).is_err());
    let ask = walks.borrow_mut().take_ask().expect("it asks");
    assert_eq!(root.told(ask, Err(Errno::ENOMEM), effects), Err(Errno::ENOMEM));
    test.concealed.clear();
    let again = test.ends(|root, caller| root.truncate_open(caller, open, 0));
    assert_eq!((again, &test.concealed[..]), (Ok(None), &[0][..]));
    let again = test.ends(|root, caller| root.truncate_open(caller, open, 0));
    assert_eq!((again, test.concealed.len()), (Ok(Some(())), 1));
}

/// What those are told who have mapped a file for themselves.
#[derive(Default)]
struct Listener(Mutex<Vec<(u64, Option<u64>)>>);

impl Versions for Listener {
    fn number(&self) -> u64 {
        NUMBER
    }

    fn wrote(&self, from: u64, to: u64) {
        self.0.lock().unwrap().push((from, Some(to)));
    }

    /// Programs show all that is cut off.
    fn resize(&self, size: u64) -> Option<u64> {
        let told = &mut *self.0.lock().unwrap();
        told.push((size, None));
        (told.len() > 4).then_some(size)
    }
}

#[test]
fn who_has_mapped_a_file_for_himself_is_told_what_becomes_of_it() {
    let mut world = World::new();
    let fd = world.open("/a", abi::O_CREAT | abi::O_RDWR).unwrap();
    let open = world.table.get(fd).unwrap();
    let node = world.root.node(open).unwrap();
    assert_eq!(world.root.versions(&node), Ok(None));
    let listener = Arc::new(Listener::default());
    world.root.tell(&node, listener.clone()).unwrap();
    assert_eq!(world.root.versions(&node), Ok(Some(NUMBER)));
    let told = || core::mem::take(&mut *listener.0.lock().unwrap());
    let mapped = Arc::new(Mapped::default());
    let mut test = Test { world, open, mapped, asked: 0, concealed: Vec::new(), chance: 1 };
    // What is written is told before the file is so long.
    test.write(5, b"two");
    assert_eq!(told(), [(5, Some(8)), (8, None)]);
    test.write(0, b"in it");
    assert_eq!(told(), [(0, Some(5))]);
    let cut = test.ends(|root, caller| root.truncate_open(caller, open, 20_000));
    assert_eq!((cut, told()), (Ok(Some(())), Vec::from([(20_000, None)])));
    // What programs show is taken from them before the call has ended.
    listener.0.lock().unwrap().extend([(0, None); 4]);
    let cut = test.ends(|root, caller| root.truncate_open(caller, open, 3));
    assert_eq!((cut, told().pop(), test.concealed), (Ok(None), Some((3, None)), Vec::from([3])));
}
