//! What a service said last comes before how it ended.

use std::process::Command;

#[test]
fn no_last_line_is_lost() {
    for _ in 0..100 {
        let output = Command::new(env!("CARGO_BIN_EXE_keep"))
            .args(["--restart", "never", "--name", "x", "--"])
            .args(["/bin/sh", "-c", "echo one; echo two >&2; printf last; exit 3"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text, "[x] one\n[x] two\n[x] last\n[x] ended with status 3\n");
        assert_eq!(output.status.code(), Some(3));
    }
}
