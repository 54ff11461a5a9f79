//! Shells that keep a server: they start it, do to it what they are told, and end it with their input.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// A shell that has started a server. The server ends with this value, or with the process, however that ends: either
/// closes the shell's input.
#[derive(Debug)]
pub(crate) struct Keeper(Mutex<Shell>);

#[derive(Debug)]
struct Shell {
    /// Open until it is dropped.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    process: Child,
}

impl Keeper {
    /// Runs the shell; `None` when it says anything else than `ready`. What went wrong is on standard error then.
    pub(crate) fn start(shell: &mut Command) -> Option<Self> {
        let mut process =
            shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the shell starts");
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("the output is piped"));
        let mut shell = Shell { orders, answers, process };
        (shell.hear() == "ready").then(|| Self(Mutex::new(shell)))
    }

    /// Has the shell do something, and returns when it is done.
    ///
    /// # Panics
    /// When it cannot be done.
    pub(crate) fn order(&self, order: &str) {
        let mut shell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = shell.orders.as_mut().expect("the input is piped, and open while this lives");
        writeln!(orders, "{order}").expect("the keeper listens as long as this process lives");
        assert_eq!(shell.hear(), "done", "`{order}` was not done; the log is above");
    }
}

impl Shell {
    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the shell answers in text");
        line.trim_end().to_owned()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.process.wait();
    }
}
