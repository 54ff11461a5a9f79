//! The one thread that starts processes, and the threads that wait for them.
//!
//! The parent-death signal of a child follows the *thread* that started it, and tokio's threads come and go: children
//! are therefore started by a thread that lives as long as the server.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, mpsc};
use std::thread;

use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::sync::oneshot;

/// Starts `command`, which inherits `inherited` under the same numbers. Our copies are closed when this returns.
///
/// The command must run the [sandbox](crate::sandbox) helper: while it is started these descriptors are inheritable,
/// and it is the helper that closes what is not its program's.
pub(super) async fn spawn(command: Command, inherited: Vec<OwnedFd>) -> io::Result<(u32, Reaped)> {
    let (reply, answer) = oneshot::channel();
    let gone = |_| io::Error::other("the thread that starts processes has ended");
    let spawner = SPAWNER.as_ref().map_err(|error| io::Error::from(error.kind()))?;
    spawner.send(Request { command, inherited, reply }).map_err(|_| gone(()))?;
    answer.await.map_err(|_| gone(()))?
}

struct Request {
    command: Command,
    inherited: Vec<OwnedFd>,
    reply: oneshot::Sender<io::Result<(u32, Reaped)>>,
}

static SPAWNER: LazyLock<io::Result<mpsc::Sender<Request>>> = LazyLock::new(|| {
    let (sender, requests) = mpsc::channel::<Request>();
    thread::Builder::new().name("spawner".to_owned()).spawn(move || {
        for Request { command, inherited, reply } in requests {
            // A caller that is gone drops the answer, and with it kills the child.
            let _ = reply.send(start(command, inherited));
        }
    })?;
    Ok(sender)
});

/// `command` and `inherited` are dropped on return: the child's ends of all pipes are then open in the child only,
/// so that readers see the end of its output.
fn start(mut command: Command, inherited: Vec<OwnedFd>) -> io::Result<(u32, Reaped)> {
    let (hand_over, child) = mpsc::channel::<Child>();
    let (report, ended) = oneshot::channel();
    let group = Arc::new(Mutex::new(None));
    let reaper_group = group.clone();
    // Before the child exists, so that there is no child without somebody to wait for it.
    thread::Builder::new().name("reaper".to_owned()).spawn(move || {
        if let Ok(child) = child.recv() {
            let _ = report.send(reap(child, &reaper_group));
        }
    })?;
    for fd in &inherited {
        rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
    }
    let child = command.spawn()?;
    drop(inherited);
    let pid = child.id();
    *group.lock().unwrap_or_else(PoisonError::into_inner) = Some(Pid::from_child(&child));
    // The reaper ends only after it got the child.
    let _ = hand_over.send(child);
    Ok((pid, Reaped { group, ended: Some(ended) }))
}

/// Waits for the end, then frees the process id while nobody can be sending a signal to it.
fn reap(mut child: Child, group: &Mutex<Option<Pid>>) -> io::Result<ExitStatus> {
    let pid = Pid::from_child(&child);
    while let Err(rustix::io::Errno::INTR) =
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
    let mut group = group.lock().unwrap_or_else(PoisonError::into_inner);
    *group = None;
    child.wait()
}

/// A child with a thread waiting for it. Dropping it kills the child; the thread reaps it in any case.
#[derive(Debug)]
pub(super) struct Reaped {
    /// `None` once the id may belong to somebody else.
    group: Arc<Mutex<Option<Pid>>>,
    /// `None` once it has told.
    ended: Option<oneshot::Receiver<io::Result<ExitStatus>>>,
}

impl Reaped {
    /// Completes when the child has ended and been reaped. It tells how once, and later only that it has ended.
    pub(super) async fn status(&mut self) -> io::Result<ExitStatus> {
        let Some(ended) = &mut self.ended else { return Err(io::Error::other("it was told before")) };
        let status = ended.await;
        self.ended = None;
        status.unwrap_or_else(|_| Err(io::Error::other("the thread that waits for it has ended")))
    }

    /// SIGKILL to the child and everything it may have started.
    pub(super) fn kill(&self) {
        if let Some(group) = *self.group.lock().unwrap_or_else(PoisonError::into_inner) {
            // It can only fail because all of them have ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_can_be_waited_for_again() {
        #[expect(clippy::disallowed_methods, reason = "the smallest child there is")]
        let command = Command::new("/bin/true");
        let (_, mut reaped) = spawn(command, Vec::new()).await.expect("it starts");
        assert!(reaped.status().await.expect("it ends").success());
        assert!(reaped.status().await.is_err());
        // Nobody is left to be killed.
        assert_eq!(*reaped.group.lock().expect("unpoisoned"), None);
        reaped.kill();
    }
}
