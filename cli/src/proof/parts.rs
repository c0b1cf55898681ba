//! The parts of the proof, in the order in which they run: what fails fast comes first.

use super::{
    Extent, Part, Program, Work, aio, boot, booted, bus, cpython, files, fuzz, hosting, images,
    live, machines, miri, models, network, policies, readme, runs, services, stack, storage,
    syscalls,
};
use crate::commands::{
    attacks, budgets, cost, filling, ledger, neighbours, pressure, subactivities,
};

/// The crates that are compiled into the kernel unchanged.
const KERNEL_CRATES: &[&str] = &[
    "vortex-units",
    "vortex-queues",
    "vortex-grid",
    "vortex-schedulers",
    "vortex-config",
    "vortex-memory",
    "vortex-tables",
    "vortex-assembly",
    "vortex-files",
    "vortex-storage",
    "vortex-network",
    "vortex-ext2",
    "vortex-fs",
    "vortex-virtio",
];

/// The kernel itself, and the machine, are for the bare machine only.
const WITHOUT_KERNEL: [&str; 4] = ["--exclude", "vortex-kernel", "--exclude", "vortex-machine"];

/// Property cases in a long run; proptest's own default is 256.
const MANY_CASES: &str = "20000";

/// The seed of random tests in the ordinary runs: the year of the paper.
pub(super) const FIXED_SEED: &str = "2011";

/// A part that is the tests of one crate.
macro_rules! crate_tests {
    ($name:literal, $package:literal, $what:literal) => {
        Part {
            name: $name,
            what: $what,
            extent: Extent::Quick,
            work: |extent| Work::Programs(vec![crate_test($package, extent)]),
        }
    };
}

/// The same cases at every run, so that what is green stays green; the long run takes new
/// ones, and more of them.
fn crate_test(package: &str, extent: Extent) -> Program {
    let test = Program::cargo(["test", "--locked", "--package", package]);
    match extent {
        Extent::Full => test.with("PROPTEST_CASES", MANY_CASES),
        _ => test.with("PROPTEST_RNG_SEED", FIXED_SEED),
    }
}

