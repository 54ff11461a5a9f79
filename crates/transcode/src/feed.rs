//! What goes into ffmpeg's stdin: fragmented MP4 made of an init segment, our fragment headers and byte ranges of the
//! source.

use std::{collections::BTreeMap, ops::Range};

use isobmff::{
    ByteRange, EditList, FragmentSample, FragmentSpec, InitSpec, InitTrack, Matrix, Movie, Sample, SyncTable,
    Track, write_fragment_header, write_init,
};

use crate::timeline::Timeline;

#[cfg(test)]
mod tests;

/// A fragmented MP4 to stream: the init segment, then for each fragment its header and the source's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Feed {
    /// `ftyp` and `moov`.
    pub init: Vec<u8>,
    /// In decode order.
    pub fragments: Vec<FeedFragment>,
}

/// One fragment of a [`Feed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedFragment {
    /// `moof` and the header of `mdat`.
    pub header: Vec<u8>,
    /// Ranges of the source whose bytes follow the header, in this order; neighbours are joined.
    pub ranges: Vec<ByteRange>,
}

/// Where decoding starts: sources lie about what can be decoded alone, and only the result tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedStart {
    /// At the sync sample that the first wanted frame needs.
    Sync,
    /// So many sync samples earlier.
    Back(u8),
    /// At the first sample that uses the same sample entry.
    EntryStart,
}

impl FeedStart {
    /// What to try, in this order, as long as frames are missing.
    pub const ATTEMPTS: [Self; 4] = [Self::Sync, Self::Back(1), Self::Back(2), Self::EntryStart];
}

/// Samples whose bytes are replaced by those of another sample, by decode index: a picture for a segment of which the
/// decoder lost every frame.
pub type Substitutes = BTreeMap<u32, u32>;

/// The samples that give a run of frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkFeed {
    pub(crate) feed: Feed,
    /// Presentation times in the stream of the wanted frames, in order of presentation.
    pub(crate) times: Vec<i64>,
}

/// Samples in a fragment.
const FRAGMENT_SAMPLES: usize = 32;
/// Samples that ffprobe gets to look at, and the bytes after which there are no more.
const HEAD_SAMPLES: usize = 48;
const HEAD_BYTES: u64 = 16 << 20;
/// Where every sample is declared a sync sample and is none, encoders' longest usual distance between two.
const USUAL_GOP: u32 = 250;
/// The track id of every feed.
const TRACK_ID: u32 = 1;

/// The init segment and the first samples of a track, for ffprobe.
pub fn head(movie: &Movie, track: &Track) -> Feed {
    let entry = first_entry(track);
    let mut bytes = 0;
    let samples = indexed(track, 0..track.samples.len()).take(HEAD_SAMPLES).take_while(|(index, sample)| {
        bytes += u64::from(sample.size);
        sample.entry == entry && (bytes <= HEAD_BYTES || *index == 0)
    });
    Feed::new(movie, track, entry, &Clock::of(track).fed(samples), FRAGMENT_SAMPLES)
}

/// Every sample of a track that uses its first sample entry: the sound is encoded whole.
pub(crate) fn whole(movie: &Movie, track: &Track) -> Feed {
    let entry = first_entry(track);
    let samples = indexed(track, 0..track.samples.len()).filter(|(_, sample)| sample.entry == entry);
    Feed::new(movie, track, entry, &Clock::of(track).fed(samples), 4 * FRAGMENT_SAMPLES)
}

/// Stand-ins for segments that came out without any frame: at each one's boundary the sync sample that is nearest among
/// those of other segments with the same sample entry, the earlier if there is one. Empty when there is none.
pub fn substitutes(track: &Track, timeline: &Timeline, lost: &[u32]) -> Substitutes {
    let lost_frames =
        |frame: &u32| lost.iter().any(|&segment| timeline.segment_frames(segment).contains(frame));
    let sample_of = |frame: u32| timeline.frame(frame).map(|frame| frame.sample);
    let substitute = |&segment: &u32| {
        let boundary = timeline.segment_frames(segment).start;
        let damaged = sample_of(boundary)?;
        let entry = track.samples.get(damaged)?.entry;
        let good = |frame: &u32| {
            let sample = sample_of(*frame).and_then(|sample| track.samples.get(sample));
            sample.is_some_and(|sample| sample.sync && sample.entry == entry) && !lost_frames(frame)
        };
        let earlier = (0..boundary).rev().find(good);
        let stand_in = earlier.or_else(|| (boundary..timeline.frame_count()).find(good))?;
        Some((damaged, sample_of(stand_in)?))
    };
    lost.iter().filter_map(substitute).collect()
}

