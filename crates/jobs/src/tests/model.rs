//! The queue against a model in memory: random histories with crashes, frozen workers and late results. After each
//! step both must agree about what was answered, and at the end about every job.

mod queue;

use std::time::Duration;

use db::Db;
use proptest::{prelude::*, test_runner::TestRunner};
use testbed::Database;

use self::queue::{Known, Queue};
use super::{FORGET, LEASE, STAMPS, in_tx, job, open, pass, worker};
use crate::{
    Claim, Enqueued, Error, Filter, Held, Job, JobId, Lease, NewJob, Progress, Retention, Retried, State,
    bury_exhausted, cancel, cancel_group, claim, claim_limited, counter, enqueue, enqueue_all, exhausted,
    expedite, expedite_job, expire, fail, heartbeat, in_hand, let_go, list, pause, postpone, purge, reap,
    release, resume, retry, revive, revive_kind, settle,
};

const OWNERS: [&str; 3] = ["", "ann", "bob"];
const GROUPS: [&str; 2] = ["g", "h"];
const WORKERS: [&str; 2] = ["w0", "w1"];

// However these add up to a moment at which something ends, they miss it by seconds: so the real time that a history
// takes does not matter.
/// How far one step moves the clock.
const STEP: Duration = Duration::from_secs(12);
const DELAY: Duration = Duration::from_secs(30);
const KEEP_DONE: Duration = Duration::from_secs(66);
const KEEP_DEAD: Duration = Duration::from_secs(90);

/// One step of a history. Numbers choose among what there is then.
#[derive(Debug, Clone)]
enum Step {
    Enqueue {
        owner: usize,
        group: usize,
        priority: i64,
        max_attempts: u32,
        max_failures: u32,
        later: bool,
    },
    /// With the key of a job that is there already.
    EnqueueAgain(usize),
    /// Jobs of one counter, enqueued together.
    FanOut {
        owner: usize,
        group: usize,
        parts: u64,
    },
    Claim {
        worker: usize,
        limit: u32,
        urgent: bool,
        most: Option<std::num::NonZeroU32>,
    },
    Settle(usize),
    Retry {
        lease: usize,
        later: bool,
    },
    Postpone(usize),
    Fail(usize),
    Release(usize),
    LetGo(usize),
    Heartbeat(usize),
    Cancel(usize),
    CancelGroup(usize),
    Expedite {
        job: usize,
        priority: i64,
        by_key: bool,
    },
    Revive(usize),
    ReviveAll,
    Pause,
    Resume,
    /// A worker is known to be gone. It may be a mistake.
    Expire(usize),
    Pass,
    Reap,
    Purge,
}

struct History {
    queue: Queue,
    /// Every claim that was ever answered.
    claims: Vec<Job>,
    counters: usize,
}

impl History {
    async fn step(&mut self, db: &Db, step: Step) {
        match step {
            Step::Enqueue { .. } | Step::EnqueueAgain(_) | Step::FanOut { .. } => {
                self.enqueue(db, step).await;
            }
            Step::Claim { .. } => self.claim(db, step).await,
            Step::Settle(choice)
            | Step::Retry { lease: choice, .. }
            | Step::Postpone(choice)
            | Step::Fail(choice)
            | Step::Release(choice)
            | Step::LetGo(choice)
            | Step::Heartbeat(choice) => {
                if let Some(lease) = choose(&self.claims, choice).map(|job| job.lease) {
                    self.work(db, step, lease).await;
                }
            }
            Step::Cancel(choice) | Step::Revive(choice) | Step::Expedite { job: choice, .. } => {
                if let Some(known) = choose(&self.queue.jobs, choice).cloned() {
                    self.decide(db, step, known).await;
                }
            }
            _ => self.happen(db, step).await,
        }
    }

