//! Programs: what file calls do with files, as the kernel's will.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use vortex_abi::Errno;
use vortex_grid::{At, Context, Continuation, Labels, Outcome, Port, Resource, Trigger};
use vortex_storage::VolumeId;
use vortex_units::ActivityId;

use super::ram::Frame;
use super::world::Mail;
use crate::{
    Answer, CacheReply, CacheRequest, CachedFile, Caller, Ext2Reply, Ext2Request, MountId,
    Operation, PAGE, PageFrame, PageName, Showing, Shown, Wiring,
};

pub type File = Arc<CachedFile<Frame>>;

/// What a program asks for.
pub struct Ask {
    pub number: usize,
    pub what: Do,
    pub done: usize,
    pub data: Vec<u8>,
}

#[derive(Clone)]
pub enum Do {
    Read {
        file: File,
        at: u64,
        bytes: usize,
    },
    Write {
        file: File,
        at: u64,
        bytes: Vec<u8>,
    },
    Truncate(File, u64),
    Prepare(File, u64, u64),
    Sync(File, bool),
    SyncAll(Option<MountId>),
    Unmount(MountId),
    Evict(File),
    EvictPages(File, u32, u32),
    EvictActivity(ActivityId),
    Release(File),
    Reclaim(PageName),
    /// By a mapping: no further than the page goes.
    MapWrite {
        file: File,
        at: u64,
        bytes: Vec<u8>,
    },
    /// A page that is mapped is to be there.
    Touch(File, u32),
    /// Pages are to be shown no more.
    Take(File, Shown),
    Ext2(MountId, Operation),
    Mount(VolumeId, bool),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    Bytes(Vec<u8>),
    Count(usize),
    Nothing,
    Given(bool),
    Answer(Answer),
}

pub type Results = Arc<Mutex<BTreeMap<usize, Result<Got, Errno>>>>;

/// The pages that programs are shown, to be written to.
pub type Maps = Arc<Mutex<BTreeMap<(u32, u32), Frame>>>;

pub struct Programs {
    pub wiring: Arc<Wiring<Mail, Frame>>,
    pub maps: Maps,
    pub results: Results,
}

type Cx<'a> = Context<'a, Mail>;
type Next = Outcome<Mail, Programs>;

impl Programs {
    fn finish(&self, number: usize, result: Result<Got, Errno>) -> Next {
        let before = self.results.lock().unwrap().insert(number, result);
        assert!(before.is_none(), "answered twice");
        Outcome::Done
    }

