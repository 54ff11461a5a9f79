//! What to try next when frames of a chunk did not come out.
//!
//! Two things lose frames. A source that lies about where decoding can start loses those at the start of a chunk, and
//! starting earlier brings them back. Damaged samples lose frames wherever they are, and nothing brings them back:
//! the frame before lasts longer.

use isobmff::ByteRange;

use crate::check::Missing;
use crate::feed::{Feed, FeedStart};

/// The attempts at one chunk so far.
#[derive(Debug)]
pub(crate) struct Attempts {
    first_frame: u32,
    samples_before: u32,
    tried: Vec<Attempt>,
}

#[derive(Debug)]
struct Attempt {
    start: FeedStart,
    origin: Option<ByteRange>,
    missing: Vec<u32>,
}

/// Samples that are decoded in vain at most, half an hour at 30 Hz: a file that is damaged at every chunk's start would
/// cost the square of its length.
const LONGEST_LEAD: u32 = 50_000;

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing is missing.
    Done,
    /// Decode again from here.
    Retry(FeedStart),
    /// What is missing is lost.
    Accept,
}

impl Attempts {
    /// For a chunk whose first frame in presentation order is `first_frame`, with so many samples of the source before
    /// it.
    pub(crate) fn new(first_frame: u32, samples_before: u32) -> Self {
        Self { first_frame, samples_before, tried: Vec::new() }
    }

    /// Records what an attempt left out. `origin` is [`feed_origin`] of its feed.
    pub(crate) fn record(&mut self, start: FeedStart, origin: Option<ByteRange>, missing: &Missing) -> Next {
        let unchanged = self.tried.last().is_some_and(|last| last.missing == missing.frames);
        let same_feed = self.tried.last().is_some_and(|last| last.origin == origin);
        let at_start = missing.frames.contains(&self.first_frame);
        self.tried.push(Attempt { start, origin, missing: missing.frames.clone() });
        if missing.frames.is_empty() {
            return Next::Done;
        }
        // The same bytes were decoded twice, or an earlier start changed nothing in the middle: it is damage.
        if same_feed || (unchanged && !at_start) {
            return Next::Accept;
        }
        let later = FeedStart::ATTEMPTS.iter().skip_while(|&&candidate| candidate != start).nth(1);
        match later {
            Some(FeedStart::EntryStart) if self.samples_before > LONGEST_LEAD => Next::Accept,
            Some(&start) => Next::Retry(start),
            None => Next::Accept,
        }
    }

    /// Where the attempts so far started.
    pub(crate) fn starts(&self) -> Vec<FeedStart> {
        self.tried.iter().map(|attempt| attempt.start).collect()
    }
}

/// The first bytes of the source that a feed decodes: two feeds of one chunk that share it are the same.
pub(crate) fn feed_origin(feed: &Feed) -> Option<ByteRange> {
    feed.fragments.iter().find_map(|fragment| fragment.ranges.first().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a source: for each attempt, where its feed starts and which frames it loses.
    fn play(results: &[(u64, &[u32])]) -> (Vec<FeedStart>, Next) {
        play_after(100, results)
    }

    fn play_after(samples_before: u32, results: &[(u64, &[u32])]) -> (Vec<FeedStart>, Next) {
        let mut attempts = Attempts::new(100, samples_before);
        let mut start = FeedStart::Sync;
        for (offset, frames) in results {
            let missing = Missing { frames: frames.to_vec(), segments: vec![] };
            match attempts.record(start, Some(ByteRange { offset: *offset, len: 1 }), &missing) {
                Next::Retry(next) => start = next,
                end => return (attempts.starts(), end),
            }
        }
        (attempts.starts(), Next::Retry(start))
    }

    #[test]
    fn a_whole_chunk_is_done_at_once() {
        assert_eq!(play(&[(900, &[])]), (vec![FeedStart::Sync], Next::Done));
    }

    #[test]
    fn a_lie_about_the_start_leads_back() {
        let (starts, end) = play(&[(900, &[100, 101, 102]), (700, &[100]), (500, &[])]);
        assert_eq!((starts, end), (FeedStart::ATTEMPTS[..3].to_vec(), Next::Done));
        let (starts, end) = play(&[(900, &[100]), (700, &[100]), (500, &[100]), (0, &[])]);
        assert_eq!((starts, end), (FeedStart::ATTEMPTS.to_vec(), Next::Done));
    }

    #[test]
    fn damage_is_accepted_after_one_retry() {
        let (starts, end) = play(&[(900, &[110, 111]), (700, &[110, 111])]);
        assert_eq!((starts, end), (FeedStart::ATTEMPTS[..2].to_vec(), Next::Accept));
    }

    #[test]
    fn where_there_is_no_earlier_start_one_retry_is_enough() {
        let (starts, end) = play(&[(0, &[100]), (0, &[100])]);
        assert_eq!((starts, end), (FeedStart::ATTEMPTS[..2].to_vec(), Next::Accept));
    }

    #[test]
    fn the_start_of_the_entry_is_the_last_attempt() {
        let (starts, end) = play(&[(900, &[100]), (700, &[100]), (500, &[100]), (0, &[100])]);
        assert_eq!((starts, end), (FeedStart::ATTEMPTS.to_vec(), Next::Accept));
    }

    #[test]
    fn the_start_of_a_long_entry_is_too_far() {
        let (starts, end) = play_after(LONGEST_LEAD + 1, &[(900, &[100]), (700, &[100]), (500, &[100])]);
        assert_eq!((starts, end), (FeedStart::ATTEMPTS[..3].to_vec(), Next::Accept));
    }
}