    async fn enqueue(&mut self, db: &Db, step: Step) {
        match step {
            Step::Enqueue { owner, group, priority, max_attempts, max_failures, later } => {
                let key = Some(format!("k{}", self.queue.jobs.len()));
                let known = Known::new(OWNERS[owner], GROUPS[group], priority);
                let known = Known { key, max_attempts, max_failures, ..known };
                let after = if later { DELAY } else { Duration::ZERO };
                let enqueued = in_tx!(db, enqueue, new_job(&known).after(after)).unwrap();
                match enqueued {
                    Enqueued::New(id) => self.queue.enqueue(known, id, after),
                    // A job that was forgotten in between has left its number to another one.
                    Enqueued::Existing(_) => drop(self.queue.take_stamp(priority, known.owner)),
                }
            }
            Step::EnqueueAgain(choice) => {
                let Some(known) = choose(&self.queue.jobs, choice).cloned() else { return };
                if known.key.is_some() {
                    let enqueued = in_tx!(db, enqueue, new_job(&known)).unwrap();
                    assert_eq!(enqueued, Enqueued::Existing(known.id));
                    self.queue.take_stamp(known.priority, known.owner);
                }
            }
            Step::FanOut { owner, group, parts } => {
                self.counters += 1;
                let counter = format!("c{}", self.counters);
                let known = Known::new(OWNERS[owner], GROUPS[group], 0);
                let known = Known { counter: Some(counter.clone()), ..known };
                let mut tx = db.begin().await.unwrap();
                counter::start(&mut tx, &counter, known.group, parts).await.unwrap();
                let jobs = (0..parts).map(|_| new_job(&known)).collect();
                let ids = enqueue_all(&mut tx, jobs).await.unwrap();
                tx.commit().await.unwrap();
                self.queue.enqueue_all(&known, ids);
                self.queue.counters.insert(counter, (parts, known.group));
            }
            other => unreachable!("{other:?}"),
        }
    }

    async fn claim(&mut self, db: &Db, step: Step) {
        let Step::Claim { worker: number, limit, urgent, most } = step else { unreachable!("{step:?}") };
        let (worker, min_priority) = (worker(WORKERS[number]), if urgent { 1 } else { i64::MIN });
        let ask = Claim { worker: &worker, queue: "q", kinds: &[], min_priority, limit, lease: LEASE };
        let slots = usize::try_from(limit).unwrap();
        let (expected, claimed) = match most {
            None => (self.queue.next(min_priority, slots), claim(db, &ask).await),
            Some(most) => {
                let most_running = usize::try_from(most.get()).unwrap();
                let expected = self.queue.next_limited(min_priority, slots, most_running);
                (expected, claim_limited(db, &ask, most).await)
            }
        };
        let claimed = claimed.unwrap();
        assert_eq!(claimed.iter().map(|job| job.lease.id).collect::<Vec<_>>(), expected);
        for job in claimed {
            let known = self.queue.claim(job.lease.id, number);
            assert_eq!((job.attempt, job.failures), (known.attempt, known.failures));
            assert!(known.attempt <= known.max_attempts);
            self.claims.push(job);
        }
    }

    /// What a worker does with a lease, which may be lost.
    async fn work(&mut self, db: &Db, step: Step, lease: Lease) {
        let held = self.queue.held(lease).cloned();
        match step {
            Step::Settle(_) => self.settle(db, lease).await,
            Step::Retry { later, .. } => {
                let after = if later { DELAY } else { Duration::ZERO };
                let ended = in_tx!(db, retry, &lease, "no", after);
                if let Some(job) = self.queue.held(lease) {
                    job.failures += 1;
                }
                self.ended(ended, lease, after, held.is_some());
            }
            Step::Postpone(_) => {
                let ended = in_tx!(db, postpone, &lease, "away", DELAY);
                self.ended(ended, lease, DELAY, held.is_some());
            }
            Step::Fail(_) => {
                assert_eq!(was_held(in_tx!(db, fail, &lease, "no")), held.is_some());
                held.inspect(|job| self.queue.end(job.id, State::Dead));
            }
            Step::Release(_) => {
                assert_eq!(was_held(in_tx!(db, release, &lease)), held.is_some());
                held.inspect(|job| self.queue.release(job.id));
            }
            Step::LetGo(_) => {
                let_go(db, &lease).await.unwrap();
                self.queue.let_go(lease);
            }
            Step::Heartbeat(_) => {
                let named = [Held { lease, progress: Progress::default() }];
                let kept = heartbeat(db, &named, LEASE).await.unwrap();
                assert_eq!(kept.extended.contains(&lease.id), self.queue.heartbeat(lease));
                assert_ne!(kept.extended.contains(&lease.id), kept.lost.contains(&lease.id));
            }
            other => unreachable!("{other:?}"),
        }
    }

