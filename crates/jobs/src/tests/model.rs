//! The queue against a model in memory: random histories with crashes and late results.

use std::time::Duration;

use db::Db;
use proptest::{prelude::*, test_runner::TestRunner};
use testbed::Database;

use super::{FORGET, LEASE, in_tx, job, open, pass, put, state, take};
use crate::{
    Error, Job, JobId, Progress, Retried, State, bury_exhausted, cancel, exhausted, fail, heartbeat, reap,
    release, retry, settle,
};

/// One step of a history. Numbers choose among what there is then.
#[derive(Debug, Clone)]
enum Step {
    Enqueue {
        priority: i64,
        max_attempts: u32,
        max_failures: u32,
    },
    Claim {
        limit: u32,
    },
    Settle(usize),
    Retry(usize),
    Fail(usize),
    Release(usize),
    Heartbeat(usize),
    Cancel(usize),
    /// Every worker that has not sent a heartbeat since is gone.
    LeasesRunOut,
}

/// What the model knows of a job.
#[derive(Debug, Clone)]
struct Known {
    id: JobId,
    priority: i64,
    max_attempts: u32,
    max_failures: u32,
    attempt: u32,
    failures: u32,
    state: State,
    /// Which of the leases given out is the valid one, while it runs.
    holder: Option<usize>,
}

#[derive(Default)]
struct Model {
    jobs: Vec<Known>,
    leases: Vec<Job>,
}

impl Model {
    fn of_lease(&mut self, lease: usize) -> &mut Known {
        let id = self.leases[lease].lease.id;
        self.jobs.iter_mut().find(|job| job.id == id).unwrap()
    }

    /// The job, if this lease is still the one that counts.
    fn held(&mut self, lease: usize) -> Option<&mut Known> {
        Some(self.of_lease(lease)).filter(|job| job.holder == Some(lease))
    }

    async fn step(&mut self, db: &Db, step: Step) {
        let leases = self.leases.len();
        match step {
            Step::Enqueue { priority, max_attempts, max_failures } => {
                let new = job("k").priority(priority).max_attempts(max_attempts).max_failures(max_failures);
                self.jobs.push(Known {
                    id: put(db, new).await,
                    priority,
                    max_attempts,
                    max_failures,
                    attempt: 0,
                    failures: 0,
                    state: State::Ready,
                    holder: None,
                });
            }
            Step::Claim { limit } => self.claim(db, limit).await,
            Step::Cancel(choice) if !self.jobs.is_empty() => {
                let position = choice % self.jobs.len();
                let job = &mut self.jobs[position];
                let open = matches!(job.state, State::Ready | State::Running);
                assert_eq!(in_tx!(db, cancel, job.id).unwrap(), open);
                if open {
                    job.end(State::Cancelled);
                }
            }
            Step::LeasesRunOut => self.leases_run_out(db).await,
            Step::Settle(choice) if leases > 0 => {
                let result = in_tx!(db, settle, &self.leases[choice % leases].lease);
                self.ended(choice % leases, result.map(|()| State::Done), |_| State::Done);
            }
            Step::Fail(choice) if leases > 0 => {
                let result = in_tx!(db, fail, &self.leases[choice % leases].lease, "no");
                self.ended(choice % leases, result.map(|_| State::Dead), |_| State::Dead);
            }
            Step::Retry(choice) if leases > 0 => {
                let result = in_tx!(db, retry, &self.leases[choice % leases].lease, "no", Duration::ZERO);
                let result = result.map(|retried| match retried {
                    Retried::Later => State::Ready,
                    Retried::Dead(_) => State::Dead,
                });
                if let Some(job) = self.held(choice % leases) {
                    job.failures += 1;
                }
                self.ended(choice % leases, result, Known::after_an_attempt);
            }
            Step::Release(choice) if leases > 0 => {
                let result = in_tx!(db, release, &self.leases[choice % leases].lease);
                let released = result.is_ok();
                self.ended(choice % leases, result.map(|()| State::Ready), |_| State::Ready);
                if released {
                    self.of_lease(choice % leases).attempt -= 1;
                }
            }
            Step::Heartbeat(choice) if leases > 0 => {
                let lease = self.leases[choice % leases].lease;
                let held = crate::Held { lease, progress: Progress::default() };
                let kept = heartbeat(db, &[held], LEASE).await.unwrap();
                assert_eq!(kept.extended.contains(&lease.id), self.held(choice % leases).is_some());
                assert_ne!(kept.extended.contains(&lease.id), kept.lost.contains(&lease.id));
            }
            _ => {}
        }
    }

