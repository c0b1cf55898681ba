//! What is in the machine's first root file system: what a Linux program expects, then what
//! `--root` and `--add` say, the configuration, and the services' programs with all that
//! they need.

use std::path::Path;

use vortex_config::{Config, Control, Restart, Service};

use super::CONFIG;
use super::served::Served;
use crate::args::Run;
use crate::failure::Failure;
use crate::home;
use crate::machine::image::{self, Content, GuestPath, Node, Programs, Tree};
use crate::machine::own;
use crate::running::Secret;

const BUSYBOX: &str = "/bin/busybox";
/// Who runs programs for the host, where that may give orders.
const RUNNER: &str = "/vortex/exec";
const SHELL: &str = "/bin/sh";

/// The tree; what is unpacked for it stays as long as `served` does.
pub fn tree(
    arguments: &Run,
    config_text: Vec<u8>,
    config: &Config,
    served: &mut Served,
    secret: Option<&Secret>,
) -> Result<Tree, Failure> {
    let mut tree = Tree::with_basics();
    if let Some(root) = &arguments.root {
        image::take(&mut tree, root, &GuestPath::root())?;
    }
    for addition in &arguments.add {
        image::take(&mut tree, &addition.host, &addition.guest)?;
    }
    let path = GuestPath::root().follow(CONFIG);
    tree.put(&path, Node::File(Content::Bytes(config_text), 0o644))?;
    if let Some(secret) = secret {
        let path = GuestPath::root().follow(Control::SECRET_FILE);
        let text = secret.text().as_bytes().to_vec();
        tree.put(&path, Node::File(Content::Bytes(text), 0o400))?;
    }
    for service in &config.services {
        for files in &service.files {
            let place = || Failure::NoPlace(files.at.clone());
            let to = GuestPath::new(&files.at).ok_or_else(place)?;
            served.take(&mut tree, &files.from, &to)?;
        }
    }
    add_shell(&mut tree, arguments)?;
    add_own(&mut tree, config, secret.map(|_| RUNNER))?;
    let mut programs = Programs::into(&mut tree);
    for service in &config.services {
        let activity = config.activities.get(service.activity.index());
        let activity = activity.map_or("?", |activity| activity.name.as_str());
        let line = service.place.line;
        let whose = format!("the service of activity '{activity}' (line {line})");
        for program in programs_of(service) {
            programs.add(program, &whose)?;
        }
    }
    for addition in &arguments.add {
        if addition.host.is_file() {
            programs.add(addition.guest.as_str(), "--add")?;
        }
    }
    programs.finish()?;
    name_applets(&mut tree)?;
    Ok(tree)
}

/// A shell that is asked for alone is busybox's, which brings the other commands with it.
fn add_shell(tree: &mut Tree, arguments: &Run) -> Result<(), Failure> {
    let shell = GuestPath::root().follow(SHELL);
    let asked = arguments.program.first().is_some_and(|program| program == SHELL);
    if asked && Path::new(BUSYBOX).is_file() && tree.find(&shell).is_none() {
        image::take(tree, Path::new(BUSYBOX), &GuestPath::root().follow(BUSYBOX))?;
        tree.put(&shell, Node::Link(BUSYBOX.into()))?;
    }
    Ok(())
}

/// What a service starts: its program, and who begins it again.
fn programs_of(service: &Service) -> impl Iterator<Item = &str> {
    let keeper = (service.restart != Restart::Never).then_some(Restart::KEEPER);
    keeper.into_iter().chain([service.program.as_str()])
}

/// The programs that this repository has itself.
fn add_own(tree: &mut Tree, config: &Config, more: Option<&str>) -> Result<(), Failure> {
    let paths: Vec<_> = config
        .services
        .iter()
        .flat_map(programs_of)
        .chain(more)
        .filter_map(|program| Some((program, own::name(program)?)))
        .collect();
    if paths.is_empty() {
        return Ok(());
    }
    let folder = own::build(&home::root()?)?;
    for (path, name) in paths {
        let path = GuestPath::root().follow(path);
        if tree.find(&path).is_none() {
            tree.put(&path, Node::File(Content::Host(folder.join(name)), 0o755))?;
        }
    }
    Ok(())
}

/// Where the host's busybox is in the tree: its other names, as far as nothing has them.
fn name_applets(tree: &mut Tree) -> Result<(), Failure> {
    let busybox = GuestPath::root().follow(BUSYBOX);
    let ours = Node::File(Content::Host(BUSYBOX.into()), 0o755);
    if !tree.find(&busybox).is_some_and(|(_, node)| *node == ours) || !Path::new(BUSYBOX).is_file()
    {
        return Ok(());
    }
    let names = home::output(std::process::Command::new(BUSYBOX).arg("--list-full"))?;
    for name in names.lines() {
        let path = GuestPath::root().follow(&format!("/{name}"));
        if tree.find(&path).is_none() {
            tree.put(&path, Node::Link(BUSYBOX.into()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applets_are_named_only_for_the_hosts_busybox() {
        let mut tree = Tree::new();
        let busybox = GuestPath::root().follow(BUSYBOX);
        let other = Node::File(Content::Bytes("other".into()), 0o755);
        tree.put(&busybox, other).unwrap();
        let before = tree.entries().count();
        name_applets(&mut tree).unwrap();
        assert_eq!(tree.entries().count(), before);
    }
}
