//! Runs `az` and `azd`, and ends them with all that they started when nobody waits for them any longer.

use std::{
    ffi::OsStr,
    io,
    process::{Output, Stdio},
};

use azure_identity::Executor;
use tokio::process::Command;

/// azure_identity's own leaves a command running when it is given up: one that hangs would hang on, and each new
/// request for a token would start one more.
#[derive(Debug)]
pub(super) struct Commands;

#[async_trait::async_trait]
impl Executor for Commands {
    async fn run(&self, program: &OsStr, arguments: &[&OsStr]) -> io::Result<Output> {
        let mut command = Command::new(program);
        // Nobody is there to answer a question.
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // The command is a shell, and `az` a script that starts Python: they end together.
        #[cfg(unix)]
        command.process_group(0);
        #[cfg(not(unix))]
        command.kill_on_drop(true);
        let child = command.spawn()?;
        #[cfg(unix)]
        let mut group = unix::Group::of(&child);
        let output = child.wait_with_output().await;
        #[cfg(unix)]
        group.ended();
        output
    }
}

#[cfg(unix)]
mod unix {
    use rustix::process::{Pid, Signal, kill_process_group};

    /// The processes of a command; killed when this is dropped before the command has ended.
    pub(super) struct Group(Option<Pid>);

    impl Group {
        pub(super) fn of(child: &tokio::process::Child) -> Self {
            Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
        }

        pub(super) fn ended(&mut self) {
            self.0 = None;
        }
    }

    impl Drop for Group {
        fn drop(&mut self) {
            // The id is still the child's: it runs, or nobody has taken note of its end.
            if let Some(leader) = self.0 {
                let _ = kill_process_group(leader, Signal::KILL);
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether a process is there and no mere entry that its parent has yet to take note of.
    fn runs(pid: &str) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    }

    async fn until(mut so: impl FnMut() -> bool) {
        let waits = async {
            while !so() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waits).await.expect("within ten seconds");
    }

    #[tokio::test]
    async fn a_command_that_nobody_waits_for_ends_with_all_that_it_started() {
        let file = std::env::temp_dir().join(format!("sqlscope-command-{}", std::process::id()));
        let script = format!("sleep 600 & echo $! > '{}'; wait", file.display());
        let arguments = [OsStr::new("-c"), OsStr::new(&script)];
        let pid = || std::fs::read_to_string(&file).unwrap_or_default().trim().to_owned();
        tokio::select! {
            output = Commands.run(OsStr::new("/bin/sh"), &arguments) => panic!("{output:?}"),
            () = until(|| !pid().is_empty() && runs(&pid())) => {}
        }
        until(|| !runs(&pid())).await;
        std::fs::remove_file(file).unwrap();
    }

    #[tokio::test]
    async fn a_command_that_ends_gives_what_it_wrote() {
        let arguments = [OsStr::new("-c"), OsStr::new("echo out; echo err >&2; exit 3")];
        let output = Commands.run(OsStr::new("/bin/sh"), &arguments).await.unwrap();
        assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
        assert_eq!(output.status.code(), Some(3));
    }
}