    async fn claim(&mut self, db: &Db, limit: u32) {
        let claimed = take(db, "w", limit).await;
        let ready = self.jobs.iter().filter(|job| job.state == State::Ready).count();
        assert_eq!(claimed.len(), ready.min(usize::try_from(limit).unwrap()));
        for job in claimed {
            let lease = self.leases.len();
            self.leases.push(job.clone());
            let known = self.of_lease(lease);
            assert_eq!(known.state, State::Ready);
            known.attempt += 1;
            assert_eq!((job.attempt, job.failures), (known.attempt, known.failures));
            assert!(known.attempt <= known.max_attempts);
            (known.state, known.holder) = (State::Running, Some(lease));
            let (id, priority) = (known.id, known.priority);
            let more_urgent = self
                .jobs
                .iter()
                .find(|other| other.state == State::Ready && other.id != id && other.priority > priority);
            assert!(more_urgent.is_none(), "{more_urgent:?} waits");
        }
    }

    async fn leases_run_out(&mut self, db: &Db) {
        pass(db, LEASE * 2).await;
        let reaped = in_tx!(db, reap, 1000).unwrap();
        let mut found = Vec::new();
        for id in exhausted(db, 1000).await.unwrap() {
            found.extend(in_tx!(db, bury_exhausted, id).unwrap().map(|dead| dead.id));
        }
        let (mut returned, mut dead) = (0, Vec::new());
        for job in self.jobs.iter_mut().filter(|job| job.state == State::Running) {
            match job.after_an_attempt() {
                State::Dead => dead.push(job.id),
                _ => returned += 1,
            }
            job.end(job.after_an_attempt());
        }
        found.sort_unstable();
        assert_eq!((reaped, found), (returned, dead));
    }

    /// The queue must have accepted the end exactly when the lease was valid, and ended it as `expected`.
    fn ended(&mut self, lease: usize, result: Result<State, Error>, expected: fn(&Known) -> State) {
        match (result, self.held(lease)) {
            (Ok(state), Some(job)) => {
                assert_eq!(state, expected(job), "{job:?}");
                job.end(state);
            }
            (Err(Error::LeaseLost(_)), None) => {}
            (result, held) => panic!("the queue says {result:?}, the model holds {held:?}"),
        }
    }

    async fn agrees(&self, db: &Db) {
        for job in &self.jobs {
            assert_eq!(state(db, job.id).await, job.state, "{job:?}");
        }
    }
}

impl Known {
    fn after_an_attempt(&self) -> State {
        let may_go_on = self.attempt < self.max_attempts && self.failures < self.max_failures;
        if may_go_on { State::Ready } else { State::Dead }
    }

    fn end(&mut self, state: State) {
        (self.state, self.holder) = (state, None);
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (-1..3_i64, 1..6_u32, 1..4_u32).prop_map(|(priority, max_attempts, max_failures)| {
            Step::Enqueue { priority, max_attempts, max_failures }
        }),
        4 => (0..4_u32).prop_map(|limit| Step::Claim { limit }),
        2 => any::<usize>().prop_map(Step::Settle),
        2 => any::<usize>().prop_map(Step::Retry),
        1 => any::<usize>().prop_map(Step::Fail),
        1 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Heartbeat),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => Just(Step::LeasesRunOut),
    ]
}

async fn the_queue_agrees_with_the_model(database: Database) {
    let db = open(&database).await;
    let runtime = tokio::runtime::Handle::current();
    let cases = tokio::task::spawn_blocking(move || {
        let mut runner =
            TestRunner::new(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() });
        runner.run(&prop::collection::vec(step(), 1..60), |history| {
            runtime.block_on(async {
                db.write(FORGET).execute().await.unwrap();
                let mut model = Model::default();
                for step in history {
                    model.step(&db, step).await;
                }
                model.agrees(&db).await;
            });
            Ok(())
        })
    });
    cases.await.unwrap().unwrap();
}

testbed::on_both_databases!(the_queue_agrees_with_the_model);