/// What a chunk needs fed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkSource<'a> {
    pub(crate) movie: &'a Movie,
    pub(crate) track: &'a Track,
    pub(crate) timeline: &'a Timeline,
    /// Frames on each side that filters look at besides the wanted ones.
    pub(crate) context: u32,
    pub(crate) start: FeedStart,
    pub(crate) substitutes: &'a Substitutes,
}

impl ChunkSource<'_> {
    /// The samples for the frames `wanted`, which all use one sample entry.
    pub(crate) fn feed(&self, wanted: Range<u32>) -> ChunkFeed {
        let Self { movie, track, timeline, context, .. } = *self;
        let entry = self.entry(wanted.start).unwrap_or_default();
        let around = wanted.start.saturating_sub(context)..wanted.end.saturating_add(context);
        let (mut first, mut last) = (u32::MAX, 0);
        for frame in
            around.filter(|&frame| self.entry(frame) == Some(entry)).filter_map(|frame| timeline.frame(frame))
        {
            first = first.min(needed_sync(track, frame.sample));
            last = last.max(frame.sample);
        }
        let first = self.start.back_from(track, first, entry);
        let clock = Clock::on(track, timeline);
        let samples =
            indexed(track, first..last.saturating_add(1)).filter(|(_, sample)| sample.entry == entry);
        let mut fed = clock.fed(samples);
        for sample in &mut fed {
            if let Some(stand_in) =
                self.substitutes.get(&sample.index).and_then(|&index| track.samples.get(index))
            {
                sample.bytes = bytes_of(&stand_in);
                sample.sync = stand_in.sync;
            }
        }
        let times =
            wanted.filter_map(|frame| timeline.frame(frame)).filter_map(|frame| clock.time(frame.sample));
        ChunkFeed { times: times.collect(), feed: Feed::new(movie, track, entry, &fed, FRAGMENT_SAMPLES) }
    }

    fn entry(&self, frame: u32) -> Option<u16> {
        self.timeline
            .frame(frame)
            .and_then(|frame| self.track.samples.get(frame.sample))
            .map(|sample| sample.entry)
    }
}

/// The sample that decoding has to start at for `sample`: the last sync sample at or before it in decode order; when
/// it is shown before that one (open GOP), the sync sample before.
pub(crate) fn needed_sync(track: &Track, sample: u32) -> u32 {
    let shown_at = |sample: u32| track.samples.get(sample).map(|sample| sample.presentation_time());
    let sync = track.samples.sync();
    let last = sync.at_or_before(sample).unwrap_or_default();
    if shown_at(sample) < shown_at(last) { sync_before(sync, last) } else { last }
}

impl FeedStart {
    /// Where decoding really starts when `needed` is the sync sample that should do.
    fn back_from(self, track: &Track, needed: u32, entry: u16) -> u32 {
        let sync = track.samples.sync();
        match (self, sync) {
            (Self::Sync, _) => needed,
            (Self::Back(count), SyncTable::All) => {
                needed.saturating_sub(USUAL_GOP.saturating_mul(count.into()))
            }
            (Self::Back(count), SyncTable::Listed(_)) => {
                (0..count).fold(needed, |sample, _| sync_before(sync, sample))
            }
            (Self::EntryStart, _) => {
                let first = indexed(track, 0..needed).find(|(_, sample)| sample.entry == entry);
                first.map_or(needed, |(index, _)| index)
            }
        }
    }
}

impl Feed {
    fn new(movie: &Movie, track: &Track, entry: u16, samples: &[Fed], per_fragment: usize) -> Self {
        let init = init(movie, track, entry);
        let runs = samples.chunk_by(|before, after| before.index + 1 == after.index);
        let fragments = runs.flat_map(|run| run.chunks(per_fragment)).zip(1..);
        Self { init, fragments: fragments.map(|(samples, number)| fragment(samples, number)).collect() }
    }
}

/// One sample as it is fed.
#[derive(Debug, Clone, Copy)]
struct Fed {
    index: u32,
    decode_time: u64,
    duration: u32,
    composition_offset: i32,
    sync: bool,
    bytes: ByteRange,
}

/// How times of the source become times of the stream.
///
/// Decode times start at 0 or later and composition offsets are made positive, by the same amounts for every sample of
/// the track: ffmpeg loses frames of the first chunk when it meets a negative offset.
struct Clock {
    /// Added to decode times.
    decode_shift: i64,
    /// Added to composition offsets.
    reorder_shift: i64,
    /// When each sample is shown by the source's media, by decode index. Of samples that claim the same time, each has
    /// another one here, as on the timeline.
    times: Vec<i64>,
}

