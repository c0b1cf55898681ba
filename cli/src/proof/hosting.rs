//! The part `hosting`: a machine is hosted by this command as a person would have it, and
//! everything that is said of it is looked at from outside.
//!
//! Its sites answer, from a directory and from a tar; a service that fails is begun again;
//! the monitor's metrics please promtool, and Prometheus scrapes them, where the host has both
//! (Debian's package prometheus); the dashboard has figures in
//! which no cycle is lost, and a headless Chromium draws them where the host has one; `top`,
//! `logs` and `stop` do what they say, `set` changes who has what, and `trace` has it all.

mod orders;
mod traced;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Extent, Verdict};
use crate::home;
use crate::running::{self, Found};

/// In which its services answer; in which it has ended.
const PATIENCE: Duration = Duration::from_secs(180);
const END: Duration = Duration::from_secs(20);
/// What the two sites serve.
const FIRST: &str = "<p>the first site\n";
const SECOND: &str = "<p>the second site\n";

const CONFIGURATION: &str = r#"<schedulerconfig>
  <machine memory="128 MiB"/>
  <cpumultiplexor tag="cpumux0" core="0" algorithm="propshare.wfq"/>
  <resourcescheduler resource="resource.thread" algorithm="propshare.round-robin">
    <cpumultiplexor tag="cpumux0"/> </resourcescheduler>
  <activity name="first" share="108"/>
  <activity name="second" share="72"/>
  <activity name="watch" share="119" performance="all" control="all"/>
  <activity name="small" share="1"> <limits processes="1"/> </activity>
  <service activity="first" program="/bin/busybox" restart="always">
    <argument>httpd</argument> <argument>-f</argument> <argument>-p</argument>
    <argument>81</argument> <argument>-h</argument> <argument>/srv/first</argument>
    <port number="81"/> <files from="first" at="/srv/first"/>
    <files from="spin" at="/srv/first/cgi-bin/spin"/>
  </service>
  <service activity="second" program="/bin/busybox">
    <argument>httpd</argument> <argument>-f</argument> <argument>-p</argument>
    <argument>82</argument> <argument>-h</argument> <argument>/srv</argument>
    <port number="82"/> <files from="second.tar" at="/srv/second"/>
    <files from="spin" at="/srv/cgi-bin/spin"/>
  </service>
  <service activity="second" program="/bin/busybox" restart="on-failure">
    <argument>sh</argument> <argument>-c</argument>
    <argument>echo begun; exit 3</argument>
  </service>
  <service activity="watch" program="/vortex/monitor"/>
</schedulerconfig>
"#;

/// As a part of the proof.
pub fn part(root: &Path, _: Extent) -> Verdict {
    for tool in ["curl", "busybox"] {
        if !home::works(tool, &["--help"]) {
            return Verdict::NotRun(format!("{tool} is not installed"));
        }
    }
    match all(root) {
        Ok(note) => Verdict::Good(note),
        Err(why) => Verdict::Bad(why),
    }
}

/// Ends what it holds when it is dropped.
struct Hosting(Child);

impl Drop for Hosting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// What this command prints, started with these words.
fn vortex(words: &[&str]) -> Result<String, String> {
    let this = std::env::current_exe().map_err(said)?;
    home::output(Command::new(this).args(words)).map_err(said)
}

fn get(port: u16, path: &str) -> Result<String, String> {
    let address = format!("http://127.0.0.1:{port}{path}");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--max-time", "20", &address]);
    home::output(&mut curl).map_err(|error| format!("{address}: {error}"))
}

/// Asks again until the answer is there and will do.
fn until(mut ask: impl FnMut() -> Result<String, String>, will_do: &str) -> Result<String, String> {
    let began = Instant::now();
    loop {
        let answer = ask();
        match &answer {
            Ok(text) if text.contains(will_do) => return answer,
            _ if began.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(300)),
            Ok(text) => return Err(format!("'{will_do}' is not in what came last:\n{text}")),
            Err(why) => return Err(why.clone()),
        }
    }
}

fn all(root: &Path) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(said)?;
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(at(name), text).map_err(said);
    std::fs::create_dir(at("first")).map_err(said)?;
    write("first/index.html", FIRST)?;
    write("index.html", SECOND)?;
    write("spin", orders::SPIN)?;
    std::fs::set_permissions(at("spin"), Permissions::from_mode(0o755)).map_err(said)?;
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder.path()).arg("-cf").arg(at("second.tar")).arg("index.html");
    home::output(&mut tar).map_err(said)?;
    write("hosting.xml", CONFIGURATION)?;
    let this = std::env::current_exe().map_err(said)?;
    let mut command = Command::new(this);
    command.arg("run").arg(at("hosting.xml")).args(["--accel", "tcg", "--every", "1"]);
    let log = std::fs::File::create(at("said")).map_err(said)?;
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(said)?).stderr(log);
    let mut hosted = Hosting(command.spawn().map_err(said)?);
    let seen = look(root, hosted.0.id());
    let seen = seen.map_err(|why| {
        let said = std::fs::read_to_string(at("said")).unwrap_or_default();
        format!("{why}\nwhat the command said:\n{said}")
    })?;
    let began = Instant::now();
    let status = loop {
        match hosted.0.try_wait().map_err(said)? {
            Some(status) => break status,
            None if began.elapsed() > END => return Err("it does not end".into()),
            None => thread::sleep(Duration::from_millis(50)),
        }
    };
    let text = std::fs::read_to_string(at("said")).map_err(said)?;
    for part in ["dashboard", "36.0 %", "Who waited while whom ran", "every cycle is on a bill"] {
        if !text.contains(part) {
            return Err(format!("'{part}' is not in what it said:\n{text}"));
        }
    }
    match status.success() {
        true => Ok(seen),
        false => Err(format!("stopped, it ends with {status}:\n{text}")),
    }
}

