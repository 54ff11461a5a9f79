//! Asking a database that may be away for a while.
//!
//! A restart or a fail-over of the database costs no work: what a stage wants to know is asked again until the stage has
//! to stop, and what it has made is recorded as soon as somebody answers. Doing either twice does no harm: a job ends
//! once, and whoever comes second has lost its lease.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::desk::InHand;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl InHand {
    /// What the job needs to know. When it has to stop before the database answers, that is the error.
    pub(super) async fn ask<T, F>(&self, question: impl Fn() -> F) -> catalog::Result<T>
    where
        F: Future<Output = catalog::Result<T>>,
    {
        self.insist(question, || self.cancel.is_cancelled()).await
    }

    /// The end of the job. It is fenced, and so it is tried even when the lease has run out: as long as nobody has taken
    /// the job, its work counts. Only a process that stops does not wait any longer than the lease.
    pub(super) async fn settle<T, F>(&self, end: impl Fn() -> F) -> catalog::Result<T>
    where
        F: Future<Output = catalog::Result<T>>,
    {
        self.insist(end, || self.stop.is_cancelled() && self.tenure.ends_by(Instant::now())).await
    }

    async fn insist<T, F>(&self, verb: impl Fn() -> F, enough: impl Fn() -> bool) -> catalog::Result<T>
    where
        F: Future<Output = catalog::Result<T>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            match verb().await {
                Err(error) if error.is_transient() && !enough() => {
                    let cause = &error as &dyn std::error::Error;
                    tracing::warn!(job.id = %self.id, error = cause, "the database is asked again for job `{}`", self.id);
                }
                answer => return answer,
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
