//! `cargo local` as a person runs it, in a process of its own.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// A running `cargo local` and what it prints; stopped with its handler however a test ends.
pub(crate) struct Local {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) data: PathBuf,
    removes_data: bool,
}

impl Drop for Local {
    fn drop(&mut self) {
        // Killed, it would leave its handler behind.
        let running = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        if running(&mut self.child) {
            kill(self.child.id(), Signal::TERM);
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while running(&mut self.child) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.removes_data {
            let _ = std::fs::remove_dir_all(&self.data);
        }
    }
}

impl Local {
    /// Starts it below the project, on free ports except for those in `options`.
    pub(crate) fn start(name: &str, options: &[&str], environment: &[(&str, &str)]) -> Self {
        // A directory below the project's: it is found from there.
        Self::start_in(Path::new(env!("CARGO_MANIFEST_DIR")), name, options, environment)
    }

    pub(crate) fn start_in(
        directory: &Path,
        name: &str,
        options: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}-{}", std::process::id()));
        // With as many files as a shell allows it on most machines.
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -Sn 1024; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_sqlscope-local")]);
        for port in ["--port", "--sql-port", "--identity-port"] {
            if !options.contains(&port) {
                command.args([port, "0"]);
            }
        }
        let mut child = command
            .args(["--handler", env!("CARGO_BIN_EXE_echo-handler"), "--data"])
            .arg(&data)
            .args(options)
            .current_dir(directory)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Local { child, stdout, data, removes_data: true }
    }

    /// Leaves the data folder to another one that has it.
    pub(crate) fn keeping_data(mut self) -> Self {
        self.removes_data = false;
        self
    }

    /// The lines up to and with the one that says this.
    pub(crate) fn lines_to(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "no {last:?} after {lines:?}");
            let line = line.trim_end().to_owned();
            let found = line == last;
            lines.push(line);
            if found {
                return lines;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    /// Waits for the end; the status, the rest of stdout, and stderr.
    pub(crate) fn end(&mut self) -> (ExitStatus, String, String) {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap(), stdout, stderr)
    }
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// The port of the SQL endpoint, in what was printed.
pub(crate) fn sql_port(lines: &[String]) -> u16 {
    let port = lines.iter().find_map(|line| line.strip_prefix("Azure SQL: localhost,")).unwrap();
    port.split(' ').next().unwrap().parse().unwrap()
}
