//! Beginning a service: a process without a parent.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

use spin::Mutex;
use vortex_abi::Errno;
use vortex_grid::{At, Continuation, Labels, Outcome};
use vortex_machine::UserContext;
use vortex_units::{ActivityId, Cycles};

use super::cpu_timers::CpuTimers;
use super::executing::errno;
use super::limits::PROCESS;
use super::processes::{Pid, Process, ThreadState};
use super::records::Record;
use super::request::ProcessRequest;
use super::resource::{Cx, Next, Processes};
use super::rlimits::Rlimits;
use super::seat::Seat;
use super::signals::{Actions, Pending};
use super::thread::Thread;
use super::threads::ThreadReady;
use crate::bill::{Charged, ObjectKind};
use crate::files::{FileRequest, FilesId, Image};
use crate::memory::{AddressSpace, Loading, Program, Words, interpreter};
use crate::quota::Quota;
use crate::{Answer, Mail};

/// A program to be begun as a service.
pub struct Start {
    /// Its path.
    pub path: Vec<u8>,
    /// Its arguments, its name first.
    pub arguments: Vec<Vec<u8>>,
    /// Its environment.
    pub environment: Vec<Vec<u8>>,
    /// What is kept of it is on its activity's bill.
    pub(super) bill: Option<Arc<Charged>>,
    pub(super) files: Option<FilesId>,
    /// The program, while the interpreter that it wants to be loaded by is asked for.
    pub(super) program: Option<Box<Image>>,
    /// It, while its stack is being written; and its file, which nobody may write meanwhile.
    pub(super) loading: Option<(Box<Loading>, Option<Arc<()>>)>,
}

impl Start {
    /// A service's program.
    #[must_use]
    pub fn new(path: Vec<u8>, arguments: Vec<Vec<u8>>, environment: Vec<Vec<u8>>) -> Self {
        Self { path, arguments, environment, bill: None, files: None, program: None, loading: None }
    }
}

struct HasFiles;

impl Continuation<Mail, Processes> for HasFiles {
    fn resume(processes: &mut Processes, request: &mut ProcessRequest, cx: &mut Cx<'_>) -> Next {
        let ProcessRequest::Start(start) = request else { return Outcome::Done };
        match cx.reply::<Answer>() {
            Ok(Some(Answer::Files(Ok(files)))) => start.files = Some(files),
            _ => return processes.not_started(start, Errno::ENOMEM),
        }
        let path = start.path.clone();
        processes.ask_for(start, path, cx)
    }
}

struct HasImage;

impl Continuation<Mail, Processes> for HasImage {
    fn resume(processes: &mut Processes, request: &mut ProcessRequest, cx: &mut Cx<'_>) -> Next {
        let ProcessRequest::Start(start) = request else { return Outcome::Done };
        let image = match cx.reply::<Answer>() {
            Ok(Some(Answer::Image(Ok(image)))) => image,
            Ok(Some(Answer::Image(Err(error)))) => return processes.not_started(start, error),
            _ => return processes.not_started(start, Errno::EIO),
        };
        let (mut image, loader) = match start.program.take() {
            Some(program) => (program, Some(*image)),
            None => match interpreter(&image) {
                Err(error) => return processes.not_started(start, errno(error)),
                Ok(None) => (image, None),
                Ok(Some(path)) => {
                    start.program = Some(image);
                    return processes.ask_for(start, path, cx);
                }
            },
        };
        let running = image.running.take();
        let owner = cx.activity();
        let (image, loader) = (Arc::new(*image), loader.map(Arc::new));
        let loading = Words::of(&start.arguments, &start.environment)
            .and_then(|mut words| {
                processes.load((&image, loader.as_ref()), &mut words, owner, None)
            })
            .map_err(errno);
        match loading {
            Ok(loading) => {
                start.loading = Some((Box::new(loading), running));
                Outcome::Continue(At::routine::<Filled>())
            }
            Err(error) => processes.not_started(start, error),
        }
    }
}

/// More of the stack is to be written.
struct Filled;

impl Continuation<Mail, Processes> for Filled {
    fn resume(processes: &mut Processes, request: &mut ProcessRequest, cx: &mut Cx<'_>) -> Next {
        let ProcessRequest::Start(start) = request else { return Outcome::Done };
        let Some((loading, running)) = &mut start.loading else { return Outcome::Done };
        let program = match loading.go_on() {
            Ok(None) => return Outcome::Continue(At::routine::<Filled>()),
            Ok(Some(program)) => program,
            Err(error) => {
                processes.give_back(loading.space(), cx);
                return processes.not_started(start, errno(error));
            }
        };
        let running = running.take();
        let Some(files) = start.files else { return Outcome::Done };
        let pid = processes.number();
        let name = (base_name(&start.path), start.path.clone());
        let own = match processes.thread_resource(cx.activity(), cx) {
            Ok(own) => own,
            Err(error) => return processes.not_started(start, error),
        };
        let space = program.space.clone();
        if let Err(error) = processes.bill_mappings(&space, cx.activity()) {
            cx.remove(own);
            return processes.not_started(start, error);
        }
        let process = processes.new_process(
            (pid, Seat::new(cx.activity(), own)),
            (Pid(0), pid.0),
            cx.activity(),
            space,
            files,
            name,
        );
        let process = Process { began: cx.now(), running: Mutex::new(running), ..process };
        match processes.begin(Arc::new(process), &program, cx) {
            Ok(()) => Outcome::Done,
            Err(error) => {
                processes.records.remove(pid);
                cx.remove(own);
                processes.not_started(start, error)
            }
        }
    }
}

