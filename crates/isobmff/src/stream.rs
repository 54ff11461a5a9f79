//! Fragmented MP4 as it comes out of a pipe: bytes in, whole fragments out.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::boxes::{BoxHeader, BoxLen};
use crate::entry::SampleEntry;
use crate::error::Error;
use crate::fourcc::FourCc;
use crate::fragment::{TrackDefaults, TrackFragment, parse_fragment};
use crate::header::MovieHeader;
use crate::limits::{Limits, SampleBudget};
use crate::size::{to_u64, to_usize};

/// What the stream has told so far.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEvent {
    /// `moov` is complete.
    Init(Vec<StreamTrack>),
    /// A `moof` and all of its media are complete.
    Fragment(StreamFragment),
}

/// One track of the stream's `moov`.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamTrack {
    /// `tkhd` track_ID.
    pub id: u32,
    /// `hdlr` handler type.
    pub handler: FourCc,
    /// Ticks per second of the track's times (`mdhd`), never 0.
    pub timescale: u32,
    /// Every entry of `stsd`, verbatim.
    pub entries: Vec<SampleEntry>,
}

/// The samples of one `traf`.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamFragment {
    /// Which [`StreamTrack`].
    pub track_id: u32,
    /// In decode order.
    pub samples: Vec<StreamSample>,
    /// The samples' bytes back to back, in order of `samples`. Shares the buffer that was read, unless the stream
    /// scatters them.
    pub data: Bytes,
}

/// One sample of a [`StreamFragment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSample {
    /// Absolute, from `tfdt`; may be negative in streams that write it as a wrapped u64.
    pub decode_time: i64,
    /// Presentation time minus decode time.
    pub composition_offset: i32,
    /// In the track's timescale.
    pub duration: u32,
    /// Length in bytes.
    pub size: u32,
    /// Whether decoding can start here.
    pub sync: bool,
}

/// Incremental parser; memory is bounded by the largest fragment allowed.
///
/// `moov` comes first; each `moof` is followed by the one `mdat` that holds its samples, as every muxer that writes to
/// a pipe does. Samples of `moov` itself are not told of, and all other boxes are stepped over. Errors are final.
#[derive(Debug)]
pub struct FragmentStream {
    max_fragment_bytes: u64,
    buffer: BytesMut,
    /// Where the buffer starts in the stream.
    position: u64,
    /// Bytes of the current box that are stepped over as they come.
    skip: u64,
    tracks: Vec<TrackClock>,
    defaults: Vec<TrackDefaults>,
    /// Of the `moof` whose `mdat` has not come.
    pending: Vec<PendingFragment>,
    ready: VecDeque<StreamEvent>,
    failure: Option<Error>,
}

/// Where a track's next fragment starts when it does not say.
#[derive(Debug)]
struct TrackClock {
    id: u32,
    end: i64,
}

#[derive(Debug)]
struct PendingFragment {
    track_id: u32,
    samples: Vec<StreamSample>,
    /// (position in the stream, length) of the bytes of each run.
    extents: Vec<(u64, u64)>,
}

impl FragmentStream {
    /// Refuses a box longer than `max_fragment_bytes`.
    pub fn new(max_fragment_bytes: u64) -> Self {
        Self {
            max_fragment_bytes,
            buffer: BytesMut::new(),
            position: 0,
            skip: 0,
            tracks: Vec::new(),
            defaults: Vec::new(),
            pending: Vec::new(),
            ready: VecDeque::new(),
            failure: None,
        }
    }

