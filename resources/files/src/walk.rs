//! From a path to what it names.
//!
//! The walk keeps the texts still to be read on a stack: the path, and on top of it the
//! symbolic links met. It is bounded by 40 links, by `PATH_MAX` for each text, and by
//! [`MOST_STEPS`] components in all, which only a maze of links can reach.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;

use crate::Errno;
use crate::caller::Caller;
use crate::directory::Name;
use crate::inode::Body;
use crate::node::{At, Fd, Node};
use crate::proc::ProcKind;
use crate::root::Root;
use crate::walks::Begin;

/// The longest name.
pub(crate) const NAME_MAX: usize = abi::NAME_MAX as usize;
/// The longest path, with its terminating zero.
pub(crate) const PATH_MAX: usize = abi::PATH_MAX as usize;
const MOST_LINKS: u32 = 40;
/// The components of a path, those of its links included, beyond which it is `ELOOP`.
const MOST_STEPS: u32 = 4096;

/// What becomes of a symbolic link at the end of the path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// It is followed.
    Follow,
    /// It is what is meant, unless a slash follows it.
    Keep,
    /// It is what is meant: the caller makes or removes the name.
    Name,
    /// It may be followed, but a slash at the end is `EISDIR`: the caller makes a file.
    Create { follow: bool },
}

/// The last component of a path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Last {
    Name(Name),
    /// A name longer than any may be, which only [`Tail::Name`] finds: there is an order
    /// among the errors of two paths.
    TooLong,
    Dot,
    DotDot,
    /// No component: the topmost directory, or where a link of `/proc` jumped to.
    Top,
}

/// Where a path led.
#[derive(Clone)]
pub(crate) struct Found {
    /// The directory of the last component.
    pub parent: Node,
    pub last: Last,
    pub target: Option<Node>,
    /// A slash follows the last component.
    pub slash: bool,
}

struct Text<'a> {
    bytes: Cow<'a, [u8]>,
    at: usize,
}

impl Text<'_> {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Steps over slashes; whether there were any.
    fn skip_slashes(&mut self) -> bool {
        let count = self.rest().iter().take_while(|&&byte| byte == b'/').count();
        self.at = self.at.saturating_add(count);
        count > 0
    }

    fn component(&mut self) -> Component {
        let name = self.rest().split(|&byte| byte == b'/').next().unwrap_or_default();
        let mut component = Component { bytes: [0; NAME_MAX], length: name.len() };
        if let Some(whole) = component.bytes.get_mut(..name.len()) {
            whole.copy_from_slice(name);
        }
        self.at = self.at.saturating_add(component.length);
        component
    }
}

/// A component, apart from the text that it stood in; one that is too long has only its
/// length.
struct Component {
    bytes: [u8; NAME_MAX],
    length: usize,
}

impl Component {
    fn name(&self) -> Result<&[u8], Errno> {
        self.bytes.get(..self.length).ok_or(Errno::ENAMETOOLONG)
    }
}

impl<'a> Text<'a> {
    fn owned(self) -> Text<'static> {
        Text { bytes: Cow::Owned(self.bytes.into_owned()), at: self.at }
    }
}

/// How far a walk has come.
pub(crate) struct Progress {
    here: Node,
    texts: Vec<Text<'static>>,
    slash: bool,
    links: u32,
    last: Last,
    steps: u32,
}

/// What came of a walk, or where it is to go on.
enum Walked {
    To(Found),
    Half(Progress),
}

impl Root {
    /// What a path names; nothing there is `ENOENT`.
    pub(crate) fn find(&self, caller: &Caller, at: At, tail: Tail) -> Result<Node, Errno> {
        self.walk(caller, at, tail)?.target.ok_or(Errno::ENOENT)
    }

    /// What the path names, with the flags `AT_EMPTY_PATH` and `AT_SYMLINK_NOFOLLOW`.
    pub(crate) fn locate(&self, caller: &Caller, at: At, flags: u32) -> Result<Node, Errno> {
        if at.path.is_empty() && flags & abi::AT_EMPTY_PATH != 0 {
            return self.start(caller, at.dir);
        }
        let keep = flags & abi::AT_SYMLINK_NOFOLLOW != 0;
        self.find(caller, at, if keep { Tail::Keep } else { Tail::Follow })
    }

    /// What a descriptor, or the current directory, refers to.
    pub(crate) fn start(&self, caller: &Caller, dir: Fd) -> Result<Node, Errno> {
        if dir == Fd::CWD {
            return Ok(caller.place.cwd().clone());
        }
        Ok(self.description(caller.table.get(dir)?)?.node.clone())
    }

