//! The terms on which programs run, shared by all kinds of runs.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::feed::Feed;
use crate::process::{
    Child, Ended, Hold, Invocation, Output, OutputPipes, Patience, ProcessError, Stdin, spawn,
};
use crate::sandbox::{Confinement, Limits, Priority, StdinAccess};
use crate::source::{ReadRange, stream_feed};
use crate::toolchain::{Program, Toolchain};

/// Where, how urgently and for how long programs run, and how they are stopped.
#[derive(Debug, Clone, Copy)]
pub struct Runner<'a> {
    /// The programs.
    pub toolchain: &'a Toolchain,
    /// Who is waiting.
    pub priority: Priority,
    /// How long a program may do nothing.
    pub patience: Patience,
    /// Kills the program when it is cancelled.
    pub cancel: &'a CancellationToken,
}

/// A program, its arguments and its pipes.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) program: Program,
    pub(crate) arguments: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) stdin: Stdin,
    pub(crate) outputs: OutputPipes,
}

impl Runner<'_> {
    pub(crate) async fn start(&self, task: Task) -> Result<Child, ProcessError> {
        spawn(Invocation {
            toolchain: self.toolchain,
            program: task.program,
            arguments: task.arguments.into_iter().map(Into::into).collect(),
            confinement: Confinement {
                mode: self.toolchain.sandbox,
                priority: self.priority,
                stdin: StdinAccess::Stream,
                limits: task.limits,
            },
            stdin: task.stdin,
            outputs: task.outputs,
        })
        .await
    }

    /// Runs a program with one output to its end. What it writes goes to `written`, at the pace at which that is
    /// taken.
    pub(crate) async fn run(
        &self,
        task: Task,
        feed: Option<(&dyn ReadRange, Feed)>,
        written: mpsc::Sender<Bytes>,
    ) -> Result<Ended, RunError> {
        let program = task.program;
        let mut child = self.start(task).await?;
        let hold = child.hold();
        let input = child.take_input();
        let outputs = child.take_outputs();
        let feed = async {
            match (input, feed) {
                (Some(input), Some((source, feed))) => {
                    stream_feed(source, feed, input, &hold).await.map_err(RunError::Source)
                }
                // Without a feed the input ends at once.
                _ => Ok(()),
            }
        };
        let read = async {
            for output in outputs {
                forward(output, &written, &hold).await.map_err(|error| match error {
                    Forward::Pipe(error) => self.pipe_error(program, error).into(),
                    Forward::Abandoned => RunError::Abandoned,
                })?;
            }
            drop(written);
            Ok(())
        };
        let wait = async { Ok(child.wait(self.patience, self.cancel).await?) };
        let (ended, (), ()) = tokio::try_join!(wait, feed, read)?;
        Ok(ended)
    }

    /// Pipes for an ffmpeg that is about to start.
    pub(crate) fn open_pipes(&self, count: usize) -> Result<OutputPipes, ProcessError> {
        OutputPipes::open(count).map_err(|source| self.pipe_error(Program::Ffmpeg, source))
    }

    pub(crate) fn pipe_error(&self, program: Program, source: std::io::Error) -> ProcessError {
        ProcessError::Pipe { program: self.toolchain.path(program).display().to_string(), source }
    }
}

/// Why a run did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The program failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The source could not be read.
    #[error("the source could not be read")]
    Source(#[source] std::io::Error),
    /// Nobody receives the output any more.
    #[error("nobody takes the output")]
    Abandoned,
}

enum Forward {
    Pipe(std::io::Error),
    Abandoned,
}

async fn forward(mut output: Output, written: &mpsc::Sender<Bytes>, hold: &Hold) -> Result<(), Forward> {
    while let Some(bytes) = output.read().await.map_err(Forward::Pipe)? {
        let bytes = Bytes::copy_from_slice(bytes);
        hold.during(written.send(bytes)).await.map_err(|_| Forward::Abandoned)?;
    }
    Ok(())
}