impl Clock {
    /// For a track that is not on a timeline.
    fn of(track: &Track) -> Self {
        let first = track.samples.get(0).map_or(0, |sample| sample.decode_time);
        Self {
            decode_shift: first.min(0).saturating_neg(),
            reorder_shift: i64::from(track.samples.min_composition_offset()).min(0).saturating_neg(),
            times: track.samples.presentation_times().collect(),
        }
    }

    fn on(track: &Track, timeline: &Timeline) -> Self {
        let mut clock = Self::of(track);
        // The first frame may reach back on the timeline; in the stream it keeps its time, behind hidden frames.
        for frame in timeline.frames.iter().skip(1) {
            let time = i64::try_from(frame.time).unwrap_or(i64::MAX).saturating_add(timeline.media_origin);
            if let Some(known) =
                usize::try_from(frame.sample).ok().and_then(|sample| clock.times.get_mut(sample))
            {
                *known = time;
            }
        }
        clock
    }

    /// When sample `index` is shown in the stream.
    fn time(&self, index: u32) -> Option<i64> {
        let time = *self.times.get(usize::try_from(index).ok()?)?;
        Some(time.saturating_add(self.decode_shift).saturating_add(self.reorder_shift))
    }

    fn fed(&self, samples: impl Iterator<Item = (u32, Sample)>) -> Vec<Fed> {
        let fed = samples.map(|(index, sample)| {
            let decode_time = sample.decode_time.saturating_add(self.decode_shift);
            let offset = self.time(index).unwrap_or(decode_time).saturating_sub(decode_time);
            Fed {
                index,
                decode_time: u64::try_from(decode_time).unwrap_or_default(),
                duration: sample.duration,
                composition_offset: i32::try_from(offset).unwrap_or(i32::MAX),
                sync: sample.sync,
                bytes: bytes_of(&sample),
            }
        });
        fed.collect()
    }
}

fn init(movie: &Movie, track: &Track, entry: u16) -> Vec<u8> {
    let entries = track.entries.get(usize::from(entry)).map(|entry| entry.raw.as_slice());
    write_init(&InitSpec {
        file_type: movie.file_type.clone(),
        tracks: vec![InitTrack {
            id: TRACK_ID,
            handler: track.handler,
            timescale: track.timescale,
            language: track.language,
            // The picture is turned by a filter, never by the decoder.
            matrix: Matrix::UNITY,
            width: track.width,
            height: track.height,
            entries: entries.into_iter().collect(),
            edit: EditList::None,
        }],
        extra: &[],
    })
}

fn fragment(samples: &[Fed], sequence_number: u32) -> FeedFragment {
    let rows: Vec<FragmentSample> = samples
        .iter()
        .map(|sample| FragmentSample {
            duration: sample.duration,
            size: u32::try_from(sample.bytes.len).unwrap_or(u32::MAX),
            sync: sample.sync,
            composition_offset: sample.composition_offset,
        })
        .collect();
    let header = write_fragment_header(&FragmentSpec {
        sequence_number,
        track_id: TRACK_ID,
        entry: 1,
        base_decode_time: samples.first().map_or(0, |sample| sample.decode_time),
        samples: &rows,
        encryption: None,
    });
    let mut ranges: Vec<ByteRange> = Vec::new();
    for sample in samples.iter().filter(|sample| sample.bytes.len > 0) {
        match ranges.last_mut() {
            Some(last) if last.offset.checked_add(last.len) == Some(sample.bytes.offset) => {
                last.len += sample.bytes.len;
            }
            _ => ranges.push(sample.bytes),
        }
    }
    FeedFragment { header, ranges }
}

fn first_entry(track: &Track) -> u16 {
    track.samples.get(0).map_or(0, |sample| sample.entry)
}

/// Samples with their decode indices.
fn indexed(track: &Track, range: Range<u32>) -> impl Iterator<Item = (u32, Sample)> {
    (range.start..).zip(track.samples.range(range))
}

fn bytes_of(sample: &Sample) -> ByteRange {
    ByteRange { offset: sample.offset, len: sample.size.into() }
}

/// The sync sample before sync sample `sample`, or the first there is.
fn sync_before(sync: &SyncTable, sample: u32) -> u32 {
    sample.checked_sub(1).and_then(|before| sync.at_or_before(before)).unwrap_or(sample)
}
