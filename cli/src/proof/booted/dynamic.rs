//! Debian's own programs, unmodified: loaded by their interpreter, with the host's libraries.

use std::collections::BTreeMap;

use super::tests::Test;

/// Where Debian's programs are.
const PROGRAMS: &str = "/usr/bin";
/// Where Python's modules are, and those that it cannot begin without, or that are used here.
const PYTHON: &str = "/usr/lib/python3.11";
const MODULES: &[&str] = &[
    "encodings",
    "lib-dynload",
    "os.py",
    "json",
    "re",
    "collections",
    "copyreg.py",
    "enum.py",
    "functools.py",
    "keyword.py",
    "operator.py",
    "reprlib.py",
    "types.py",
];

/// All of them; of some the host may not have the programs.
pub fn debian() -> Vec<Test> {
    let mut tests = alone();
    tests.extend(shell());
    tests.extend(interpreters());
    tests
}

/// Which of these tests are left out because the host has not all files that they need, in
/// words, to be added to a note: what is left out is to be said.
pub fn left_out(tests: &[Test]) -> String {
    let mut without: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for test in tests {
        if let Some(file) = test.absent() {
            without.entry(file).or_default().push(&test.name);
        }
    }
    let told = without.iter().map(|(file, tests)| {
        format!("; left out, the host has no {file}: {} ({})", tests.len(), tests.join(", "))
    });
    told.collect()
}

fn path(program: &str) -> String {
    format!("{PROGRAMS}/{program}")
}

/// A program alone.
fn alone() -> Vec<Test> {
    let test = |name: &str, program: &str, words: &[&str]| {
        let program = path(program);
        Test::new(&format!("debian-{name}"), &[&[program.as_str()], words].concat())
    };
    vec![
        test("true", "true", &[]),
        test("false", "false", &[]),
        test("echo", "echo", &["hello,", "world"]),
        test("ls", "ls", &["-a"]),
        test("no-such-file", "cat", &["/nowhere"]),
        test("seq", "seq", &["-s", ",", "1", "20"]),
        test("factor", "factor", &["18446744073709551557", "600851475143"]),
        test("date", "date", &["-u", "-d", "@86400", "+%F %T"]),
        test("printf", "printf", &["%5.2f %x\\n", "3.14159", "255"]),
        test("env", "env", &[]),
        test("expr", "expr", &["6", "*", "7"]),
        test("basename", "basename", &["/a/b/c.d", ".d"]),
    ]
}

