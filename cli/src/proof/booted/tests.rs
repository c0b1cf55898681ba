//! Which tests there are.

use std::path::Path;

use super::dynamic;
use crate::proof::services;

/// A test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// By which it is asked for.
    pub name: String,
    /// The program's path, the same on both sides, and its arguments.
    pub words: Vec<String>,
    /// What else of the host it needs: programs, folders.
    pub needs: Vec<String>,
}

impl Test {
    /// With this name, these words.
    pub fn new(name: &str, words: &[&str]) -> Self {
        let words = words.iter().map(ToString::to_string).collect();
        Self { name: name.into(), words, needs: Vec::new() }
    }

    /// That needs this too.
    pub fn with(self, needs: impl IntoIterator<Item = String>) -> Self {
        Self { needs: needs.into_iter().collect(), ..self }
    }

    /// The first file of those that it needs which the host does not have.
    pub fn absent(&self) -> Option<&str> {
        let all = [self.program()].into_iter().chain(self.needs.iter().map(String::as_str));
        all.into_iter().find(|file| !Path::new(file).exists())
    }

    /// Its program.
    pub fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// What the program is told.
    pub fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// All, with the guest programs in this folder.
///
/// # Errors
/// Where they do not say which tests they have.
pub fn all(programs: &Path) -> Result<Vec<Test>, String> {
    let program = |name: &str| programs.join(name).to_string_lossy().into_owned();
    let calls = program("calls");
    let mut tests = busybox();
    tests.extend(dynamic::debian().into_iter().filter(|test| test.absent().is_none()));
    for name in services::list(Path::new(&calls))? {
        tests.push(Test::new(&name, &[&calls, &name]));
    }
    let threads = program("threads");
    for (name, workers) in [("primes-1", "1"), ("primes-4", "4"), ("primes-16", "16")] {
        tests.push(Test::new(name, &[&threads, "--workers", workers, "--below", "30000"]));
    }
    Ok(tests)
}

/// Those of busybox: an applet alone, or the shell.
pub fn busybox() -> Vec<Test> {
    let applet = |name: &str, words: &[&str]| {
        Test::new(&format!("busybox-{name}"), &[&["/bin/busybox"], words].concat())
    };
    // The shell finds its applets by this alone, on both sides.
    let shell = |name: &str, script: &str| {
        let script = format!("b() {{ /bin/busybox \"$@\"; }}; {script}");
        applet(name, &["sh", "-c", &script])
    };
    vec![
        applet("true", &["true"]),
        applet("false", &["false"]),
        applet("echo", &["echo", "hello,", "world"]),
        applet("echo-without-line-end", &["echo", "-n", "hello"]),
        applet("no-such-file", &["cat", "/nowhere"]),
        applet("no-such-applet", &["nowhere"]),
        applet("seq", &["seq", "1", "20"]),
        applet("pwd-in-root", &["sh", "-c", "cd /; pwd"]),
        applet("env", &["env"]),
        shell("status", "exit 42"),
        shell("pipe", "echo one two | b wc -w"),
        shell("long-pipe", "b seq 1 20000 | b sort -rn | b head -n 3"),
        shell("loop", "for i in 1 2 3; do echo $i; done"),
        shell("arithmetic", "i=0; while [ $i -lt 500 ]; do i=$((i+1)); done; echo $i"),
        shell("file", "echo text > f; b cat f; b rm f; b ls"),
        shell("append", "echo a > f; echo b >> f; b cat f; b wc -c < f"),
        shell("here-document", "printf '/bin/busybox cat <<X\\none\\n$((1+1))\\nX\\n' > f; b sh f"),
        shell("substitution", "echo $(echo a; echo b | b tr b c)"),
        shell("subshell", "x=1; (x=2; echo $x); echo $x"),
        shell("background", "b sleep 0.1 & wait; echo $?"),
        shell("kill", "/bin/busybox sleep 20 & kill $!; wait $! 2>/dev/null; echo $?"),
        shell("trap", "trap 'echo caught' USR1; kill -USR1 $$; echo after"),
        shell("exit-trap", "trap 'echo bye' EXIT; echo hello"),
        shell(
            "folders",
            "b mkdir -p a/b/c; b touch a/b/c/d; b find a | b sort; b rm -r a; b ls -A",
        ),
        shell(
            "links",
            "echo x > f; b ln -s f s; b ln f h; b readlink s; b cat s h; b stat -c %h f",
        ),
        shell("move", "echo x > f; b mv f g; b cat g; b mkdir d; b mv g d; b ls d"),
        shell(
            "modes",
            "b touch f; b chmod 640 f; b stat -c %a f; umask 077; b touch g; b stat -c %a g",
        ),
        shell("copy", "b seq 1 5000 > f; b cp f g; b cmp f g && b md5sum g"),
        shell("dd", "b dd if=/dev/zero of=f bs=1000 count=9 2>/dev/null; b wc -c f"),
        shell("sed", "b seq 1 9 | b sed -n '2,4p;s/7/seven/p'"),
        shell("awk", "b seq 1 100 | b awk '{ s += $1 } END { print s }'"),
        shell("grep", "b seq 1 100 | b grep -c 7"),
        shell("xargs", "b seq 1 6 | b xargs -n 2 echo"),
        shell("tar", "b mkdir d; echo x > d/f; b tar cf t d; b rm -r d; b tar xf t; b cat d/f"),
        shell("gzip", "b seq 1 9999 | b gzip | b gunzip | b md5sum"),
        shell("sha256", "b seq 1 9999 | b sha256sum"),
        shell("base64", "b seq 1 30 | b base64 | b base64 -d | b tail -n 1"),
        shell("test", "[ -d /tmp ] && echo folder; [ -e /nowhere ] || echo nothing"),
        shell("tee", "echo a | b tee f g; b cat f g"),
        shell("proc-fd", "b readlink /proc/self/fd/0; b cat /proc/self/fd/5 5< /dev/null; echo $?"),
        shell("proc-cmdline", "b tr '\\0' '+' < /proc/self/cmdline; b cat /proc/self/comm"),
        shell("fifo", "b mkfifo p; echo through > p & b cat p; wait"),
        shell("read", "printf 'a b\\nc\\n' | while read x y; do echo \"$y-$x\"; done"),
        shell("no-such-program", "/nowhere/x; echo $?"),
        shell("no-permission", "b touch f; ./f; echo $?"),
        shell("script", "echo '#!/bin/busybox sh' > f; echo 'echo $1' >> f; b chmod +x f; ./f x"),
        shell("devices", "echo x > /dev/null; b head -c 3 /dev/zero | b od -c"),
        shell("timeout", "b timeout 1 /bin/busybox sleep 20; echo $?"),
        shell("date", "b date -u -d @0 +%F"),
        shell("diff", "b seq 1 3 > f; b seq 2 4 > g; b diff f g; echo $?"),
        shell("pipe-status", "b seq 1 100000 | b head -n 1; echo $?"),
    ]
}
