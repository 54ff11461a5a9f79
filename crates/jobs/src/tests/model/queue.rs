//! The queue as it should be: in memory, one thing after another, with a clock that only [`Queue::pass`] moves.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use super::super::LEASE;
use crate::{JobId, Lease, State};

/// All that matters of the queue.
#[derive(Debug)]
pub(super) struct Queue {
    now: Duration,
    pub(super) jobs: Vec<Known>,
    /// The last stamp of each owner in each lane.
    shares: BTreeMap<(i64, &'static str), i64>,
    /// What each counter still waits for, and the group it goes with.
    pub(super) counters: BTreeMap<String, (u64, &'static str)>,
    pub(super) is_paused: bool,
}

/// All that matters of a job.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) id: JobId,
    pub(super) key: Option<String>,
    pub(super) owner: &'static str,
    pub(super) group: &'static str,
    /// What is counted down when it is done.
    pub(super) counter: Option<String>,
    pub(super) priority: i64,
    pub(super) max_attempts: u32,
    pub(super) max_failures: u32,
    pub(super) due: Duration,
    pub(super) stamp: i64,
    pub(super) state: State,
    pub(super) attempt: u32,
    pub(super) failures: u32,
    pub(super) lease_ends: Option<Duration>,
    pub(super) fence: i64,
    pub(super) was_started: bool,
    pub(super) worker: usize,
    pub(super) finished: Duration,
}

impl Known {
    /// A job that was not enqueued yet.
    pub(super) fn new(owner: &'static str, group: &'static str, priority: i64) -> Self {
        Self {
            id: JobId(0),
            key: None,
            owner,
            group,
            counter: None,
            priority,
            max_attempts: 25,
            max_failures: 5,
            due: Duration::ZERO,
            stamp: 0,
            state: State::Ready,
            attempt: 0,
            failures: 0,
            lease_ends: None,
            fence: 0,
            was_started: false,
            worker: 0,
            finished: Duration::ZERO,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Ready | State::Running)
    }

    fn end(&mut self, state: State, now: Duration) {
        // Somebody may be at work on a cancelled job until its lease is over.
        self.lease_ends = self.lease_ends.filter(|_| state == State::Cancelled);
        (self.state, self.finished) = (state, now);
    }