    fn ask(&self, ask: &Ask, request: CacheRequest<Frame>, cx: &mut Cx<'_>) -> Next {
        let port = self.wiring.ports.get().unwrap().cache;
        match cx.request(port, Labels::NONE, request) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<Heard>()),
            Err(_) => self.finish(ask.number, Err(Errno::ENOMEM)),
        }
    }

    fn step(&mut self, ask: &mut Ask, cx: &mut Cx<'_>) -> Next {
        match ask.what.clone() {
            Do::Read { file, at, bytes } => self.read(ask, &file, at, bytes, cx),
            Do::Write { file, at, bytes } => self.write(ask, &file, at, &bytes, cx),
            Do::Prepare(file, from, to) => self.ask(ask, CacheRequest::prepare(file, from, to), cx),
            Do::Truncate(file, size) => self.ask(ask, CacheRequest::truncate(file, size), cx),
            Do::Sync(file, data) => self.ask(ask, CacheRequest::sync(file, data), cx),
            Do::SyncAll(of) => self.ask(ask, CacheRequest::sync_all(of), cx),
            Do::Unmount(mount) => self.ask(ask, CacheRequest::unmount(mount), cx),
            Do::EvictPages(file, first, end) => {
                self.ask(ask, CacheRequest::evict(file, first, end), cx)
            }
            Do::Evict(file) => self.ask(ask, CacheRequest::evict(file, 0, u32::MAX), cx),
            Do::EvictActivity(who) => self.ask(ask, CacheRequest::evict_activity(who), cx),
            Do::Release(file) => self.ask(ask, CacheRequest::release(file), cx),
            Do::Reclaim(name) => self.ask(ask, CacheRequest::reclaim(name), cx),
            Do::MapWrite { file, at, bytes } => self.map_write(ask, &file, at, &bytes, cx),
            Do::Touch(file, page) => self.ask(ask, CacheRequest::fault(file, page, None), cx),
            Do::Take(file, what) => {
                let number = file.number();
                let gone = |page: u32| match &what {
                    Shown::Pages(pages) => pages.contains(&page),
                    Shown::From(from) => page >= *from,
                };
                let mut maps = self.maps.lock().unwrap();
                maps.retain(|(of, page), _| *of != number || !gone(*page));
                if let Shown::Pages(pages) = &what {
                    pages.iter().for_each(|page| file.let_go(*page));
                }
                Outcome::Reply(())
            }
            what @ (Do::Ext2(..) | Do::Mount(..)) => {
                let port = self.wiring.ports.get().unwrap().ext2;
                let request = match what {
                    Do::Mount(volume, read_only) => Ext2Request::mount(volume, read_only),
                    Do::Ext2(mount, operation) => {
                        Ext2Request::operate(mount, Caller::default(), operation)
                    }
                    _ => unreachable!(),
                };
                let trigger = cx.request(port, Labels::NONE, request).unwrap();
                Outcome::Pending(trigger, At::routine::<HeardExt2>())
            }
        }
    }

    fn read(&mut self, ask: &mut Ask, file: &File, at: u64, bytes: usize, cx: &mut Cx<'_>) -> Next {
        let from = at + ask.done as u64;
        let data = &mut ask.data;
        let reading = file.read(from, bytes - ask.done, &mut |frame, within, count| {
            let mut part = vec![0; count];
            assert_eq!(frame.read(within, &mut part), count);
            data.extend(part);
            count
        });
        ask.done += reading.bytes;
        if let Some(page) = reading.ahead {
            let port = self.wiring.ports.get().unwrap().cache;
            let _ = cx.send(port, Labels::NONE, CacheRequest::ahead(file.clone(), page));
        }
        let end = (at + bytes as u64).min(file.size());
        let from = at + ask.done as u64;
        if from >= end {
            return self.finish(ask.number, Ok(Got::Bytes(ask.data.clone())));
        }
        let (first, last) = ((from / PAGE as u64) as u32, end.div_ceil(PAGE as u64) as u32);
        match file.next_missing(first, last) {
            Some((first, count)) => {
                self.ask(ask, CacheRequest::fetch(file.clone(), first, count), cx)
            }
            None => Outcome::Continue(At::routine::<Again>()),
        }
    }

    fn write(
        &mut self,
        ask: &mut Ask,
        file: &File,
        at: u64,
        bytes: &[u8],
        cx: &mut Cx<'_>,
    ) -> Next {
        let mut done = ask.done;
        let (who, now) = (cx.activity(), cx.now());
        let start = at + done as u64;
        let count = file.write(who, now, start, bytes.len() - done, &mut |frame, within, count| {
            assert_eq!(frame.write(within, &bytes[done..done + count]), count);
            done += count;
            count
        });
        ask.done += count;
        assert_eq!(ask.done, done);
        if ask.done == bytes.len() {
            return self.finish(ask.number, Ok(Got::Count(ask.done)));
        }
        let (from, to) = (at + ask.done as u64, at + bytes.len() as u64);
        self.ask(ask, CacheRequest::prepare(file.clone(), from, to), cx)
    }

    /// As a processor does it, with the page's memory, once it has that.
    fn map_write(
        &mut self,
        ask: &mut Ask,
        file: &File,
        at: u64,
        bytes: &[u8],
        cx: &mut Cx<'_>,
    ) -> Next {
        let (page, within) = ((at / PAGE as u64) as u32, (at % PAGE as u64) as usize);
        if at >= file.size() {
            return self.finish(ask.number, Ok(Got::Count(0)));
        }
        let place = (file.number(), page);
        let known = self.maps.lock().unwrap().get(&place).cloned();
        let Some(frame) = known.or_else(|| file.hold(page, cx.activity())) else {
            return self.ask(ask, CacheRequest::map_write(file.clone(), page), cx);
        };
        let count = bytes.len().min(PAGE - within).min((file.size() - at) as usize);
        assert_eq!(frame.write(within, &bytes[..count]), count);
        self.maps.lock().unwrap().insert(place, frame);
        self.finish(ask.number, Ok(Got::Count(count)))
    }

    fn heard(&mut self, ask: &mut Ask, reply: CacheReply, cx: &mut Cx<'_>) -> Next {
        let moves = matches!(ask.what, Do::Read { .. } | Do::Write { .. } | Do::MapWrite { .. });
        match reply {
            CacheReply::Done(Ok(())) | CacheReply::Prepared(Ok(_)) if moves => self.step(ask, cx),
            CacheReply::Done(Ok(())) | CacheReply::Prepared(Ok(_)) => {
                self.finish(ask.number, Ok(Got::Nothing))
            }
            CacheReply::Done(Err(_)) | CacheReply::Prepared(Err(_)) if ask.done > 0 => {
                let got = match ask.what {
                    Do::Read { .. } => Got::Bytes(ask.data.clone()),
                    _ => Got::Count(ask.done),
                };
                self.finish(ask.number, Ok(got))
            }
            CacheReply::Done(Err(error)) | CacheReply::Prepared(Err(error)) => {
                self.finish(ask.number, Err(error))
            }
            CacheReply::Reclaimed(given) => self.finish(ask.number, Ok(Got::Given(given))),
        }
    }
}

