//! A source with everything that is planned for it, its encoding, and the file that the segments make together.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use isobmff::{
    EditList, FileType, FourCc, FragmentSample, FragmentSpec, InitSpec, InitTrack, Limits, Matrix, Movie,
    Track, index_slice, write_fragment_header, write_init,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use transcode::check::EncodedSegment;
use transcode::chunk::ChunkSpec;
use transcode::encode::{ChunkReport, Delivery, EncodeError, StillPicture, encode_chunk, planned_frames};
use transcode::job::VideoPlan;
use transcode::ladder::{Rung, plan_ladder};
use transcode::picture::Picture;
use transcode::probe_run::probe_track;
use transcode::reordering::Reordering;
use transcode::runner::Runner;
use transcode::sandbox::{Priority, SandboxMode};
use transcode::settings::{EncodeSettings, LadderStep, Preset};
use transcode::timeline::Timeline;
use transcode::toolchain::Toolchain;

use crate::support::{PATIENCE, toolchain};

pub(crate) const LIMITS: Limits =
    Limits { max_header_bytes: 16 << 20, max_samples: 1 << 20, max_tracks: 16, max_boxes: 1 << 16 };

/// Quick to encode.
pub(crate) fn settings(short_sides: &[u32]) -> EncodeSettings {
    EncodeSettings {
        preset: Preset::Superfast,
        rungs: short_sides
            .iter()
            .map(|&short_side| LadderStep { short_side, max_rate: 400_000 + 2000 * short_side })
            .collect(),
        ..EncodeSettings::default()
    }
}

pub(crate) struct Video {
    pub(crate) source: Bytes,
    pub(crate) movie: Movie,
    pub(crate) timeline: Timeline,
    pub(crate) picture: Picture,
    pub(crate) ladder: Vec<Rung>,
    pub(crate) settings: EncodeSettings,
    pub(crate) toolchain: Toolchain,
    pub(crate) cancel: CancellationToken,
}

/// What came out of chunks.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    /// By rung and number.
    pub(crate) segments: BTreeMap<(usize, u32), EncodedSegment>,
    pub(crate) stills: Vec<StillPicture>,
    pub(crate) reports: Vec<ChunkReport>,
}

impl Video {
    /// Reads, probes and plans a file with rungs of these shorter sides.
    pub(crate) async fn open(path: &Path, short_sides: &[u32]) -> Self {
        let settings = settings(short_sides);
        let source = Bytes::from(fs::read(path).expect("the clip"));
        let movie = index_slice(&source, LIMITS).expect("an index");
        let toolchain = toolchain(SandboxMode::BestEffort);
        let cancel = CancellationToken::new();
        let track = video_track(&movie);
        let runner = Runner {
            toolchain: &toolchain,
            priority: Priority::Interactive,
            patience: PATIENCE,
            cancel: &cancel,
        };
        let probe = probe_track(&runner, &source, &movie, track, &settings).await.expect("a probe");
        let probe = probe.video.expect("a video stream");
        let picture = Picture::new(track, &probe, settings.max_pixels).expect("pictures");
        let timeline = Timeline::build(&movie, track, None, &settings).expect("a timeline");
        let ladder = plan_ladder(picture.display, timeline.peak_frame_rate(), &settings);
        Self { source, movie, timeline, picture, ladder, settings, toolchain, cancel }
    }

    pub(crate) fn track(&self) -> &Track {
        video_track(&self.movie)
    }

