//! The tools of e2fsprogs: who makes images, and who judges them.

use std::format;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::string::{String, ToString as _};
use std::vec::Vec;

use tempfile::TempDir;

fn tool(name: &str, arguments: &[&str]) -> Output {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new(name).args(arguments).env("PATH", path).output();
    output.unwrap_or_else(|error| {
        panic!("cannot start {name}: {error}; on Debian: sudo apt-get install e2fsprogs")
    })
}

fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}

/// A new image, of so many blocks, made with these options.
pub fn image(options: &[&str], blocks: u32) -> Vec<u8> {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("image");
    let path = file.to_string_lossy().into_owned();
    let count = blocks.to_string();
    let mut arguments = std::vec!["-q", "-F", "-t", "ext2"];
    arguments.extend_from_slice(options);
    arguments.extend_from_slice(&[&path, &count]);
    let output = tool("mke2fs", &arguments);
    assert!(output.status.success(), "mke2fs {arguments:?}: {}", said(&output));
    fs::read(&file).expect("the image")
}

/// What a tool says of an image, and the image afterwards.
fn with_image(bytes: &[u8], run: impl FnOnce(&Path) -> Output) -> (Output, Vec<u8>) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("image");
    fs::write(&file, bytes).expect("the image");
    let output = run(&file);
    (output, fs::read(&file).expect("the image"))
}

/// `e2fsck -fn` finds nothing.
pub fn assert_clean(bytes: &[u8], when: &str) {
    let (output, _) = with_image(bytes, |file| tool("e2fsck", &["-fn", &file.to_string_lossy()]));
    let told = said(&output);
    assert!(output.status.success(), "{when}: e2fsck -fn: {told}");
}

/// `e2fsck -p` mends it: the image afterwards, or what it said.
pub fn preen(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let (output, after) =
        with_image(bytes, |file| tool("e2fsck", &["-fp", &file.to_string_lossy()]));
    match output.status.code() {
        Some(0 | 1) => Ok(after),
        code => Err(format!("e2fsck -fp ended with {code:?}: {}", said(&output))),
    }
}

/// What `debugfs` answers to a request.
pub fn debugfs(bytes: &[u8], request: &str) -> String {
    let (output, _) =
        with_image(bytes, |file| tool("debugfs", &["-R", request, &file.to_string_lossy()]));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