impl Resource<Mail> for Programs {
    type Request = Box<Ask>;
    type Reply = ();
    const FAN_OUT: u32 = 2;

    fn handle(&mut self, ask: &mut Box<Ask>, cx: &mut Cx<'_>) -> Next {
        self.step(ask, cx)
    }
}

/// What programs are shown, as FCR knows of it.
pub struct Shows(pub Port<Programs>, pub Refuses);

/// How often those who show pages cannot be asked.
pub type Refuses = Arc<AtomicUsize>;

impl Showing<Mail, Frame> for Shows {
    fn take(&self, file: File, what: Shown, cx: &mut Cx<'_>) -> Option<Trigger> {
        let less = |refuses: usize| refuses.checked_sub(1);
        if self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return None;
        }
        let ask = Ask { number: usize::MAX, what: Do::Take(file, what), done: 0, data: Vec::new() };
        cx.request(self.0, Labels::NONE, Box::new(ask)).ok()
    }
}

struct Again;

impl Continuation<Mail, Programs> for Again {
    fn resume(programs: &mut Programs, ask: &mut Box<Ask>, cx: &mut Cx<'_>) -> Next {
        programs.step(ask, cx)
    }
}

struct Heard;

impl Continuation<Mail, Programs> for Heard {
    fn resume(programs: &mut Programs, ask: &mut Box<Ask>, cx: &mut Cx<'_>) -> Next {
        match cx.reply::<CacheReply>() {
            Ok(Some(reply)) => programs.heard(ask, reply, cx),
            Ok(None) => panic!("no reply"),
            Err(error) => panic!("{error:?}"),
        }
    }
}

struct HeardExt2;

impl Continuation<Mail, Programs> for HeardExt2 {
    fn resume(programs: &mut Programs, ask: &mut Box<Ask>, cx: &mut Cx<'_>) -> Next {
        match cx.reply::<Ext2Reply>() {
            Ok(Some(answer)) => programs.finish(ask.number, answer.map(Got::Answer)),
            other => panic!("{other:?}"),
        }
    }
}
