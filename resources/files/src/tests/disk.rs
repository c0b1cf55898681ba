//! A file system that answers what a mounted one is asked, as simply as can be; what it has in
//! its cache comes and goes.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use linux_raw_sys::general as abi;
use std::sync::Mutex;

use crate::{
    Ask, Cached, Change, Dev, Errno, FileSystem, FsId, Known, Listed, Owner, PAGE, Sink, Source,
    Time, Told,
};

pub(crate) const FS: FsId = FsId(3);
const TOP: u64 = 2;
const STEP: u64 = PAGE as u64;

#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    /// Pages in the cache.
    here: BTreeSet<u64>,
    errors: u32,
    openers: Vec<Owner>,
}

/// A file's contents.
#[derive(Default)]
struct File(Mutex<Bytes>);

impl Cached for File {
    fn size(&self) -> u64 {
        self.0.lock().unwrap().bytes.len() as u64
    }

    fn read(&self, at: u64, most: usize, sink: &mut dyn Sink) -> Result<usize, Errno> {
        let file = self.0.lock().unwrap();
        let mut done = 0;
        while done < most {
            let from = at + done as u64;
            if !file.here.contains(&(from / STEP)) {
                break;
            }
            let to = ((from / STEP + 1) * STEP).min(at + most as u64).min(file.bytes.len() as u64);
            if from >= to {
                break;
            }
            let part = &file.bytes[from as usize..to as usize];
            match sink.put(part) {
                Ok(()) => done += part.len(),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn write(
        &self,
        at: u64,
        most: usize,
        source: &mut dyn Source,
        _: (Owner, Time),
    ) -> Result<usize, Errno> {
        let file = &mut *self.0.lock().unwrap();
        let mut done = 0;
        while done < most {
            let from = at + done as u64;
            if !file.here.contains(&(from / STEP)) {
                break;
            }
            let to = ((from / STEP + 1) * STEP).min(at + most as u64);
            let mut part = alloc::vec![0; (to - from) as usize];
            match source.take(&mut part) {
                Ok(()) => {}
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            if file.bytes.len() < to as usize {
                file.bytes.resize(to as usize, 0);
            }
            file.bytes[from as usize..to as usize].copy_from_slice(&part);
            done += part.len();
        }
        Ok(done)
    }

    fn opened(&self, by: Owner) {
        self.0.lock().unwrap().openers.push(by);
    }

    fn closed(&self, by: Owner) {
        let openers = &mut self.0.lock().unwrap().openers;
        let at = openers.iter().position(|of| *of == by).expect("it has it open");
        openers.remove(at);
    }

    fn opener_beside(&self, who: Owner) -> Option<Owner> {
        let openers = &self.0.lock().unwrap().openers;
        if openers.contains(&who) { None } else { openers.first().copied() }
    }

    fn errors(&self) -> u32 {
        self.0.lock().unwrap().errors
    }

    fn check(&self, seen: &mut u32) -> Result<(), Errno> {
        let errors = self.errors();
        if core::mem::replace(seen, errors) == errors { Ok(()) } else { Err(Errno::EIO) }
    }

    fn stamp(&self, _: Owner, _: &Change) {}

    fn any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

struct Object {
    mode: u32,
    links: u32,
    user: u32,
    group: u32,
    device: Dev,
    times: [Time; 3],
    target: Box<[u8]>,
    file: Option<Arc<File>>,
    entries: BTreeMap<Vec<u8>, u64>,
    above: u64,
}

/// It.
pub(crate) struct Disk {
    objects: BTreeMap<u64, Object>,
    last: u64,
    /// Every so many questions the cache is emptied.
    questions: u32,
    /// What was asked, by name.
    pub asked: Vec<&'static str>,
}

impl Disk {
    pub fn new() -> Self {
        let mut disk =
            Self { objects: BTreeMap::new(), last: TOP, questions: 0, asked: Vec::new() };
        let mut top = disk.fresh(abi::S_IFDIR | 0o755, Time::new(1, 0));
        (top.links, top.above) = (2, TOP);
        disk.objects.insert(TOP, top);
        disk
    }

    /// How many objects there are beside the topmost directory.
    pub fn count(&self) -> usize {
        self.objects.len() - 1
    }

    fn fresh(&self, mode: u32, now: Time) -> Object {
        let file = (mode & abi::S_IFMT == abi::S_IFREG).then(Arc::default);
        Object {
            mode,
            links: 1,
            user: 0,
            group: 0,
            device: Dev::default(),
            times: [now; 3],
            target: Box::default(),
            file,
            entries: BTreeMap::new(),
            above: 0,
        }
    }

    fn known(&self, number: u64) -> Box<Known> {
        let object = &self.objects[&number];
        let contents = object.file.clone().map(|file| file as Arc<dyn Cached>);
        let [accessed, modified, changed] = object.times;
        Box::new(Known {
            number,
            mode: object.mode,
            links: object.links,
            user: object.user,
            group: object.group,
            device: object.device,
            size: 4096,
            blocks: 8,
            accessed,
            modified,
            changed,
            target: object.target.clone(),
            contents,
        })
    }

    fn cache(file: &Arc<dyn Cached>, from: u64, bytes: u64) {
        let file = file.clone().any().downcast::<File>().unwrap();
        let pages = from / STEP..(from + bytes).div_ceil(STEP);
        file.0.lock().unwrap().here.extend(pages);
    }

    /// Something of every file could not be written.
    pub fn fail(&mut self) {
        for file in self.objects.values().filter_map(|object| object.file.as_ref()) {
            file.0.lock().unwrap().errors += 1;
        }
    }

    pub fn answer(&mut self, ask: &Ask) -> Result<Told, Errno> {
        self.asked.push(ask.name());
        self.questions += 1;
        if self.questions.is_multiple_of(5) {
            for file in self.objects.values().filter_map(|object| object.file.as_ref()) {
                file.0.lock().unwrap().here.clear();
            }
        }
        match ask {
            Ask::Mount { read_only, .. } => {
                let top = self.known(TOP);
                Ok(Told::Mounted { fs: FS, top, read_only: *read_only })
            }
            Ask::Unmount { .. } | Ask::Sync { .. } | Ask::SyncAll { .. } | Ask::Evict { .. } => {
                Ok(Told::Done)
            }
            Ask::Look { at, name, .. } => {
                let found = self.objects[&at.number].entries.get(&name[..]);
                Ok(found.map_or(Told::Nothing, |number| Told::Object(self.known(*number))))
            }
            Ask::Refresh { at, .. } => Ok(Told::Object(self.known(at.number))),
            Ask::List { at, from, .. } => Ok(Told::Entries(self.list(at.number, *from))),
            Ask::Usage { .. } => Ok(Told::Usage(FileSystem {
                magic: 0xef53,
                block: 1024,
                blocks: 100,
                free: 50,
                available: 45,
                files: 16,
                free_files: 7,
                longest_name: 255,
            })),
            Ask::Fetch { file, from, bytes, .. } | Ask::Prepare { file, from, bytes, .. } => {
                Self::cache(file, *from, *bytes);
                Ok(Told::Done)
            }
            Ask::Resize { file, size, .. } => {
                let file = file.clone().any().downcast::<File>().unwrap();
                file.0.lock().unwrap().bytes.resize(*size as usize, 0);
                Ok(Told::Done)
            }
            Ask::Release { at, .. } => {
                assert_eq!(self.objects[&at.number].links, 0);
                self.objects.remove(&at.number);
                Ok(Told::Done)
            }
            Ask::Set { at, change, .. } => {
                self.set(at.number, change);
                Ok(Told::Done)
            }
            _ => self.change(ask),
        }
    }

    fn list(&self, number: u64, from: u64) -> Vec<Listed> {
        let object = &self.objects[&number];
        let dots = [(b".".to_vec(), number), (b"..".to_vec(), object.above)];
        let all = dots.into_iter().chain(object.entries.clone());
        let listed = all.enumerate().map(|(place, (name, number))| Listed {
            name: name.into(),
            number,
            kind: (self.objects.get(&number).map_or(0, |o| o.mode & abi::S_IFMT) >> 12) as u8,
            next: place as u64 + 1,
        });
        listed.filter(|entry| entry.next > from).take(3).collect()
    }

    fn set(&mut self, number: u64, change: &Change) {
        let object = self.objects.get_mut(&number).unwrap();
        if let Some(permissions) = change.permissions {
            object.mode = object.mode & abi::S_IFMT | permissions;
        }
        object.user = change.user.unwrap_or(object.user);
        object.group = change.group.unwrap_or(object.group);
        let times = [change.accessed, change.modified, change.changed];
        for (time, new) in object.times.iter_mut().zip(times) {
            *time = new.unwrap_or(*time);
        }
    }

    fn is_directory(&self, number: u64) -> bool {
        self.objects[&number].mode & abi::S_IFMT == abi::S_IFDIR
    }

    fn put(&mut self, dir: u64, name: &[u8], number: u64) {
        let dots = self.is_directory(number);
        let above = self.objects.get_mut(&dir).unwrap();
        above.entries.insert(name.to_vec(), number);
        above.links += u32::from(dots);
        self.objects.get_mut(&number).unwrap().above = dir;
    }

    fn take(&mut self, dir: u64, name: &[u8]) -> Option<u64> {
        let number = self.objects.get_mut(&dir).unwrap().entries.remove(name)?;
        let dots = self.is_directory(number);
        self.objects.get_mut(&dir).unwrap().links -= u32::from(dots);
        Some(number)
    }

    fn lose(&mut self, number: u64) {
        let dots = self.is_directory(number);
        let object = self.objects.get_mut(&number).unwrap();
        object.links = if dots { 0 } else { object.links - 1 };
    }

    fn change(&mut self, ask: &Ask) -> Result<Told, Errno> {
        match ask {
            Ask::Create(create) => {
                assert!(!self.objects[&create.at.number].entries.contains_key(&create.name[..]));
                self.last += 1;
                let mut made = self.fresh(create.mode, create.now);
                made.links = if create.mode & abi::S_IFMT == abi::S_IFDIR { 2 } else { 1 };
                made.group = create.group;
                made.device = create.device;
                made.target = create.target.clone().unwrap_or_default();
                if create.is_nameless() {
                    made.links = 0;
                }
                self.objects.insert(self.last, made);
                if !create.is_nameless() {
                    self.put(create.at.number, &create.name, self.last);
                }
                Ok(Told::Object(self.known(self.last)))
            }
            Ask::Link(link) => {
                self.put(link.at.number, &link.name, link.object.number);
                self.objects.get_mut(&link.object.number).unwrap().links += 1;
                Ok(Told::Done)
            }
            Ask::Unlink(unlink) => {
                let object = unlink.object.number;
                assert_eq!(self.is_directory(object), unlink.directory);
                if !self.objects[&object].entries.is_empty() {
                    return Err(Errno::ENOTEMPTY);
                }
                assert_eq!(self.take(unlink.at.number, &unlink.name), Some(object));
                self.lose(object);
                Ok(Told::Done)
            }
            Ask::Rename(rename) => {
                let (from, to) = (rename.from.number, rename.to.number);
                let other = self.objects[&to].entries.get(&rename.new[..]).copied();
                if let Some(other) = other.filter(|_| !rename.exchange)
                    && !self.objects[&other].entries.is_empty()
                {
                    return Err(Errno::ENOTEMPTY);
                }
                let source = self.take(from, &rename.old).unwrap();
                let target = self.take(to, &rename.new);
                self.put(to, &rename.new, source);
                match target {
                    Some(target) if rename.exchange => self.put(from, &rename.old, target),
                    Some(target) => self.lose(target),
                    None => {}
                }
                Ok(Told::Done)
            }
            _ => Err(Errno::ENOSYS),
        }
    }
}
