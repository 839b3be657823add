//! One program of ours as a process: signalled, frozen, read.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

const SIGKILL: i32 = 9;

/// A process that is killed when it is dropped.
pub(crate) struct Process {
    pub(crate) name: String,
    child: Child,
    log: PathBuf,
}

/// A program of ours beside the test binary. `make test` builds them all before the tests run.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(path.exists(), "{} is not built: run the tests through `make test`", path.display());
    path
}

impl Process {
    pub(crate) fn spawn(dir: &Path, name: &str, command: &mut Command) -> Self {
        let log = dir.join(format!("{name}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        command.stderr(Stdio::from(file)).stdin(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// The first line a program prints.
    pub(crate) fn first_line(&mut self) -> String {
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
    pub(crate) fn kill(&mut self) -> bool {
        self.child.kill().unwrap();
        self.child.wait().unwrap().signal() == Some(SIGKILL)
    }

    /// SIGTERM, without waiting.
    pub(crate) fn ask_to_stop(&self) {
        self.signal("TERM");
    }

    /// SIGSTOP; returns when the kernel says that it stands still.
    pub(crate) fn freeze(&self) {
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
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Lines of the log that hold these words.
    pub(crate) fn said(&self, words: &str) -> usize {
        self.log().lines().filter(|line| line.contains(words)).count()
    }

    fn log_end(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            println!("--- the end of {}'s log\n{}", self.name, self.log_end());
        }
    }
}