/// Several, that bash runs.
fn shell() -> Vec<Test> {
    let test = |name: &str, programs: &[&str], script: &str| {
        let words = [&path("bash"), "-c", script];
        Test::new(&format!("debian-{name}"), &words).with(programs.iter().map(|name| path(name)))
    };
    vec![
        test("bash", &[], "a=(one two three); echo ${#a[@]} ${a[-1]} $((2**40)); exit 3"),
        test("bash-loop", &[], "n=0; for ((i = 0; i < 2000; i++)); do ((n += i)); done; echo $n"),
        test("bash-match", &[], "[[ abc123 =~ ^([a-z]+)([0-9]+)$ ]] && echo ${BASH_REMATCH[2]}"),
        test("bash-string", &["cat"], "cat <<< 'here and there'; x=hello; echo ${x^^} ${x/l/L}"),
        test("bash-trap", &[], "trap 'echo caught' USR1; kill -USR1 $$; echo after"),
        test("bash-jobs", &["sleep"], "sleep 0.05 & wait $!; echo $?; (exit 7) & wait $!; echo $?"),
        test("bash-read", &["seq"], "seq 1 5 | while read -r x; do echo -$x-; done"),
        test("sort", &["seq", "sort", "head"], "seq 1 20000 | sort -rn | head -n 3"),
        test(
            "sort-words",
            &["sort", "uniq", "tr"],
            "echo b a c a b | tr ' ' '\\n' | sort | uniq -c",
        ),
        test("sha256sum", &["seq", "sha256sum"], "seq 1 99999 | sha256sum"),
        test("md5sum", &["seq", "md5sum"], "seq 1 9999 > f; md5sum f; md5sum < f"),
        test("copy", &["seq", "cp", "cmp", "wc"], "seq 1 50000 > f; cp f g; cmp f g; wc -lc g"),
        test(
            "folders",
            &["mkdir", "touch", "ls", "rm", "mv", "ln", "readlink"],
            "mkdir -p a/b; touch a/b/c; ln -s b a/d; ls -R a; readlink a/d; mv a/b a/e; rm -r a; ls",
        ),
        test(
            "modes",
            &["touch", "chmod", "stat"],
            "umask 027; touch f; stat -c '%a %s' f; chmod u+x f; stat -c %A f",
        ),
        test(
            "text",
            &["cut", "paste", "tac", "rev"],
            "printf 'a:1\\nb:2\\n' > f; cut -d: -f2 f; tac f",
        ),
        test("od", &["od", "head"], "head -c 40 /dev/zero | od -A d -t x1"),
        test(
            "split",
            &["seq", "split", "cat", "wc"],
            "seq 1 99 > f; split -l 40 f; cat x* | wc -l",
        ),
        test("tee", &["tee", "cat"], "echo a | tee f g; cat f g"),
        test("dd", &["dd", "wc"], "dd if=/dev/zero of=f bs=1000 count=9 2>/dev/null; wc -c f"),
        test("grep", &["seq", "grep"], "seq 1 500 | grep -cE '^[0-9]7$'"),
        test("sed", &["seq", "sed"], "seq 1 9 | sed -n '2,4p;s/7/seven/p'"),
        test("awk", &["seq", "mawk"], "seq 1 1000 | mawk '{ s += $1 } END { print s, sqrt(s) }'"),
        test(
            "find",
            &["mkdir", "touch", "find", "sort"],
            "mkdir -p a/b; touch a/b/c; find a | sort",
        ),
        test("xargs", &["seq", "xargs", "echo"], "seq 1 6 | xargs -n 2 echo"),
        test("tar", &["tar", "seq", "rm", "cat"], "seq 1 3 > f; tar cf t f; rm f; tar xf t; cat f"),
        test("gzip", &["seq", "gzip", "md5sum"], "seq 1 9999 | gzip | gzip -d | md5sum"),
        test("xz", &["seq", "xz", "md5sum"], "seq 1 999 | xz -0 | xz -d | md5sum"),
        test("diff", &["seq", "diff"], "seq 1 3 > f; seq 2 4 > g; diff -u --label f --label g f g"),
        test("dash", &["dash"], "dash -c 'echo $((1 + 1)); echo $0'"),
        test("timeout", &["timeout", "sleep"], "timeout 0.2 sleep 20; echo $?"),
    ]
}

/// Other languages.
fn interpreters() -> Vec<Test> {
    let python = |name: &str, script: &str| {
        let words = [&path("python3.11"), "-I", "-S", "-c", script];
        let modules = MODULES.iter().map(|module| format!("{PYTHON}/{module}"));
        Test::new(&format!("debian-python-{name}"), &words).with(modules)
    };
    let test = |name: &str, words: &[&str]| Test::new(&format!("debian-{name}"), words);
    let table = "create table t(a, b); insert into t values (1, 'one'), (2, 'two'); \
                 select sum(a), group_concat(b) from t; select count(*) from t where a > 1;";
    let many = "create table t(a integer primary key, b text); create index i on t(b); \
                with recursive n(x) as (select 1 union all select x + 1 from n where x < 300) \
                insert into t select x, 'row ' || x from n; \
                select count(*), min(b), max(a) from t; pragma integrity_check;";
    vec![
        python("sum", "print(sum(i * i for i in range(20000)), 2 ** 200)"),
        python("json", "import json; print(json.dumps({'a': [1, 2.5, None]}))"),
        python("exit", "import sys; sys.exit(5)"),
        python("error", "print(1 / 0)"),
        python("lists", "d = {str(i): i for i in range(5000)}; print(len(d), max(d.values()))"),
        python("files", "open('f', 'w').write('x' * 10000); print(len(open('f').read()))"),
        python(
            "fork",
            "import os; p = os.fork(); p or os._exit(9); print(os.waitpid(p, 0)[1] >> 8)",
        ),
        python(
            "threads",
            "import _thread; l = _thread.allocate_lock(); l.acquire(); \
             _thread.start_new_thread(lambda: (print('there'), l.release()), ()); l.acquire()",
        ),
        test("sqlite", &[&path("sqlite3"), ":memory:", table]),
        test("sqlite-file", &[&path("sqlite3"), "file.db", many]),
        test(
            "perl",
            &[&path("perl"), "-e", "print join(',', map { $_ * 2 } 1..5), qq(\\n); exit 4"],
        ),
    ]
}