    fn come_back(&mut self, due: Duration) {
        (self.state, self.due, self.lease_ends) = (State::Ready, due, None);
    }
}

impl Queue {
    pub(super) fn new() -> Self {
        let now = Duration::from_secs(3600);
        let (jobs, shares, counters) = Default::default();
        Self { now, jobs, shares, counters, is_paused: false }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Enqueues a job `after` a time, as `id`.
    pub(super) fn enqueue(&mut self, job: Known, id: JobId, after: Duration) {
        let stamp = self.take_stamp(job.priority, job.owner);
        self.jobs.push(Known { id, stamp, due: self.now + after, ..job });
    }

    /// Enqueues several like this one together: their stamps follow each other, whatever waits.
    pub(super) fn enqueue_all(&mut self, job: &Known, ids: Vec<JobId>) {
        let mut stamp = self.take_stamp(job.priority, job.owner) - 1;
        for id in ids {
            stamp += 1;
            self.jobs.push(Known { id, stamp, due: self.now, ..job.clone() });
        }
        self.shares.insert((job.priority, job.owner), stamp);
    }

    /// The next stamp of an owner in a lane.
    pub(super) fn take_stamp(&mut self, priority: i64, owner: &'static str) -> i64 {
        let waiting = self.jobs.iter().filter(|job| {
            job.state == State::Ready && job.priority == priority && job.due <= self.now && !job.was_started
        });
        let last = self.shares.iter().filter(|((lane, _), _)| *lane == priority).map(|(_, stamp)| *stamp);
        let head = waiting.map(|job| job.stamp).min().or(last.max()).unwrap_or(0);
        let share = self.shares.entry((priority, owner)).or_insert(head);
        *share = head.max(*share) + 1;
        *share
    }

    /// Those that may be claimed, in their order.
    fn claimable(&self, min_priority: i64) -> Vec<&Known> {
        let mut jobs: Vec<&Known> = self
            .jobs
            .iter()
            .filter(|job| !self.is_paused && job.state == State::Ready)
            .filter(|job| job.due <= self.now && job.priority >= min_priority)
            .collect();
        jobs.sort_by_key(|job| (Reverse(job.priority), job.stamp, job.id));
        jobs
    }

    /// What a claim must answer.
    pub(super) fn next(&self, min_priority: i64, limit: usize) -> Vec<JobId> {
        self.claimable(min_priority).into_iter().take(limit).map(|job| job.id).collect()
    }

    /// What a claim must answer that gives no owner more than `most`.
    pub(super) fn next_limited(&self, min_priority: i64, limit: usize, most: usize) -> Vec<JobId> {
        let mut heads: Vec<&Known> = Vec::new();
        for job in self.claimable(min_priority) {
            let running = self.jobs.iter().filter(|other| other.owner == job.owner);
            let running = running.filter(|other| other.state == State::Running).count();
            let may_run = job.owner.is_empty() || running < most;
            if may_run && heads.iter().all(|head| head.owner != job.owner) {
                heads.push(job);
            }
        }
        heads.into_iter().take(limit).map(|job| job.id).collect()
    }

    /// A worker has it.
    pub(super) fn claim(&mut self, id: JobId, worker: usize) -> &Known {
        let lease_ends = Some(self.now + LEASE);
        let job = self.job(id).unwrap();
        job.attempt += 1;
        job.fence += 1;
        (job.state, job.was_started) = (State::Running, true);
        (job.lease_ends, job.worker) = (lease_ends, worker);
        job
    }

    pub(super) fn job(&mut self, id: JobId) -> Option<&mut Known> {
        self.jobs.iter_mut().find(|job| job.id == id)
    }

    /// The job of a lease that is still good.
    pub(super) fn held(&mut self, lease: Lease) -> Option<&mut Known> {
        self.job(lease.id).filter(|job| job.state == State::Running && job.fence == lease.fence)
    }

    /// The lease is good for another while, or not good at all.
    pub(super) fn heartbeat(&mut self, lease: Lease) -> bool {
        let ends = self.now + LEASE;
        self.held(lease).map(|job| job.lease_ends = Some(ends)).is_some()
    }

    /// Whoever was at work on a cancelled job has stopped.
    pub(super) fn let_go(&mut self, lease: Lease) {
        let stopped = |job: &&mut Known| job.state == State::Cancelled && job.fence == lease.fence;
        if let Some(job) = self.job(lease.id).filter(stopped) {
            job.lease_ends = None;
        }
    }

    pub(super) fn end(&mut self, id: JobId, state: State) {
        let now = self.now;
        self.job(id).unwrap().end(state, now);
    }

    /// The attempt is over; it runs again unless it was the last one.
    pub(super) fn end_attempt(&mut self, id: JobId, after: Duration) -> State {
        let now = self.now;
        let job = self.job(id).unwrap();
        if job.attempt < job.max_attempts && job.failures < job.max_failures {
            job.come_back(now + after);
        } else {
            job.end(State::Dead, now);
        }
        job.state
    }

    /// Handed back, the attempt not counted.
    pub(super) fn release(&mut self, id: JobId) {
        let now = self.now;
        let job = self.job(id).unwrap();
        job.attempt -= 1;
        job.come_back(now);
    }

    /// Answers whether there was something to cancel.
    pub(super) fn cancel(&mut self, id: JobId) -> bool {
        let now = self.now;
        let open = self.job(id).filter(|job| job.is_open());
        open.map(|job| job.end(State::Cancelled, now)).is_some()
    }

    pub(super) fn cancel_group(&mut self, group: &str) -> u64 {
        self.counters.retain(|_, (_, of)| *of != group);
        let ids: Vec<JobId> = self.jobs.iter().filter(|job| job.group == group).map(|job| job.id).collect();
        u64::try_from(ids.into_iter().filter(|id| self.cancel(*id)).count()).unwrap()
    }

    /// All leases of a worker that is known to be gone.
    pub(super) fn expire(&mut self, worker: usize) -> u64 {
        let running = self.jobs.iter_mut().filter(|job| job.state == State::Running && job.worker == worker);
        running.map(|job| job.lease_ends = Some(Duration::ZERO)).count().try_into().unwrap()
    }

    /// Those that come back, and those that are dead because they had all their attempts.
    pub(super) fn reap(&mut self) -> (u64, Vec<JobId>) {
        let lost = |job: &&Known| job.state == State::Running && job.lease_ends < Some(self.now);
        let ids: Vec<JobId> = self.jobs.iter().filter(lost).map(|job| job.id).collect();
        let (mut returned, mut dead) = (0, Vec::new());
        for id in ids {
            match self.end_attempt(id, Duration::ZERO) {
                State::Dead => dead.push(id),
                _ => returned += 1,
            }
        }
        (returned, dead)
    }

    /// Answers whether it was dead.
    pub(super) fn revive(&mut self, id: JobId) -> bool {
        let now = self.now;
        let dead = self.job(id).filter(|job| job.state == State::Dead);
        dead.map(|job| {
            (job.attempt, job.failures) = (0, 0);
            job.come_back(now);
        })
        .is_some()
    }

    /// Answers whether it was changed.
    pub(super) fn expedite(&mut self, id: JobId, priority: i64) -> bool {
        let waits = |job: &&mut Known| job.state == State::Ready && job.priority < priority;
        let Some(owner) = self.job(id).filter(waits).map(|job| job.owner) else { return false };
        let stamp = self.take_stamp(priority, owner);
        let job = self.job(id).unwrap();
        (job.priority, job.stamp) = (priority, stamp);
        true
    }

    /// Counts down, and answers what remains.
    pub(super) fn count_down(&mut self, counter: &str) -> Option<u64> {
        let (remaining, _) = self.counters.get_mut(counter)?;
        *remaining -= 1;
        let remaining = *remaining;
        if remaining == 0 {
            self.counters.remove(counter);
        }
        Some(remaining)
    }

    /// Forgets what ended so long ago, and answers how many that were.
    pub(super) fn purge(&mut self, done: Duration, dead: Duration) -> u64 {
        let before = self.jobs.len();
        let now = self.now;
        self.jobs.retain(|job| {
            let keep = if job.state == State::Dead { dead } else { done };
            job.is_open() || job.finished + keep > now
        });
        u64::try_from(before - self.jobs.len()).unwrap()
    }

    /// How many jobs of a group somebody may be at work on.
    pub(super) fn in_hand(&self, group: &str) -> u64 {
        let of_group = self.jobs.iter().filter(|job| job.group == group);
        of_group.filter(|job| job.lease_ends > Some(self.now)).count().try_into().unwrap()
    }
}