    /// Ends a job well, and with the last of a counter what waited for all of them begins: once.
    async fn settle(&mut self, db: &Db, lease: Lease) {
        let held = self.queue.held(lease).cloned();
        let mut tx = db.begin().await.unwrap();
        let settled = settle(&mut tx, &lease).await;
        assert_eq!(was_held(settled), held.is_some());
        let Some(job) = held else { return };
        self.queue.end(job.id, State::Done);
        if let Some(name) = &job.counter {
            let remaining = counter::count_down(&mut tx, name).await.unwrap();
            assert_eq!(remaining, self.queue.count_down(name));
            if remaining == Some(0) {
                let last = Known::new(job.owner, job.group, 2);
                let last = Known { key: Some(format!("after {name}")), ..last };
                let enqueued = enqueue(&mut tx, new_job(&last)).await.unwrap();
                let Enqueued::New(id) = enqueued else { panic!("`{name}` reached zero twice") };
                self.queue.enqueue(last, id, Duration::ZERO);
            }
        }
        tx.commit().await.unwrap();
    }

    /// What people decide about one job.
    async fn decide(&mut self, db: &Db, step: Step, known: Known) {
        match (step, &known.key) {
            (Step::Cancel(_), _) => {
                assert_eq!(in_tx!(db, cancel, known.id).unwrap(), self.queue.cancel(known.id));
            }
            (Step::Revive(_), _) => {
                assert_eq!(in_tx!(db, revive, known.id).unwrap(), self.queue.revive(known.id));
            }
            (Step::Expedite { priority, by_key: true, .. }, Some(key)) => {
                let changed = in_tx!(db, expedite, key, priority).unwrap();
                assert_eq!(changed, self.queue.expedite(known.id, priority));
            }
            (Step::Expedite { priority, .. }, _) => {
                let changed = in_tx!(db, expedite_job, known.id, priority).unwrap();
                assert_eq!(changed, self.queue.expedite(known.id, priority));
            }
            (other, _) => unreachable!("{other:?}"),
        }
    }

    async fn happen(&mut self, db: &Db, step: Step) {
        match step {
            Step::CancelGroup(group) => {
                let cancelled = in_tx!(db, cancel_group, GROUPS[group]).unwrap();
                assert_eq!(cancelled, self.queue.cancel_group(GROUPS[group]));
            }
            Step::ReviveAll => {
                let dead: Vec<JobId> = self.queue.jobs.iter().map(|job| job.id).collect();
                let revived = dead.into_iter().filter(|id| self.queue.revive(*id)).count();
                assert_eq!(usize::try_from(in_tx!(db, revive_kind, "k", 1000).unwrap()).unwrap(), revived);
            }
            Step::Pause | Step::Resume => {
                self.queue.is_paused = matches!(step, Step::Pause);
                let done = match step {
                    Step::Pause => in_tx!(db, pause, "q"),
                    _ => in_tx!(db, resume, "q"),
                };
                done.unwrap();
            }
            Step::Expire(number) => {
                let held = expire(db, &worker(WORKERS[number])).await.unwrap();
                assert_eq!(held, self.queue.expire(number));
            }
            Step::Pass => {
                pass(db, STEP).await;
                self.queue.pass(STEP);
            }
            Step::Reap => {
                let (returned, mut dead) = self.queue.reap();
                assert_eq!(in_tx!(db, reap, 1000).unwrap(), returned);
                let mut found = exhausted(db, 1000).await.unwrap();
                for id in &found {
                    assert_eq!(in_tx!(db, bury_exhausted, *id).unwrap().map(|dead| dead.id), Some(*id));
                }
                dead.sort_unstable();
                found.sort_unstable();
                assert_eq!(found, dead);
            }
            Step::Purge => {
                let keep = Retention { done: KEEP_DONE, dead: KEEP_DEAD };
                assert_eq!(purge(db, keep, 1000).await.unwrap(), self.queue.purge(KEEP_DONE, KEEP_DEAD));
            }
            other => unreachable!("{other:?}"),
        }
    }

