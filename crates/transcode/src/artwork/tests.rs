use proptest::prelude::*;

use super::*;
use crate::{
    settings::EncodeSettings,
    synthetic::{Clip, any_clip, movie},
};

fn plan(clip: &Clip) -> (Timeline, Artwork) {
    let movie = movie(clip.track());
    let timeline =
        Timeline::build(&movie, &movie.tracks[0], None, &EncodeSettings::default()).expect("a sound clip");
    let artwork = Artwork::plan(&timeline, Size { width: 1080, height: 1920 });
    (timeline, artwork)
}

#[test]
fn pictures_stand_in_the_middle_of_what_they_stand_for() {
    let (_, artwork) = plan(&Clip::regular(300, 30, 30));
    assert_eq!(artwork.poster, 30);
    assert_eq!((artwork.storyboard.as_slice(), artwork.tile_seconds), ([60, 180, 270].as_slice(), 4));
    assert_eq!(artwork.tiles_of(180).collect::<Vec<_>>(), [1]);
    assert_eq!(artwork.within(StillKind::Storyboard, &(60..181)), [60, 180]);
    assert!(artwork.within(StillKind::Poster, &(31..300)).is_empty());
}

#[test]
fn pictures_keep_the_shape() {
    let (_, artwork) = plan(&Clip::regular(1, 30, 30));
    assert_eq!(artwork.size(StillKind::Poster), Size { width: 720, height: 1280 });
    assert_eq!(artwork.size(StillKind::Storyboard), Size { width: 90, height: 160 });
    assert_eq!(bounded(Size { width: 101, height: 60 }, 160), Size { width: 100, height: 60 });
    assert_eq!(bounded(Size { width: 30_000, height: 16 }, 160), Size { width: 160, height: 2 });
}

proptest! {
    #[test]
    fn the_storyboard_covers_the_timeline(clip in any_clip()) {
        let (timeline, artwork) = plan(&clip);
        prop_assert!(artwork.storyboard.len() <= 200);
        prop_assert!(artwork.storyboard.is_sorted());
        let tiles = u64::try_from(artwork.storyboard.len()).unwrap();
        let tile = u64::from(artwork.tile_seconds) * u64::from(timeline.timescale);
        prop_assert!((tiles - 1) * tile < timeline.end && timeline.end <= tiles * tile);
        let everything = 0..timeline.frame_count();
        let pictures = artwork.within(StillKind::Storyboard, &everything);
        prop_assert_eq!(pictures.iter().map(|&frame| artwork.tiles_of(frame).count()).sum::<usize>(), artwork.storyboard.len());
    }
}
