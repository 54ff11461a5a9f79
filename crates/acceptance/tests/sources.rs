//! Every source can be made and is what its name says.

use std::path::Path;

use acceptance::clips;
use acceptance::clips::{Integrity, Picture, Sound};
use acceptance::truth::Truth;

#[test]
fn every_source_is_what_the_judge_expects() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips");
    let mut wrong = Vec::new();
    for clip in clips::clips() {
        let started = std::time::Instant::now();
        let truth = clip.make(&cache).and_then(|path| Truth::of(&clip, &path));
        let truth = match truth {
            Ok(truth) => truth,
            Err(error) => {
                eprintln!("{}: {error:#}", clip.name);
                wrong.push(format!("{}: {error:#}", clip.name));
                continue;
            }
        };
        eprintln!(
            "{:24} {:4} frames to {:.3} s, scale {}, {:.1}x{:.1}, brightness {:.0}, pulses {:.3?}, sound end {:?}, {} ms",
            clip.name,
            truth.times.len(),
            truth.timescale.seconds(truth.end),
            truth.timescale.numerator,
            truth.display.0,
            truth.display.1,
            truth.likenesses.iter().map(|l| l.brightness()).sum::<f64>() / truth.likenesses.len() as f64,
            truth.pulses,
            truth.sound_end,
            started.elapsed().as_millis()
        );
        let numbers: Vec<_> = truth.likenesses.iter().map(|likeness| likeness.number).collect();
        let rising = numbers.windows(2).all(|pair| pair[0].is_some() && pair[0] < pair[1]);
        let numbered = clip.picture != Picture::Unmarked && clip.integrity == Integrity::Whole;
        if numbered && !(rising && numbers[0].is_some()) {
            wrong.push(format!("{}: numbers {numbers:?}", clip.name));
        }
        let heard = matches!(clip.sound, Sound::Pulses | Sound::FlashAndBeep);
        if heard && truth.pulses.len() < 3 {
            wrong.push(format!("{}: pulses {:?}", clip.name, truth.pulses));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