/// All parts.
pub fn parts() -> Vec<Part> {
    vec![
        Part {
            name: "fmt",
            what: "the source is formatted",
            extent: Extent::Quick,
            work: |_| {
                let guests = ["fmt", "--all", "--check", "--manifest-path", services::MANIFEST];
                Work::Programs(vec![
                    Program::cargo(["fmt", "--all", "--check"]),
                    Program::cargo(guests),
                ])
            },
        },
        Part {
            name: "scripts",
            what: "the shell scripts parse",
            extent: Extent::Quick,
            work: |_| Work::Programs(vec![shell("vortex"), shell(".ci/run")]),
        },
        Part {
            name: "clippy",
            what: "no warning in any target of any crate",
            extent: Extent::Quick,
            work: |_| {
                Work::Programs(vec![
                    clippy(&WITHOUT_KERNEL),
                    clippy_kernel(),
                    clippy(&["--manifest-path", services::MANIFEST, "--target", services::TARGET])
                        .with("CARGO_TARGET_DIR", "services/target"),
                ])
            },
        },
        crate_tests!("units", "vortex-units", "amounts and names as types"),
        crate_tests!("queues", "vortex-queues", "containers of requests"),
        crate_tests!("grid", "vortex-grid", "the toolkit: the laws, as properties"),
        crate_tests!("schedulers", "vortex-schedulers", "the policies, their bounds"),
        crate_tests!("config", "vortex-config", "the configuration reader and its flaws"),
        crate_tests!(
            "memory",
            "vortex-memory",
            "the memory multiplexor: conservation, reclamation"
        ),
        crate_tests!(
            "tables",
            "vortex-tables",
            "page tables against a model: every walk, every handle, every frame back"
        ),
        crate_tests!("sim", "vortex-sim", "the simulated machine, golden traces"),
        crate_tests!("abi", "vortex-abi", "the system calls' declarations, and the book's table"),
        crate_tests!("resources", "vortex-resources", "the logic of the kernel's resources"),
        crate_tests!("root", "vortex-files", "the root file system and descriptors, against Linux"),
        crate_tests!(
            "ring",
            "vortex-virtio",
            "what a driver and its device share, whatever it says"
        ),
        crate_tests!("disks", "vortex-storage", "disks, from volumes to the ring, simulated"),
        crate_tests!(
            "packets",
            "vortex-network",
            "the network, from the ring to sockets, on a simulated wire"
        ),
        crate_tests!(
            "ext2",
            "vortex-ext2",
            "the ext2 file system on images of mke2fs, judged by e2fsck"
        ),
        crate_tests!("fs", "vortex-fs", "files on a simulated disk, judged by a model and e2fsck"),
        crate_tests!("cli", "vortex", "this command"),
        crate_tests!("book", "vortex-book", "the code of the book compiles and runs"),
        Part {
            name: "files",
            what: "check and simulate on the examples, Figure 6 and every broken file",
            extent: Extent::Quick,
            work: |_| Work::Function(files::run),
        },
        Part {
            name: "readme",
            what: "the outputs shown in README.md are the real ones; links of all texts lead somewhere",
            extent: Extent::Quick,
            work: |_| Work::Function(readme::run),
        },
        Part {
            name: "no-std",
            what: "the kernel's crates build for x86_64-unknown-none",
            extent: Extent::Normal,
            work: |_| Work::Programs(vec![bare_metal()]),
        },
        Part {
            name: "doc",
            what: "the reference documentation builds without a warning",
            extent: Extent::Normal,
            work: |_| {
                let host = ["doc", "--locked", "--workspace", "--no-deps"];
                let doc = Program::cargo(host.into_iter().chain(WITHOUT_KERNEL));
                Work::Programs(vec![doc.with("RUSTDOCFLAGS", "-D warnings")])
            },
        },
        Part {
            name: "loom",
            what: "the concurrent parts in every order the memory model allows",
            extent: Extent::Normal,
            work: |_| Work::Function(models::loom),
        },
        Part {
            name: "shuttle",
            what: "whole cores on threads under random schedules",
            extent: Extent::Normal,
            work: |_| Work::Function(models::shuttle),
        },
        Part {
            name: "cost",
            what: "instructions and bytes of a request within docs/SPECIFICATION.md",
            extent: Extent::Normal,
            work: |_| Work::Function(cost),
        },
        Part {
            name: "stack",
            what: "frames and chains of calls fit a kernel stack, by the kernel's machine code",
            extent: Extent::Normal,
            work: |_| Work::Function(stack::part),
        },
        Part {
            name: "services",
            what: "the guest programs build; what they observe on the host is the same twice",
            extent: Extent::Normal,
            work: |_| Work::Function(services::run),
        },
        Part {
            name: "runs",
            what: "no run of a handler takes more than 50,000 instructions (law 5)",
            extent: Extent::Normal,
            work: |_| Work::Function(runs::part),
        },
        Part {
            name: "booted",
            what: "programs do on the booted kernel what they do on the host's Linux",
            extent: Extent::Normal,
            work: |_| Work::Function(booted::part),
        },
        Part {
            name: "linux",
            what: "the same programs do the same on Debian's kernel, in a machine of the same kind",
            extent: Extent::Normal,
            work: |_| Work::Function(booted::on_linux),
        },
        Part {
            name: "machines",
            what: "64 cores, 64 MiB and more than 4 GiB; what the kernel cannot be is refused",
            extent: Extent::Normal,
            work: |_| Work::Function(machines::part),
        },
        Part {
            name: "boot",
            what: "from the loader to the first program, counted and by the clock",
            extent: Extent::Normal,
            work: |_| Work::Function(boot::part),
        },
        Part {
            name: "attacks",
            what: "experiment attacks in counted time, on one core: neighbours keep their shares",
            extent: Extent::Normal,
            work: |_| Work::Function(attacks),
        },
        Part {
            name: "policies",
            what: "each policy as the scheduler of a core, in counted time: who has what",
            extent: Extent::Normal,
            work: |_| Work::Function(policies::part),
        },
        Part {
            name: "live",
            what: "a share that is changed while the machine runs counts from then on",
            extent: Extent::Normal,
            work: |_| Work::Function(live::part),
        },
        Part {
            name: "bus",
            what: "a bus above a disk's and a card's drivers holds its limit, and their shares",
            extent: Extent::Normal,
            work: |_| Work::Function(bus::part),
        },
        Part {
            name: "ledger",
            what: "experiment cpu for five seconds: every cycle of the machine is on one bill",
            extent: Extent::Normal,
            work: |_| Work::Function(ledger),
        },
        Part {
            name: "budgets",
            what: "who uses more memory than it may harms only itself; all of it comes back",
            extent: Extent::Normal,
            work: |_| Work::Function(budgets),
        },
        Part {
            name: "neighbours",
            what: "experiment memory in counted time, on one core: shares and faults stay as they are",
            extent: Extent::Normal,
            work: |_| Work::Function(neighbours),
        },
        Part {
            name: "objects",
            what: "who fills the kernel's memory is refused at its own limit; all of it comes back",
            extent: Extent::Normal,
            work: |_| Work::Function(filling),
        },
        Part {
            name: "pressure",
            what: "Debian's stress-ng presses memory in the machine, and takes nothing from others",
            extent: Extent::Normal,
            work: |_| Work::Function(pressure),
        },
        Part {
            name: "subactivities",
            what: "who divides its activity has what it had, and disturbs nobody by it",
            extent: Extent::Normal,
            work: |_| Work::Function(subactivities),
        },
        Part {
            name: "syscalls",
            what: "random system calls harm who makes them, and leave nothing",
            extent: Extent::Normal,
            work: |_| Work::Function(syscalls::part),
        },
        Part {
            name: "storage",
            what: "a disk from a program to its ring: every byte, errors, who gets how much; pages on it",
            extent: Extent::Normal,
            work: |_| Work::Function(storage::part),
        },
        Part {
            name: "network",
            what: "a guest and this host fetch from each other, byte by byte; datagrams; nothing is left",
            extent: Extent::Normal,
            work: |_| Work::Function(network::part),
        },
        Part {
            name: "hosting",
            what: "two sites hosted: restart, metrics, dashboard, top, logs, set, exec and stop, from outside",
            extent: Extent::Normal,
            work: |_| Work::Function(hosting::part),
        },
        Part {
            name: "aio",
            what: "asynchronous I/O of files on a disk, as the C library's on Linux; who ends in the middle",
            extent: Extent::Normal,
            work: |_| Work::Function(aio::part),
        },
        Part {
            name: "images",
            what: "ext2 on disks: random work, full, broken, damaged, SQLite, power cuts; e2fsck",
            extent: Extent::Normal,
            work: |_| Work::Function(images::part),
        },
        Part {
            name: "runs-disk",
            what: "the same of files on a disk, of very many and of large ones",
            extent: Extent::Full,
            work: |_| Work::Function(runs::on_a_disk),
        },
        Part {
            name: "cpython",
            what: "CPython's own tests that pass on Debian's kernel pass on ours",
            extent: Extent::Full,
            work: |_| Work::Function(cpython::part),
        },
        Part {
            name: "fuzz",
            what: "the readers of configurations and of ext2 on arbitrary input: no panic",
            extent: Extent::Full,
            work: |_| Work::Function(fuzz::part),
        },
        Part {
            name: "miri",
            what: "the crate with unsafe code under Miri",
            extent: Extent::Full,
            work: |_| Work::Function(miri::run),
        },
    ]
}

fn clippy(place: &[&str]) -> Program {
    let first = ["clippy", "--locked", "--workspace", "--all-targets"];
    let last = ["--", "-D", "warnings"];
    Program::cargo(first.iter().chain(place).chain(&last).copied())
}

fn clippy_kernel() -> Program {
    let kernel = ["clippy", "--locked", "--package", "vortex-kernel"];
    let parts = ["--package", "vortex-machine", "--package", "vortex-resources"];
    let bare = ["--target", "x86_64-unknown-none", "--", "-D", "warnings"];
    Program::cargo(kernel.into_iter().chain(parts).chain(bare))
}

fn shell(script: &str) -> Program {
    Program { program: "sh", arguments: vec!["-n".into(), script.into()], environment: Vec::new() }
}

fn bare_metal() -> Program {
    let mut arguments = vec!["build", "--locked", "--target", "x86_64-unknown-none"];
    for name in KERNEL_CRATES {
        arguments.extend(["--package", name]);
    }
    Program::cargo(arguments)
}
