//! Real recordings that set-up fetches: a phone's, a camera's, and two clips of a Python wheel.

use std::path::{Path, PathBuf};

use super::{Clip, Integrity, Picture, Recipe, Sound};

/// Name, path below the samples folder, extension, sound.
const FILES: [(&str, &str, Sound); 4] = [
    ("recording_phone_vfr_1080p", "VID_20191220_170832.mp4", Sound::Unmarked),
    ("recording_hello_720p", "movie-hello.mp4", Sound::Unmarked),
    ("recording_bigbuckbunny", "bigbuckbunny.mp4", Sound::Unmarked),
    ("recording_bikes_silent", "bikes.mp4", Sound::None),
];

/// The recordings below `samples`. They are listed whether they exist or not: a missing one fails its test.
pub fn recordings(samples: &Path) -> Vec<Clip> {
    FILES
        .into_iter()
        .map(|(name, file, sound)| Clip {
            name,
            extension: "mp4",
            recipe: Recipe::Recording(PathBuf::from(samples).join(file)),
            picture: Picture::Unmarked,
            reference: None,
            sound,
            integrity: Integrity::Whole,
        })
        .collect()
}