    /// The queue must have ended the attempt exactly when the lease was good, and as the model does.
    fn ended(&mut self, ended: crate::Result<Retried>, lease: Lease, after: Duration, held: bool) {
        let state = match ended {
            Ok(Retried::Later) => Some(State::Ready),
            Ok(Retried::Dead(dead)) => Some(State::Dead).filter(|_| dead.id == lease.id),
            Err(Error::LeaseLost(_)) => None,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(state, held.then(|| self.queue.end_attempt(lease.id, after)));
    }

    /// Nothing is lost, and nothing is there that should not be.
    async fn agrees(&self, db: &Db) {
        let mut stored = list(db, &Filter::default(), None, 1000).await.unwrap();
        stored.reverse();
        let mut expected: Vec<&Known> = self.queue.jobs.iter().collect();
        expected.sort_unstable_by_key(|job| job.id);
        assert_eq!(stored.len(), expected.len());
        let stamps: Vec<i64> = db.read(STAMPS).values().await.unwrap();
        assert_eq!(stamps, expected.iter().map(|job| job.stamp).collect::<Vec<_>>());
        for (stored, expected) in stored.iter().zip(expected) {
            let shown = (stored.id, stored.state, stored.priority, stored.attempt, stored.failures);
            let wanted =
                (expected.id, expected.state, expected.priority, expected.attempt, expected.failures);
            assert_eq!(shown, wanted);
            assert_eq!(stored.lease_until.is_some(), expected.lease_ends.is_some(), "{expected:?}");
        }
        for group in GROUPS {
            assert_eq!(in_hand(db, group).await.unwrap(), self.queue.in_hand(group));
        }
    }
}

fn choose<T>(among: &[T], choice: usize) -> Option<&T> {
    among.get(choice.checked_rem(among.len())?)
}

fn was_held<T>(ended: crate::Result<T>) -> bool {
    match ended {
        Ok(_) => true,
        Err(Error::LeaseLost(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

fn new_job(known: &Known) -> NewJob {
    let job = job("k").owner(known.owner).group(known.group).priority(known.priority);
    let job = job.max_attempts(known.max_attempts).max_failures(known.max_failures);
    match &known.key {
        Some(key) => job.dedup_key(key),
        None => job,
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (owner, group, worker) = (0..OWNERS.len(), 0..GROUPS.len(), 0..WORKERS.len());
    let new = (owner.clone(), group.clone(), -1..3_i64, 1..6_u32, 1..4_u32, prop::bool::weighted(0.2));
    let ask = (worker.clone(), 0..4_u32, prop::bool::weighted(0.2), prop::option::weighted(0.4, 1..3_u32));
    let raise = (any::<usize>(), 1..4_i64, any::<bool>());
    prop_oneof![
        12 => new.prop_map(|(owner, group, priority, max_attempts, max_failures, later)| {
            Step::Enqueue { owner, group, priority, max_attempts, max_failures, later }
        }),
        2 => any::<usize>().prop_map(Step::EnqueueAgain),
        3 => (owner, group.clone(), 1..4_u64)
            .prop_map(|(owner, group, parts)| Step::FanOut { owner, group, parts }),
        16 => ask.prop_map(|(worker, limit, urgent, most)| {
            Step::Claim { worker, limit, urgent, most: most.and_then(std::num::NonZeroU32::new) }
        }),
        10 => any::<usize>().prop_map(Step::Settle),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(lease, later)| Step::Retry { lease, later }),
        2 => any::<usize>().prop_map(Step::Postpone),
        3 => any::<usize>().prop_map(Step::Fail),
        3 => any::<usize>().prop_map(Step::Release),
        2 => any::<usize>().prop_map(Step::LetGo),
        3 => any::<usize>().prop_map(Step::Heartbeat),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => group.prop_map(Step::CancelGroup),
        3 => raise.prop_map(|(job, priority, by_key)| Step::Expedite { job, priority, by_key }),
        2 => any::<usize>().prop_map(Step::Revive),
        1 => Just(Step::ReviveAll),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        1 => worker.prop_map(Step::Expire),
        6 => Just(Step::Pass),
        4 => Just(Step::Reap),
        1 => Just(Step::Purge),
    ]
}

async fn the_queue_agrees_with_the_model(database: Database) {
    let db = open(&database).await;
    let runtime = tokio::runtime::Handle::current();
    let cases = tokio::task::spawn_blocking(move || {
        let mut runner =
            TestRunner::new(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() });
        runner.run(&prop::collection::vec(step(), 1..80), |history| {
            runtime.block_on(async {
                for table in FORGET {
                    db.write(*table).execute().await.unwrap();
                }
                let mut run = History { queue: Queue::new(), claims: Vec::new(), counters: 0 };
                for step in history {
                    run.step(&db, step).await;
                }
                run.agrees(&db).await;
            });
            Ok(())
        })
    });
    cases.await.unwrap().unwrap();
}

testbed::on_both_databases!(the_queue_agrees_with_the_model);
