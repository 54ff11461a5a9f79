//! What players tell, put together.

use std::time::Duration;

use testbed::Database;
use uuid::Uuid;

use super::{open, upload, work_off};
use crate::{
    endings::request_delete,
    ids::VideoId,
    quality::{By, Quality, Report, Told, prune, quality, record},
};

fn report(number: u128, video: VideoId, startup: Option<u64>) -> Report {
    Report {
        playback: Uuid::from_u128(number),
        video,
        height: if number.is_multiple_of(2) { 360 } else { 720 },
        startup: startup.map(Duration::from_millis),
        played: Duration::from_secs(10),
        rebuffers: 1,
        rebuffering: Duration::from_millis(u64::try_from(number).unwrap()),
        switches: 2,
        errors: u32::from(startup.is_none()),
    }
}

async fn what_players_tell_is_put_together(database: Database) {
    let db = open(&database).await;
    let (first, second) = (upload(&db, 1).await.id, upload(&db, 2).await.id);
    let nothing = report(1, first, Some(1));
    assert_eq!(record(&db, &nothing).await.unwrap(), Told::OfNothing, "it does not play yet");
    work_off(&db).await;
    // 1 to 100 ms, and one that never started.
    for number in 1..=100 {
        let told = report(number, first, Some(u64::try_from(number).unwrap()));
        assert_eq!(record(&db, &told).await.unwrap(), Told::New);
    }
    let failed = report(101, first, None);
    assert_eq!(record(&db, &failed).await.unwrap(), Told::New);
    assert_eq!(record(&db, &failed).await.unwrap(), Told::Again);
    let of_another = Report { video: second, ..failed };
    assert_eq!(record(&db, &of_another).await.unwrap(), Told::OfNothing, "an id is of one video");
    assert_eq!(record(&db, &report(102, second, Some(5))).await.unwrap(), Told::New);

    let millis = |time: u64| Duration::from_millis(time);
    let days = quality(&db, By::Day, 7, Some(first)).await.unwrap();
    let [day] = days.as_slice() else { panic!("{days:?}") };
    assert_eq!(
        (day.playbacks, day.started, day.failed, day.switches, day.rebuffers),
        (101, 100, 1, 202, 101)
    );
    assert_eq!((day.startup_p50, day.startup_p95), (Some(millis(50)), Some(millis(95))));
    assert_eq!((day.rebuffering_p50, day.rebuffering_p95), (millis(51), millis(96)));
    assert_eq!((day.played, day.rebuffering), (millis(1_010_000), millis(101 * 102 / 2)));
    let rungs = quality(&db, By::Rung, 7, None).await.unwrap();
    let parts = |parts: &[Quality]| parts.iter().map(|part| (part.part, part.playbacks)).collect::<Vec<_>>();
    assert_eq!(parts(&rungs), [(720, 51), (360, 51)]);
    let videos = quality(&db, By::Video, 7, None).await.unwrap();
    let videos: Vec<_> = videos.iter().map(|part| (part.of_video, part.playbacks)).collect();
    assert_eq!(videos, [(Some(first), 101), (Some(second), 1)]);

    request_delete(&db, second).await.unwrap();
    work_off(&db).await;
    assert_eq!(prune(&db, Duration::from_secs(3600)).await.unwrap(), 0);
    assert!(prune(&db, Duration::ZERO).await.unwrap() >= 101);
    assert_eq!(quality(&db, By::Day, 7, None).await.unwrap(), []);
}

testbed::on_both_databases!(what_players_tell_is_put_together);