    /// Walks. Where the caller's walks say that it is enough for one run, or that a disk is to
    /// be asked, the error means nothing: the call is made again.
    pub(crate) fn walk(&self, caller: &Caller, at: At, tail: Tail) -> Result<Found, Errno> {
        let begin = caller.walks.and_then(|walks| Some(walks.try_borrow_mut().ok()?.next()));
        let (from, again) = match begin {
            Some(Begin::Not(found)) if self.is_still(&found) => return Ok(found),
            Some(Begin::From(progress)) if self.is_there(&progress.here) => (Some(progress), true),
            _ => (None, false),
        };
        let walked = self.go_on(caller, at, tail, from)?;
        let walks = caller.walks.and_then(|walks| walks.try_borrow_mut().ok());
        match (walked, walks) {
            (Walked::To(found), Some(mut walks)) => {
                if again {
                    walks.done(&found);
                }
                Ok(found)
            }
            (Walked::To(found), None) => Ok(found),
            (Walked::Half(progress), walks) => {
                if let Some(mut walks) = walks {
                    walks.keep(progress);
                }
                Err(Errno::EAGAIN)
            }
        }
    }

    fn go_on(
        &self,
        caller: &Caller,
        at: At,
        tail: Tail,
        from: Option<Progress>,
    ) -> Result<Walked, Errno> {
        let (mut here, mut texts, mut slash, mut links, mut last, begun) = match from {
            Some(Progress { here, texts, slash, links, last, steps }) => {
                let texts: Vec<Text<'_>> = texts;
                (here, texts, slash, links, last, steps)
            }
            None => {
                if at.path.len() >= PATH_MAX {
                    return Err(Errno::ENAMETOOLONG);
                }
                let here = match at.path.first() {
                    None => return Err(Errno::ENOENT),
                    Some(b'/') => self.top(),
                    Some(_) => self.start(caller, at.dir)?,
                };
                let texts = Vec::from([Text { bytes: Cow::Borrowed(at.path), at: 0 }]);
                (here, texts, false, 0_u32, Last::Top, 0)
            }
        };
        let to = |found| Ok(Walked::To(found));
        for steps in begun..MOST_STEPS {
            if let Some(walks) = caller.walks
                && let Ok(mut walks) = walks.try_borrow_mut()
                && !walks.step()
            {
                walks.again();
                let texts = texts.into_iter().map(Text::owned).collect();
                return Ok(Walked::Half(Progress { here, texts, slash, links, last, steps }));
            }
            if !self.is_directory(caller, &here) {
                return Err(Errno::ENOTDIR);
            }
            let Some(component) = next_component(&mut texts) else {
                return to(Found { parent: here.clone(), last, target: Some(here), slash });
            };
            if let Ok(name @ (b"." | b"..")) = component.name() {
                if name.len() == 2 {
                    here = self.parent(&here)?;
                }
                last = if name.len() == 2 { Last::DotDot } else { Last::Dot };
                continue;
            }
            let is_last = ends(&mut texts, &mut slash);
            if is_last && slash && matches!(tail, Tail::Create { .. }) {
                return Err(Errno::EISDIR);
            }
            let name = match component.name() {
                Ok(name) => name,
                Err(_) if is_last && tail == Tail::Name => {
                    let last = Last::TooLong;
                    return to(Found { parent: here, last, target: None, slash });
                }
                Err(error) => return Err(error),
            };
            let target = match self.child(caller, &here, name) {
                Err(_) if caller.stops() => {
                    // The component is looked up again.
                    let mut texts: Vec<_> = texts.into_iter().map(Text::owned).collect();
                    texts.push(Text { bytes: Cow::Owned(name.to_vec()), at: 0 });
                    return Ok(Walked::Half(Progress { here, texts, slash, links, last, steps }));
                }
                child => child?,
            };
            let Some(node) = target else {
                if is_last {
                    return to(Found {
                        parent: here,
                        last: Last::Name(name.into()),
                        target,
                        slash,
                    });
                }
                return Err(Errno::ENOENT);
            };
            let follow = match tail {
                _ if !is_last => true,
                Tail::Follow => true,
                Tail::Create { follow } => follow,
                Tail::Keep => slash,
                Tail::Name => false,
            };
            match if follow { self.link(caller, &node)? } else { None } {
                Some(link) => {
                    links = links.saturating_add(1);
                    if links > MOST_LINKS {
                        return Err(Errno::ELOOP);
                    }
                    last = Last::Top;
                    if let Some(jump) = link.jump {
                        if is_last && !slash {
                            return to(Found { parent: here, last, target: Some(jump), slash });
                        }
                        here = jump;
                    } else {
                        match link.text.first() {
                            None => return Err(Errno::ENOENT),
                            Some(b'/') => here = self.top(),
                            Some(_) => {}
                        }
                        texts.push(Text { bytes: link.text, at: 0 });
                    }
                }
                None if is_last => {
                    let whole = tail == Tail::Name || !slash || self.is_directory(caller, &node);
                    let found = Found {
                        parent: here,
                        last: Last::Name(name.into()),
                        target: Some(node),
                        slash,
                    };
                    return if whole { to(found) } else { Err(Errno::ENOTDIR) };
                }
                None => here = node,
            }
        }
        Err(Errno::ELOOP)
    }