    pub(crate) fn plan(&self) -> VideoPlan<'_> {
        VideoPlan {
            movie: &self.movie,
            track: self.track(),
            timeline: &self.timeline,
            picture: &self.picture,
            ladder: &self.ladder,
            settings: &self.settings,
            reordering: Reordering::Pyramid,
        }
    }

    pub(crate) fn runner(&self) -> Runner<'_> {
        Runner {
            toolchain: &self.toolchain,
            priority: Priority::Interactive,
            patience: PATIENCE,
            cancel: &self.cancel,
        }
    }

    /// Encodes chunks one after the other, and checks that each planned segment comes exactly once.
    pub(crate) async fn encode(&self, chunks: &[ChunkSpec]) -> Result<Encoded, EncodeError> {
        let mut encoded = Encoded::default();
        for chunk in chunks {
            let (sender, mut deliveries) = mpsc::channel(1);
            let (runner, plan) = (self.runner(), self.plan());
            let encode = async {
                let report = encode_chunk(&runner, &self.source, &plan, chunk, &sender).await;
                drop(sender);
                report
            };
            let mut frames = 0;
            let take = async {
                while let Some(delivery) = deliveries.recv().await {
                    match delivery {
                        Delivery::Segment(segment) => {
                            frames += u64::try_from(segment.samples.len()).expect("few");
                            let key = (segment.rung, segment.segment);
                            assert!(encoded.segments.insert(key, segment).is_none(), "{key:?} came twice");
                        }
                        Delivery::Still(still) => encoded.stills.push(still),
                    }
                }
            };
            let (report, ()) = tokio::join!(encode, take);
            let report = report?;
            for &rung in &chunk.rungs {
                for segment in chunk.first_segment..chunk.first_segment + chunk.segments {
                    let key = (usize::try_from(rung).expect("small"), segment);
                    assert!(encoded.segments.contains_key(&key), "{key:?} is missing");
                }
            }
            if report.lost.is_empty() {
                assert_eq!(frames, planned_frames(&plan, chunk));
            }
            encoded.reports.push(report);
        }
        Ok(encoded)
    }

    /// Writes the segments of one rung to a playable file: decode times are the presentation times sorted, all
    /// offsets are positive.
    pub(crate) fn assemble(&self, encoded: &Encoded, rung: usize, path: &Path) {
        let segments: Vec<&EncodedSegment> =
            encoded.segments.iter().filter(|((of, _), _)| *of == rung).map(|(_, segment)| segment).collect();
        let entry = &segments.first().expect("a segment").sample_entry;
        assert!(segments.iter().all(|segment| segment.sample_entry == entry), "one sample entry");
        let delay = segments.iter().map(|segment| self.delay(segment)).max().unwrap_or_default();
        let mut file = write_init(&InitSpec {
            file_type: FileType { major: FourCc(*b"iso6"), minor: 0, compatible: vec![FourCc(*b"cmfc")] },
            tracks: vec![InitTrack {
                id: 1,
                handler: FourCc(*b"vide"),
                timescale: self.timeline.timescale,
                language: *b"und",
                matrix: Matrix::UNITY,
                width: self.ladder[rung].width << 16,
                height: self.ladder[rung].height << 16,
                entries: vec![entry],
                edit: EditList::Skip { media_time: delay },
            }],
            extra: &[],
        });
        for segment in segments {
            self.write_segment(segment, delay, &mut file);
        }
        fs::write(path, file).expect("written");
    }

    /// Times of the samples, in decode order and sorted.
    fn times(&self, segment: &EncodedSegment) -> (Vec<u64>, Vec<u64>) {
        let shown: Vec<u64> = segment.samples.iter().map(|sample| self.timeline.time(sample.frame)).collect();
        let mut decoded = shown.clone();
        decoded.sort_unstable();
        (shown, decoded)
    }

    fn delay(&self, segment: &EncodedSegment) -> u64 {
        let (shown, decoded) = self.times(segment);
        decoded
            .iter()
            .zip(&shown)
            .map(|(decoded, shown)| decoded.saturating_sub(*shown))
            .max()
            .unwrap_or_default()
    }

    fn write_segment(&self, segment: &EncodedSegment, delay: u64, file: &mut Vec<u8>) {
        let (shown, decoded) = self.times(segment);
        let end = self.timeline.segment_span(segment.segment).end;
        let ends = decoded.iter().skip(1).copied().chain([end]);
        let samples: Vec<FragmentSample> = segment
            .samples
            .iter()
            .zip(shown.iter().zip(decoded.iter().zip(ends)))
            .map(|(sample, (shown, (decoded, end)))| FragmentSample {
                duration: u32::try_from(end - decoded).expect("short"),
                size: sample.size,
                sync: sample.sync,
                composition_offset: i32::try_from(shown + delay - decoded).expect("near"),
            })
            .collect();
        file.extend(write_fragment_header(&FragmentSpec {
            sequence_number: segment.segment + 1,
            track_id: 1,
            entry: 1,
            base_decode_time: decoded[0],
            samples: &samples,
            encryption: None,
        }));
        file.extend_from_slice(&segment.data);
    }
}

fn video_track(movie: &Movie) -> &Track {
    movie.tracks.iter().find(|track| track.is_video()).expect("a video track")
}