/// Looks at all of it, and stops it; what there was to see.
fn look(root: &Path, number: u32) -> Result<String, String> {
    let machines = running::folder(root);
    let name = number.to_string();
    let find = || running::running(&machines, Some(number));
    until(|| find().map(|_| String::new()).map_err(said), "")?;
    let found = find().map_err(said)?;
    let door = |guest: u16| {
        let door = found.about.doors.iter().find(|door| door.guest == guest);
        door.map(|door| door.host).ok_or(format!("there is no door to port {guest}"))
    };
    let (first, second) = (door(81)?, door(82)?);
    until(|| get(first, "/"), FIRST)?;
    until(|| get(second, "/second/"), SECOND)?;
    let logs = || vortex(&["logs", "second", "--machine", &name]);
    let log = until(logs, "ended with status 3; again in 200 ms")?;
    if !log.lines().any(|line| line == "begun") {
        return Err(format!("the service's own line is not in its log:\n{log}"));
    }
    let metrics = get(found.monitor().ok_or("there is no monitor's door")?, "/metrics")?;
    let mut seen = vec![format!("2 sites, {} lines of metrics", metrics.lines().count())];
    seen.push(promtool(&metrics)?);
    seen.push(prometheus(found.monitor().unwrap_or_default())?);
    until(|| vortex(&["top", "--json", "--machine", &name]), "\"residue\": 0,")?;
    orders::refused(&found)?;
    seen.push(dashboard(&found)?);
    seen.push(orders::programs(&found)?);
    seen.push(traced::requests(&found, first)?);
    seen.push(orders::shares(&found, [first, second])?);
    vortex(&["stop", "--machine", &name])?;
    if running::running(&machines, Some(number)).is_ok() {
        return Err("stopped, it runs".into());
    }
    Ok(seen.join("; "))
}

fn promtool(metrics: &str) -> Result<String, String> {
    use std::io::Write as _;
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else {
        return Ok("no promtool to show them to (Debian's prometheus)".into());
    };
    let mut to = child.stdin.take().ok_or("promtool has no input")?;
    to.write_all(metrics.as_bytes()).map_err(said)?;
    drop(to);
    let output = child.wait_with_output().map_err(said)?;
    let words = [output.stdout, output.stderr].concat();
    match output.status.success() && words.is_empty() {
        true => Ok("promtool is content".into()),
        false => Err(format!("promtool says: {}", String::from_utf8_lossy(&words))),
    }
}

/// Debian's Prometheus scrapes the monitor, in OpenMetrics' form, which it asks for.
fn prometheus(monitor: u16) -> Result<String, String> {
    if !home::works("prometheus", &["--version"]) {
        return Ok("no Prometheus to scrape them".into());
    }
    let folder = tempfile::tempdir().map_err(said)?;
    let file = folder.path().join("prometheus.yml");
    let text = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs: [ {{ job_name: vortex, \
         static_configs: [ {{ targets: ['127.0.0.1:{monitor}'] }} ] }} ]\n"
    );
    std::fs::write(&file, text).map_err(said)?;
    // A port that nobody has once this listener has gone.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(said)?;
    let port = listener.local_addr().map_err(said)?.port();
    drop(listener);
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let scrapes = Hosting(command.spawn().map_err(said)?);
    until(|| get(port, "/api/v1/targets"), "\"health\":\"up\"")?;
    let query = "/api/v1/query?query=vortex_core_residue_seconds";
    let answer = until(|| get(port, query), "\"core\":\"0\"")?;
    drop(scrapes);
    match answer.contains(",\"0\"]") {
        true => Ok("Prometheus scrapes them".into()),
        false => Err(format!("Prometheus has a residue that is not zero: {answer}")),
    }
}

/// The dashboard's figures, and its page in a browser.
fn dashboard(found: &Found) -> Result<String, String> {
    let port = found.about.dashboard.ok_or("there is no dashboard")?;
    let figures = until(|| get(port, "/api/figures?since=0"), "\"figures\":[[0,{")?;
    if !figures.contains("\"residue\":0,") {
        return Err(format!("the dashboard's figures have a residue:\n{figures}"));
    }
    let browser = ["chromium", "chromium-browser", "google-chrome"];
    let Some(browser) = browser.into_iter().find(|name| home::works(name, &["--version"])) else {
        return Ok("no Chromium to show the dashboard to".into());
    };
    let address = format!("http://127.0.0.1:{port}/");
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]);
    command.args(["--virtual-time-budget=8000", "--timeout=60000", &address]);
    let page = home::output(&mut command).map_err(said)?;
    for part in ["second", "36.0 %", "The ledger's residue is 0", "<path", "propshare.wfq"] {
        if !page.contains(part) {
            return Err(format!("'{part}' is not on the page:\n{page}"));
        }
    }
    Ok("Chromium draws the dashboard".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_configuration_is_sound() {
        let config = crate::config_file::parse(CONFIGURATION.as_bytes());
        assert!(config.is_ok_and(|config| config.warnings.is_empty()));
    }
}