    /// The entry of a directory with this name.
    fn child(&self, caller: &Caller, dir: &Node, name: &[u8]) -> Result<Option<Node>, Errno> {
        match dir {
            Node::Inode(id) => self.entry(caller, *id, name),
            Node::Proc(path) => {
                let path = join(path, name);
                Ok(caller.proc.entry(&path).map(|_| Node::Proc(path)))
            }
        }
    }

    /// Whether an object is still there. Only copies of what is on a disk can go unasked.
    fn is_there(&self, node: &Node) -> bool {
        !matches!(node, Node::Inode(id) if self.has_mounts() && self.inode(*id).is_err())
    }

    fn is_still(&self, found: &Found) -> bool {
        self.is_there(&found.parent)
            && found.target.as_ref().is_none_or(|target| self.is_there(target))
    }

    /// An object, or what is mounted on it.
    pub(crate) fn node_of(&self, id: crate::InodeId) -> Node {
        if self.proc_at == Some(id) {
            return Node::Proc(Arc::from(&b""[..]));
        }
        Node::Inode(self.mounts.over(id).unwrap_or(id))
    }

    /// The directory above a directory.
    pub(crate) fn parent(&self, node: &Node) -> Result<Node, Errno> {
        match node {
            Node::Inode(id) => {
                let directory = self.inode(*id)?.directory().ok_or(Errno::ENOTDIR)?;
                let above = directory.parent;
                // What covers the topmost directory is above its other children, too.
                Ok(if above == self.top { self.top() } else { Node::Inode(above) })
            }
            Node::Proc(path) if path.is_empty() => {
                self.parent(&Node::Inode(self.proc_at.ok_or(Errno::ENOENT)?))
            }
            Node::Proc(path) => {
                let cut = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                Ok(Node::Proc(Arc::from(path.get(..cut).unwrap_or_default())))
            }
        }
    }

    pub(crate) fn is_directory(&self, caller: &Caller, node: &Node) -> bool {
        match node {
            Node::Inode(id) => self.inode(*id).is_ok_and(crate::inode::Inode::is_directory),
            Node::Proc(path) => {
                caller.proc.entry(path).is_some_and(|entry| entry.kind == ProcKind::Directory)
            }
        }
    }

    /// Where a node leads, if it is a symbolic link.
    pub(crate) fn link(&self, caller: &Caller, node: &Node) -> Result<Option<Link<'_>>, Errno> {
        match node {
            Node::Inode(id) => Ok(match &self.inode(*id)?.body {
                Body::Link(text) => Some(Link { text: Cow::Borrowed(text), jump: None }),
                _ => None,
            }),
            Node::Proc(path) => match caller.proc.entry(path) {
                Some(entry) if entry.kind == ProcKind::Link => {
                    if let Some(open) = caller.proc.open(path) {
                        let text = Cow::Owned(self.path_of_open(open)?);
                        return Ok(Some(Link { text, jump: Some(self.node(open)?) }));
                    }
                    let link = caller.proc.link(path).ok_or(Errno::ENOENT)?;
                    let text = match &link.target {
                        Some(target) if link.text.is_empty() => self.path_of(target)?,
                        _ => link.text,
                    };
                    Ok(Some(Link { text: Cow::Owned(text), jump: link.target }))
                }
                _ => Ok(None),
            },
        }
    }
}

/// Where a symbolic link leads.
pub(crate) struct Link<'a> {
    pub text: Cow<'a, [u8]>,
    pub jump: Option<Node>,
}

/// A path below `/proc`, one component longer.
pub(crate) fn join(path: &[u8], name: &[u8]) -> Arc<[u8]> {
    let mut joined = Vec::from(path);
    if !path.is_empty() {
        joined.push(b'/');
    }
    joined.extend_from_slice(name);
    Arc::from(joined)
}

fn next_component(texts: &mut Vec<Text>) -> Option<Component> {
    while let Some(text) = texts.last_mut() {
        text.skip_slashes();
        if text.rest().is_empty() {
            texts.pop();
        } else {
            return Some(text.component());
        }
    }
    None
}

/// Whether nothing but slashes is left; if so, notes whether there are any.
fn ends(texts: &mut Vec<Text>, slash: &mut bool) -> bool {
    let mut some = *slash;
    while let Some(text) = texts.last_mut() {
        some |= text.skip_slashes();
        if !text.rest().is_empty() {
            return false;
        }
        texts.pop();
    }
    *slash = some;
    true
}