/// The last part of a path.
pub(super) fn base_name(path: &[u8]) -> Vec<u8> {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    name.get(..name.len().min(15)).unwrap_or_default().into()
}

impl Processes {
    /// A process without threads.
    pub(super) fn new_process(
        &self,
        (pid, seat): (Pid, Arc<Seat>),
        (parent, group): (Pid, i32),
        activity: ActivityId,
        space: Arc<AddressSpace>,
        files: FilesId,
        program: (Vec<u8>, Vec<u8>),
    ) -> Process {
        space.users.fetch_add(1, Ordering::AcqRel);
        let allowance = self.system.allowance(activity);
        let signals = allowance.map_or_else(|| Quota::new(None), |all| all.signals.clone());
        let all_threads = allowance.map_or_else(Arc::default, |all| all.threads.clone());
        Process {
            signals,
            all_threads,
            pid,
            activity,
            own: seat.port,
            base: seat.activity,
            seat,
            homes: Mutex::new(Vec::new()),
            parent: AtomicI32::new(parent.0),
            group: AtomicI32::new(group),
            space: Mutex::new(space),
            files,
            threads: Mutex::default(),
            count: AtomicU32::new(0),
            ending: AtomicBool::new(false),
            told: AtomicBool::new(false),
            status: AtomicI32::new(0),
            program: Mutex::new(program),
            actions: Mutex::new(Actions::default()),
            pending: Mutex::new(Pending::default()),
            stop: Mutex::new(None),
            used: AtomicU64::new(0),
            used_by_children: AtomicU64::new(0),
            session: AtomicI32::new(group),
            limits: Rlimits::default(),
            timers: CpuTimers::default(),
            nice: AtomicI32::new(0),
            began: Cycles::ZERO,
            operates: AtomicBool::new(false),
            reads_signals: AtomicBool::new(false),
            running: Mutex::new(None),
            personality: AtomicU32::new(0),
            bill: Charged::there(activity, ObjectKind::Process, PROCESS),
        }
    }

    /// A program's regions are on its activity's bill from now on.
    ///
    /// # Errors
    /// `ENOMEM` if there are too many.
    pub(super) fn bill_mappings(
        &self,
        space: &AddressSpace,
        activity: ActivityId,
    ) -> Result<(), Errno> {
        match self.system.allowance(activity) {
            Some(all) if !space.bill_mappings(all.mappings.clone()) => Err(Errno::ENOMEM),
            _ => Ok(()),
        }
    }

    pub(super) fn start(&mut self, start: &Start, cx: &mut Cx<'_>) -> Next {
        let Some(ports) = self.system.ports.get() else { return Outcome::Done };
        match cx.request(ports.files, Labels::NONE, FileRequest::New) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<HasFiles>()),
            Err(_) => self.not_started(start, Errno::EAGAIN),
        }
    }

    fn ask_for(&mut self, start: &Start, path: Vec<u8>, cx: &mut Cx<'_>) -> Next {
        let Some(ports) = self.system.ports.get() else { return Outcome::Done };
        let Some(files) = start.files else { return Outcome::Done };
        match cx.request(
            ports.files,
            Labels::NONE,
            FileRequest::Image { files, process: None, path, walks: Box::default(), open: None },
        ) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<HasImage>()),
            Err(_) => self.not_started(start, Errno::EAGAIN),
        }
    }

    /// A service that cannot be started is said on the console.
    fn not_started(&mut self, start: &Start, error: Errno) -> Next {
        let path = alloc::string::String::from_utf8_lossy(&start.path);
        let text = alloc::format!("vortex: {path} cannot be started: {error:?}\r\n");
        vortex_machine::console_write(text.as_bytes());
        self.system.processes.fetch_sub(1, Ordering::AcqRel);
        Outcome::Done
    }

    fn begin(
        &mut self,
        process: Arc<Process>,
        program: &Program,
        cx: &mut Cx<'_>,
    ) -> Result<(), Errno> {
        let context = UserContext::new(program.entry, program.stack).ok_or(Errno::ENOMEM)?;
        let seat = process.seat.clone();
        let state = ThreadState::new(process.pid, process.clone(), seat.clone());
        let thread = Thread::new(state, seat, context);
        let record = Record::new(process.clone(), Pid(0), None);
        self.records.insert(process.pid, record);
        self.system.registry.add(process.clone());
        self.ready(thread, cx)
    }

    /// Lets a new thread run.
    pub(super) fn ready(
        &mut self,
        thread: alloc::boxed::Box<Thread>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Errno> {
        let (activity, port) = (thread.seat.activity, thread.seat.port);
        let state = thread.state.clone();
        let labels = Labels::affinity(state.tid.0 as u64);
        cx.send_within(activity, port, labels, ThreadReady::new(thread))
            .map_err(|_| Errno::EAGAIN)?;
        self.threads.insert(state.tid, state);
        Ok(())
    }
}
