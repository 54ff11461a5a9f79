//! The verifier accepts what ffmpeg's own DASH muxer makes of a source, and rejects it when it is sabotaged.
//!
//! Each sabotage names the check that must notice it: a verifier that finds nothing proves nothing.

use std::fs;
use std::path::{Path, PathBuf};

use acceptance::clips;
use acceptance::surgery::{self, Node};
use acceptance::tools;
use acceptance::truth::Truth;
use acceptance::verify::{Check, Depth, verify};
use tempfile::TempDir;

#[test]
fn a_good_rendition_is_accepted() {
    let good = Fixture::new("cfr30", ENCODE);
    assert_eq!(good.findings(), []);
}

#[test]
fn a_dropped_frame_is_noticed() {
    let fixture = Fixture::new("cfr30", &format!("{ENCODE} -vf select='not(eq(n\\,40))'"));
    fixture.must_fail(Check::FrameCount);
}

#[test]
fn two_swapped_frames_are_noticed() {
    // Same number of frames, same times, one picture shown twice and one not at all.
    let fixture = Fixture::new("cfr30", &format!("{ENCODE} -vf shuffleframes=0|1|1|3"));
    fixture.must_fail(Check::FrameOrder);
}

#[test]
fn a_shift_of_the_whole_picture_is_noticed() {
    let fixture = Fixture::new("cfr30", ENCODE);
    for number in 1..=fixture.segments() {
        fixture.edit(number, |moof| add_to_tfdt(moof, 2));
    }
    fixture.must_fail(Check::FrameTimes);
}

#[test]
fn a_gap_of_one_frame_between_segments_is_noticed() {
    let fixture = Fixture::new("cfr30", ENCODE);
    for number in 2..=fixture.segments() {
        fixture.edit(number, |moof| add_to_tfdt(moof, 512));
    }
    fixture.must_fail(Check::Continuity);
}

#[test]
fn an_overlap_is_noticed() {
    let fixture = Fixture::new("cfr30", ENCODE);
    fixture.edit(2, |moof| add_to_tfdt(moof, -512));
    fixture.must_fail(Check::Continuity);
}

#[test]
fn a_segment_without_an_idr_is_noticed() {
    // The muxer cuts every second; keyframes come only where x264 wants them, and sync flags lie.
    let fixture = Fixture::new("cfr30", &format!("{ENCODE} -x264-params open-gop=1:keyint=30"));
    fixture.must_fail(Check::Independence);
}

#[test]
fn a_missing_sync_flag_is_noticed() {
    let fixture = Fixture::new("cfr30", ENCODE);
    fixture.edit(2, clear_sync);
    fixture.must_fail(Check::Independence);
}

#[test]
fn a_missing_segment_is_noticed() {
    let fixture = Fixture::new("cfr30", ENCODE);
    let last = fixture.segments();
    fs::rename(fixture.segment(last), fixture.segment(3)).expect("both exist");
    fs::remove_file(fixture.segment(last - 1)).expect("it exists");
    fixture.must_fail(Check::Continuity);
}

#[test]
fn parameter_sets_in_the_media_are_noticed() {
    let fixture = Fixture::new("cfr30", &format!("{ENCODE} -bsf:v dump_extra"));
    fixture.must_fail(Check::ParameterSets);
}

#[test]
fn a_wrong_shape_is_noticed() {
    let fixture = Fixture::new("cfr30", &format!("{ENCODE} -vf scale=240:180,setsar=4/3"));
    fixture.must_fail(Check::Picture);
    let fixture = Fixture::new("cfr30", &format!("{ENCODE} -vf scale=240:180,setsar=1"));
    fixture.must_fail(Check::Ladder);
}

#[test]
fn an_untouched_rotation_is_noticed() {
    let fixture = Fixture::new("turned_180", &format!("{ENCODE} -vf hflip,vflip"));
    fixture.must_fail(Check::FrameOrder);
}

