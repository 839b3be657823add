//! One program of ours as a process: signalled, frozen, read.

use std::{
    env,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

const SIGKILL: i32 = 9;

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    /// What the test calls it, and its log.
    pub name: String,
    child: Child,
    log: PathBuf,
}

/// The root of the checkout. A folder of build results may be shared by several, so what counts is where the
/// test runs, not where it was built.
pub fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = here.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = here.ancestors().find(|folder| folder.join("Cargo.lock").exists());
    root.unwrap_or_else(|| panic!("{} is in no checkout", here.display())).to_owned()
}

/// A port nobody listens on yet.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program of ours beside the test binary. `make test` builds them all before the tests run.
pub fn program(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(path.exists(), "{} is not built: run the tests through `make test`", path.display());
    path
}

impl Process {
    /// Starts it; what it writes to standard error goes to `<name>.log` in the folder.
    pub fn spawn(dir: &Path, name: &str, command: &mut Command) -> Self {
        let log = dir.join(format!("{name}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        command.stderr(Stdio::from(file)).stdin(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// The first line a program prints.
    pub fn first_line(&mut self) -> String {
        let mut line = String::new();
        let mut out = BufReader::new(self.child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{} said nothing:\n{}", self.name, self.log_end());
        // The rest goes nowhere, and must not block the program.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        line.trim().to_owned()
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("bash")
            .args(["-c", r#"kill -s "$0" "$1""#, signal, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success(), "{} did not get its {signal}", self.name);
    }

    /// SIGKILL; true when that is what ended it.
    pub fn kill(&mut self) -> bool {
        self.child.kill().unwrap();
        self.child.wait().unwrap().signal() == Some(SIGKILL)
    }

    /// SIGTERM, without waiting.
    pub fn ask_to_stop(&self) {
        self.signal("TERM");
    }

    /// SIGSTOP; returns when the kernel says that it stands still.
    pub fn freeze(&self) {
        self.signal("STOP");
        let stat = format!("/proc/{}/stat", self.child.id());
        let begun = Instant::now();
        loop {
            let stat = std::fs::read_to_string(&stat).unwrap();
            if stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "{} does not stand still", self.name);
            std::thread::yield_now();
        }
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Lines of the log that hold these words.
    pub fn said(&self, words: &str) -> usize {
        self.log().lines().filter(|line| line.contains(words)).count()
    }

    /// The end of what it wrote.
    pub fn log_end(&self) -> String {
        end_of(&self.log(), 25)
    }
}

/// The last lines of a text.
pub(crate) fn end_of(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all.into_iter().rev().take(lines).rev().collect::<Vec<_>>().join("\n")
}

#[expect(clippy::print_stdout, reason = "a test that fails shows the end of each log")]
impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            println!("--- the end of {}'s log\n{}", self.name, self.log_end());
        }
    }
}