    /// The next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        let skipped = to_usize(self.skip).min(bytes.len());
        let (skipped, kept) = bytes.split_at(skipped);
        self.skip -= to_u64(skipped.len());
        self.position += to_u64(skipped.len());
        self.buffer.extend_from_slice(kept);
    }

    /// The next complete event, if the bytes for it are there.
    ///
    /// # Errors
    /// Every situation of [`Error`] that a stream can be in.
    pub fn poll(&mut self) -> Result<Option<StreamEvent>, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            match self.step() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(failure) => self.failure = Some(failure),
            }
        }
    }

    /// Whether no partial box is left over: call at the end of the stream.
    pub fn is_drained(&self) -> bool {
        self.buffer.is_empty() && self.skip == 0 && self.pending.is_empty() && self.ready.is_empty()
    }

    /// Takes one box off the buffer; `false` when it is not complete.
    fn step(&mut self) -> Result<bool, Error> {
        let Some(header) = BoxHeader::parse(&self.buffer) else { return Ok(false) };
        let kind = header.kind;
        let BoxLen::Bytes(len) = header.len else { return Err(Error::UnboundedBox { kind }) };
        if usize::try_from(len).is_ok_and(|len| len < header.header_len) {
            return Err(Error::BoxTooLong { kind, room: to_u64(self.buffer.len()) });
        }
        let needed = match kind {
            FourCc::MOOV | FourCc::MOOF => true,
            FourCc::MDAT => !self.pending.is_empty(),
            _ => false,
        };
        if !needed {
            self.step_over(len);
            return Ok(true);
        }
        if len > self.max_fragment_bytes {
            return Err(Error::HeaderTooLong { kind, len, limit: self.max_fragment_bytes });
        }
        let whole = to_usize(len);
        if self.buffer.len() < whole {
            return Ok(false);
        }
        if kind != FourCc::MDAT && !self.pending.is_empty() {
            return Err(Error::FragmentWithoutMedia { kind });
        }
        let start = self.position;
        let bytes = self.buffer.split_to(whole).freeze();
        self.position += len;
        let body = bytes.slice(header.header_len..);
        match kind {
            FourCc::MOOV => self.read_init(&body)?,
            FourCc::MOOF => self.read_fragment(&body, start)?,
            _ => self.read_media(&body, start + (len - to_u64(body.len())))?,
        }
        Ok(true)
    }

    fn step_over(&mut self, len: u64) {
        let held = to_usize(len).min(self.buffer.len());
        self.buffer.advance(held);
        self.position += to_u64(held);
        self.skip = len - to_u64(held);
    }

    fn read_init(&mut self, moov: &[u8]) -> Result<(), Error> {
        let movie = MovieHeader::parse(moov, &Limits::default(), &mut self.budget())?;
        self.tracks = movie.tracks.iter().map(|track| TrackClock { id: track.id, end: 0 }).collect();
        self.defaults = movie.defaults.unwrap_or_default();
        let tracks = movie.tracks.into_iter().map(|track| StreamTrack {
            id: track.id,
            handler: track.handler,
            timescale: track.timescale,
            entries: track.entries,
        });
        self.ready.push_back(StreamEvent::Init(tracks.collect()));
        Ok(())
    }

    fn read_fragment(&mut self, moof: &[u8], start: u64) -> Result<(), Error> {
        let mut budget = self.budget();
        for fragment in parse_fragment(moof, start, &self.defaults)? {
            let track_id = fragment.track_id;
            let clock = self.tracks.iter_mut().find(|track| track.id == track_id);
            let clock = clock.ok_or(Error::UnknownTrack { track_id })?;
            self.pending.push(PendingFragment::new(&fragment, clock, &mut budget)?);
        }
        if self.pending.iter().all(|fragment| fragment.extents.is_empty()) {
            self.read_media(&Bytes::new(), start)?;
        }
        Ok(())
    }

    /// Completes the pending fragments with the body of their `mdat`.
    fn read_media(&mut self, media: &Bytes, media_start: u64) -> Result<(), Error> {
        for PendingFragment { track_id, samples, extents } in self.pending.drain(..) {
            let slice = |(start, len): (u64, u64)| {
                let start = usize::try_from(start.checked_sub(media_start)?).ok()?;
                let end = start.checked_add(usize::try_from(len).ok()?)?;
                (end <= media.len()).then(|| media.slice(start..end))
            };
            let outside = Error::MediaOutsideFragment { track_id };
            // Runs that share bytes could otherwise multiply them.
            if extents.iter().map(|(_, len)| u128::from(*len)).sum::<u128>() > u128::from(to_u64(media.len()))
            {
                return Err(outside);
            }
            let data = match extents.as_slice() {
                [] => Bytes::new(),
                [extent] => slice(*extent).ok_or(outside)?,
                scattered => {
                    let mut gathered = BytesMut::new();
                    for extent in scattered {
                        gathered.extend_from_slice(&slice(*extent).ok_or_else(|| outside.clone())?);
                    }
                    gathered.freeze()
                }
            };
            self.ready.push_back(StreamEvent::Fragment(StreamFragment { track_id, samples, data }));
        }
        Ok(())
    }

    /// Samples may cost no bytes in the stream, yet their rows must not take more memory than a fragment may.
    fn budget(&self) -> SampleBudget {
        SampleBudget::new((self.max_fragment_bytes / to_u64(size_of::<StreamSample>())).max(1))
    }
}

impl PendingFragment {
    fn new(
        fragment: &TrackFragment<'_>,
        clock: &mut TrackClock,
        budget: &mut SampleBudget,
    ) -> Result<Self, Error> {
        let mut pending = Self { track_id: fragment.track_id, samples: Vec::new(), extents: Vec::new() };
        let mut decode_time = fragment.decode_time.unwrap_or(clock.end);
        for run in &fragment.runs {
            budget.spend(run.count)?;
            for sample in run.samples() {
                pending.samples.push(StreamSample {
                    decode_time,
                    composition_offset: sample.composition_offset,
                    duration: sample.duration,
                    size: sample.size,
                    sync: sample.sync,
                });
                decode_time = decode_time.saturating_add(sample.duration.into());
            }
            match pending.extents.last_mut() {
                _ if run.size == 0 => {}
                Some((start, len)) if *start + *len == run.offset => *len += run.size,
                _ => pending.extents.push((run.offset, run.size)),
            }
        }
        clock.end = decode_time;
        Ok(pending)
    }
}