#[test]
fn hdr_without_tone_mapping_is_noticed() {
    let fixture = Fixture::new("hdr10", &format!("{ENCODE} -pix_fmt yuv420p"));
    fixture.must_fail(Check::Picture);
}

const ENCODE: &str =
    "-c:v libx264 -preset superfast -profile:v high -bf 2 -crf 20 -sc_threshold 0 -g 30 -pix_fmt yuv420p";

/// What `ffmpeg -f dash` makes of a clip, in the folders of our layout.
struct Fixture {
    truth: Truth,
    folder: TempDir,
    rung: String,
}

impl Fixture {
    fn new(name: &str, encode: &str) -> Self {
        let clip = clips::named(name).expect("in the table");
        let source = clip.make(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips")).expect("makes");
        let truth = Truth::of(&clip, &source).expect("readable");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let rung = format!("{}p", truth.display.0.min(truth.display.1));
        fs::create_dir(folder.path().join(&rung)).expect("a new folder");
        let (init, media) = (format!("{rung}/init.mp4"), format!("{rung}/$Number$.m4s"));
        let source = source.to_str().expect("UTF-8");
        let mut args = vec!["-i", source, "-an", "-fps_mode", "passthrough", "-enc_time_base", "1/15360"];
        args.extend(encode.split(' '));
        args.extend(["-f", "dash", "-seg_duration", "1", "-use_timeline", "1", "-use_template", "1"]);
        args.extend(["-init_seg_name", &init, "-media_seg_name", &media, "manifest.mpd"]);
        let outcome = tools::ffmpeg(&args, folder.path()).expect("ffmpeg starts");
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        Self { truth, folder, rung }
    }

    fn findings(&self) -> Vec<acceptance::verify::Finding> {
        verify(&self.truth, self.folder.path(), Depth::Media)
    }

    #[track_caller]
    fn must_fail(&self, check: Check) {
        let findings = self.findings();
        assert!(findings.iter().any(|finding| finding.check == check), "{check:?} not in {findings:?}");
    }

    fn segment(&self, number: usize) -> PathBuf {
        self.folder.path().join(&self.rung).join(format!("{number}.m4s"))
    }

    fn segments(&self) -> usize {
        (1..).take_while(|&number| self.segment(number).is_file()).count()
    }

    /// Changes the `moof` of a segment without changing its length.
    fn edit(&self, number: usize, change: impl Fn(&mut [u8])) {
        let mut nodes = surgery::parse(&fs::read(self.segment(number)).expect("it exists")).expect("boxes");
        let moof: &mut Node = nodes.iter_mut().find(|node| &node.kind == b"moof").expect("a moof");
        change(&mut moof.body);
        fs::write(self.segment(number), surgery::write(&nodes)).expect("writable");
    }
}

fn add_to_tfdt(moof: &mut [u8], ticks: i64) {
    let at = position(moof, b"tfdt");
    let (range, old) = if moof[at + 4] == 1 {
        (at + 8..at + 16, i64::from_be_bytes(moof[at + 8..at + 16].try_into().expect("eight")))
    } else {
        (at + 8..at + 12, i64::from(u32::from_be_bytes(moof[at + 8..at + 12].try_into().expect("four"))))
    };
    let width = range.len();
    moof[range].copy_from_slice(&(old + ticks).to_be_bytes()[8 - width..]);
}

/// Sets sample_is_non_sync_sample in first_sample_flags, or in the first sample's flags.
fn clear_sync(moof: &mut [u8]) {
    let at = position(moof, b"trun");
    let flags = u32::from_be_bytes(moof[at + 4..at + 8].try_into().expect("four"));
    let mut first = at + 12 + if flags & 1 == 0 { 0 } else { 4 };
    if flags & 4 == 0 {
        first += 4 * (flags & 0x300).count_ones() as usize;
    }
    moof[first + 1] |= 1;
}

fn position(haystack: &[u8], kind: &[u8; 4]) -> usize {
    haystack.windows(4).position(|window| window == kind).expect("the box is there")
}
