//! The book's table of system calls is the one that the declarations give.
//! `VORTEX_GOLDEN=write` writes it anew.

use std::fmt::Write as _;
use std::{env, fs};

use vortex_abi::DECLARED;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/book/src/calls.md");

fn table() -> String {
    let mut text = String::from(
        "# The system calls\n\nGenerated from their declarations in `abi/calls.toml`; `VORTEX_GOLDEN=write ./vortex \
         test abi` writes it anew. Numbers, names and meanings are Linux's on x86-64; from 22016 (0x5600) on they are Vortex's own. A *direct* call is a function \
         that cannot interfere with scheduling (§3.4); the others become requests to the resource named. All other \
         numbers return `ENOSYS`, and the console says so, once for a number and a program's name: but not of `rseq` (334), \
         for which C libraries ask at every thread's start and do without, and 256 times at most in the machine's life.\n\n\
         | number | name | to | arguments | what it does |\n|---:|---|---|---|---|\n",
    );
    for call in DECLARED {
        let arguments: Vec<String> =
            call.arguments.iter().map(|argument| format!("`{argument}`")).collect();
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | {} | {} |",
            call.number,
            call.name,
            call.to,
            arguments.join(", "),
            call.about
        );
    }
    text
}

#[test]
fn the_book_has_this_table() {
    let wanted = table();
    if env::var("VORTEX_GOLDEN").is_ok_and(|value| value == "write") {
        fs::write(TABLE, &wanted).expect("the book can be written");
    }
    let found = fs::read_to_string(TABLE).unwrap_or_default();
    assert!(found == wanted, "docs/book/src/calls.md is not what abi/calls.toml says");
}

#[test]
fn every_number_decodes_to_a_call() {
    for call in DECLARED {
        assert!(vortex_abi::decode(u64::from(call.number), &[0; 6]).is_some(), "{}", call.name);
    }
    assert_eq!(vortex_abi::decode(0xffff_ffff, &[0; 6]), None);
}

/// The short way decodes what is declared `direct` as the long one does, and nothing else: no
/// other call runs without a request.
#[test]
fn only_direct_calls_are_decoded_directly() {
    for arguments in [[0; 6], [1, 0x1000, 24, 3, 0x2000, 5], [u64::MAX; 6]] {
        for call in DECLARED {
            let number = u64::from(call.number);
            let long = match vortex_abi::decode(number, &arguments) {
                Some(vortex_abi::Call::Direct(direct)) => Some(direct),
                _ => None,
            };
            assert_eq!(long.is_some(), call.to == "direct", "{}", call.name);
            assert_eq!(vortex_abi::decode_direct(number, &arguments), long, "{}", call.name);
        }
        assert_eq!(vortex_abi::decode_direct(0xffff_ffff, &arguments), None);
    }
}

#[test]
fn a_long_buffer_is_cut_to_what_one_call_pins() {
    let read = vortex_abi::decode(0, &[3, 0x1000, u64::MAX, 0, 0, 0]);
    let Some(vortex_abi::Call::Files(call)) = read else { panic!("read is the file resource's") };
    let [Some(vortex_abi::Operand::Out(buffer)), None, None] = call.operands() else {
        panic!("read has one buffer that the kernel writes")
    };
    assert_eq!((buffer.0.address, buffer.0.length), (0x1000, 65_536));
}
