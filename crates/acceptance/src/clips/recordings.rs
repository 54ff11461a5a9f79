//! Real recordings that set-up fetches: a phone's, a camera's in three containers, and clips of a Python wheel.

use std::path::Path;

use super::{Clip, Integrity, Picture, Recipe, Sound};

/// Name, file below the samples folder, extension, sound.
const FILES: [(&str, &str, &str, Sound); 7] = [
    ("recording_phone_1080p", "phone-1080p.mp4", "mp4", Sound::Unmarked),
    ("recording_camera_720p", "camera-720p.mp4", "mp4", Sound::Unmarked),
    ("recording_bigbuckbunny", "bigbuckbunny-720p.mp4", "mp4", Sound::Unmarked),
    ("recording_bikes", "bikes.mp4", "mp4", Sound::None),
    ("recording_carphone", "carphone-144p.mp4", "mp4", Sound::None),
    ("recording_avi", "camera-576p.avi", "avi", Sound::Unmarked),
    ("recording_mpeg", "camera-480p.mpeg", "mpeg", Sound::Unmarked),
];

/// The recordings below `samples`. They are listed whether they exist or not: a missing one fails its test.
pub fn recordings(samples: &Path) -> Vec<Clip> {
    FILES
        .into_iter()
        .map(|(name, file, extension, sound)| Clip {
            name,
            extension,
            recipe: Recipe::Recording(samples.join(file)),
            picture: Picture::Unmarked,
            reference: None,
            sound,
            integrity: Integrity::Whole,
        })
        .collect()
}
