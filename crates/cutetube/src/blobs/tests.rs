//! One body of tests for every kind of store.

use bytes::Bytes;
use catalog::{
    ids::{Revision, VideoId},
    names::SourceExtension,
};
use futures_util::TryStreamExt;
use tempfile::TempDir;
use testbed::{Fault, FaultProxy, READ_ONLY, S3Bucket, S3Server};

use super::{BlobError, BlobStore, KeyPrefix, MediaObject, Refusal, StorageKey, Stored};
use crate::config::{S3, Secret};

/// Runs each test on a folder and on an S3 server.
macro_rules! on_every_store {
    ($($name:ident),+ $(,)?) => {
        mod on_files {
            $(#[tokio::test]
            async fn $name() {
                let (_folder, store) = super::files();
                super::$name(store).await;
            })+
        }

        mod on_s3 {
            $(#[tokio::test]
            async fn $name() {
                let bucket = testbed::S3Bucket::shared();
                super::$name(super::s3(&bucket)).await;
            })+
        }
    };
}

fn files() -> (TempDir, BlobStore) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().join("blobs").display());
    (folder, BlobStore::open(&url, &S3::default()).unwrap())
}

fn s3(bucket: &S3Bucket) -> BlobStore {
    BlobStore::open(&bucket.url, &settings(bucket)).unwrap()
}

fn settings(bucket: &S3Bucket) -> S3 {
    S3 {
        endpoint: Some(bucket.endpoint.clone()),
        access_key_id: Some(bucket.access_key_id.to_owned()),
        secret_access_key: Some(Secret::new(bucket.secret_access_key.to_owned())),
        timeout_seconds: 10,
        retry_seconds: 10,
        ..S3::default()
    }
}

fn video(number: u64) -> VideoId {
    VideoId::new(number, &[0; 10])
}

fn source(number: u64) -> StorageKey {
    StorageKey::Source { video: video(number), extension: SourceExtension::Mp4 }
}

fn content(len: u32) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

/// Written in pieces, and long enough for three parts of an upload.
async fn an_object_appears_whole_or_not_at_all(store: BlobStore) {
    let content = content(12_000_000);
    let mut writer = store.writer(&source(1), 12_000_000).await.unwrap();
    for piece in content.chunks(70_001) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(store.list().await.unwrap(), Vec::<String>::new());
    let stored = writer.finish().await.unwrap();
    assert_eq!(stored, Stored::of([&content]));
    assert_eq!(store.list().await.unwrap(), ["sources/00000000-0001-7000-8000-000000000000/source.mp4"]);
    assert_eq!(store.head(&source(1)).await.unwrap().len, 12_000_000);
    assert_eq!(store.fingerprint(&source(1)).await.unwrap(), stored);
    assert_eq!(store.read(&source(1), 5_242_870..5_242_890).await.unwrap(), content[5_242_870..5_242_890]);
    let pieces: Vec<Bytes> =
        store.stream(&source(1), 5..11_999_999).await.unwrap().try_collect().await.unwrap();
    assert_eq!(pieces.concat(), content[5..11_999_999]);
    let mut copy = Vec::new();
    std::io::Read::read_to_end(&mut store.file(&source(1)).await.unwrap(), &mut copy).unwrap();
    assert_eq!(copy, content);
}

async fn what_fits_into_one_part_is_written_too(store: BlobStore) {
    let mut writer = store.writer(&source(1), 10).await.unwrap();
    writer.write(Bytes::from_static(b"01234")).await.unwrap();
    writer.write(Bytes::from_static(b"56789")).await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), Stored::of([b"0123456789"]));
    assert_eq!(store.get(&source(1)).await.unwrap(), "0123456789");
    let parts = vec![Bytes::from_static(b"abc"), Bytes::from_static(b"def")];
    assert_eq!(store.put(&source(2), parts).await.unwrap(), Stored::of([b"abcdef"]));
    assert_eq!(store.get(&source(2)).await.unwrap(), "abcdef");
}

async fn what_is_given_up_leaves_nothing(store: BlobStore) {
    let mut writer = store.writer(&source(1), 6_000_000).await.unwrap();
    writer.write(Bytes::from(content(6_000_000))).await.unwrap();
    let too_long = writer.write(Bytes::from_static(b"x")).await.unwrap_err();
    assert!(matches!(too_long, BlobError::TooLong { limit: 6_000_000, .. }));
    writer.abort().await.unwrap();
    assert_eq!(store.list().await.unwrap(), Vec::<String>::new());
    assert_eq!(store.folders(&KeyPrefix::Sources).await.unwrap(), Vec::<String>::new());
}

async fn reading_outside_is_told_from_other_failures(store: BlobStore) {
    store.put(&source(1), vec![Bytes::from_static(b"0123456789")]).await.unwrap();
    for range in [5..11, 10..11, 100..200] {
        let error = store.read(&source(1), range).await.unwrap_err();
        assert!(matches!(error, BlobError::OutOfRange { .. }), "{error:?}");
    }
    assert_eq!(store.read(&source(1), 3..3).await.unwrap(), Bytes::new());
    assert!(matches!(store.head(&source(2)).await.unwrap_err(), BlobError::NotFound { .. }));
    assert!(matches!(store.get(&source(2)).await.unwrap_err(), BlobError::NotFound { .. }));
    assert!(matches!(store.fingerprint(&source(2)).await.unwrap_err(), BlobError::NotFound { .. }));
}

async fn deleting_is_repeatable_and_stays_inside_its_prefix(store: BlobStore) {
    for number in [1, 2] {
        store.put(&source(number), vec![Bytes::from_static(b"x")]).await.unwrap();
    }
    let prefix = KeyPrefix::Source(video(1));
    assert_eq!(store.delete_prefix(&prefix).await.unwrap(), 1);
    assert_eq!(store.delete_prefix(&prefix).await.unwrap(), 0);
    store.delete(&source(1)).await.unwrap();
    assert_eq!(store.list().await.unwrap(), [source(2).to_string()]);
    // Some servers show an empty folder for a while.
    assert!(store.folders(&KeyPrefix::Sources).await.unwrap().contains(&video(2).to_string()));
}

/// More than one request's worth.
async fn many_objects_are_listed_and_deleted(store: BlobStore) {
    let segment = |number| StorageKey::Media {
        video: video(1),
        revision: Revision::FIRST,
        object: MediaObject::Segment("360p".parse().unwrap(), number),
    };
    for numbers in (1..=1_100).collect::<Vec<u32>>().chunks(50) {
        let puts = numbers.iter().map(|number| {
            let key = segment(*number);
            let store = &store;
            async move { store.put(&key, vec![Bytes::from_static(b"segment")]).await }
        });
        futures_util::future::try_join_all(puts).await.unwrap();
    }
    let revision = KeyPrefix::Revision(video(1), Revision::FIRST);
    let listed = store.objects(&revision).await.unwrap();
    assert_eq!(listed.len(), 1_100);
    assert!(listed.iter().all(|object| object.info.len == 7 && object.name.parse::<StorageKey>().is_ok()));
    assert_eq!(store.folders(&KeyPrefix::Video(video(1))).await.unwrap(), ["1"]);
    assert_eq!(store.delete_prefix(&KeyPrefix::Video(video(1))).await.unwrap(), 1_100);
    assert_eq!(store.list().await.unwrap(), Vec::<String>::new());
}

async fn the_probe_passes_and_cleans_up(store: BlobStore) {
    store.probe().await.unwrap();
    store.examine().await.unwrap();
    assert_eq!(store.list().await.unwrap(), Vec::<String>::new());
}

on_every_store!(
    an_object_appears_whole_or_not_at_all,
    what_fits_into_one_part_is_written_too,
    what_is_given_up_leaves_nothing,
    reading_outside_is_told_from_other_failures,
    deleting_is_repeatable_and_stays_inside_its_prefix,
    many_objects_are_listed_and_deleted,
    the_probe_passes_and_cleans_up,
);

#[tokio::test]
async fn what_a_killed_process_left_is_discarded() {
    let (folder, store) = files();
    store.put(&source(1), vec![Bytes::from_static(b"x")]).await.unwrap();
    let mut killed = store.writer(&source(1), 10).await.unwrap();
    killed.write(Bytes::from_static(b"y")).await.unwrap();
    let files = || std::fs::read_dir(folder.path().join("blobs/sources").join(video(1).to_string())).unwrap();
    assert_eq!(files().count(), 2);
    store.discard_unfinished(&KeyPrefix::Source(video(1))).await.unwrap();
    store.discard_unfinished(&KeyPrefix::Source(video(2))).await.unwrap();
    assert_eq!(files().count(), 1);
    assert_eq!(store.get(&source(1)).await.unwrap(), "x");
}

/// Two places in one bucket do not see each other.
#[tokio::test]
async fn a_prefix_is_a_store_of_its_own() {
    let (one, other) = (s3(&S3Bucket::shared()), s3(&S3Bucket::shared()));
    one.put(&source(1), vec![Bytes::from_static(b"x")]).await.unwrap();
    assert_eq!(other.list().await.unwrap(), Vec::<String>::new());
    assert_eq!(one.list().await.unwrap(), [source(1).to_string()]);
}

#[tokio::test]
async fn a_refusal_says_why() {
    let bucket = S3Bucket::shared();
    let right = settings(&bucket);
    let secret = |text: &str| Some(Secret::new(text.to_owned()));
    let (reader, reads) = READ_ONLY;
    let wrong = [
        (
            bucket.url.clone(),
            S3 { access_key_id: Some("nobody".to_owned()), ..right.clone() },
            Refusal::UnknownKey,
        ),
        (
            bucket.url.clone(),
            S3 { secret_access_key: secret("wrong"), ..right.clone() },
            Refusal::WrongSecret,
        ),
        ("s3://missing/1".to_owned(), right.clone(), Refusal::NoBucket),
        (
            bucket.url.clone(),
            S3 { access_key_id: Some(reader.to_owned()), secret_access_key: secret(reads), ..right.clone() },
            Refusal::Denied,
        ),
    ];
    for (url, settings, expected) in wrong {
        let error = BlobStore::open(&url, &settings).unwrap().probe().await.unwrap_err();
        assert!(
            matches!(error, BlobError::Refused { refusal, .. } if refusal == expected),
            "{expected:?}: {error:?}"
        );
        assert!(error.hint().is_some());
    }
    let nobody = S3 { endpoint: Some("http://127.0.0.1:9".to_owned()), retry_seconds: 0, ..right };
    let error = BlobStore::open(&bucket.url, &nobody).unwrap().probe().await.unwrap_err();
    assert!(matches!(error, BlobError::Unreachable { .. }), "{error:?}");
}

/// A store behind a server that spoils requests.
async fn spoilt(retry_seconds: u64) -> (FaultProxy, BlobStore) {
    let bucket = S3Bucket::shared();
    let proxy = FaultProxy::start(bucket.endpoint.trim_start_matches("http://")).await;
    let endpoint = Some(format!("http://{}", proxy.address()));
    let settings = S3 { endpoint, timeout_seconds: 3, retry_seconds, ..settings(&bucket) };
    let store = BlobStore::open(&bucket.url, &settings).unwrap();
    (proxy, store)
}

/// Every kind of request is spoilt the first time it is made, in every way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_once_is_repeated() {
    let faults = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(429),
        Fault::CutRequest(0),
        Fault::CutRequest(1000),
        Fault::CutAnswer(0),
        Fault::CutAnswer(40),
        Fault::CutAnswer(400),
        Fault::Stall,
    ];
    let rounds = faults.map(|fault| async move {
        let (proxy, store) = spoilt(90).await;
        // A request that is repeated passes.
        proxy.spoil([Some(fault), None].repeat(100));
        let content = content(6_000_000);
        let mut writer = store.writer(&source(1), 6_000_000).await.unwrap();
        writer.write(Bytes::from(content.clone())).await.unwrap();
        let stored = writer.finish().await.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!(store.fingerprint(&source(1)).await.unwrap(), stored, "{fault:?}");
        assert_eq!(store.read(&source(1), 9..999_999).await.unwrap(), content[9..999_999], "{fault:?}");
        store.put(&source(2), vec![Bytes::from_static(b"small")]).await.unwrap();
        assert_eq!(store.get(&source(2)).await.unwrap(), "small", "{fault:?}");
        assert_eq!(store.head(&source(2)).await.unwrap().len, 5, "{fault:?}");
        assert_eq!(store.list().await.unwrap().len(), 2, "{fault:?}");
        store.delete(&source(2)).await.unwrap();
        assert_eq!(store.delete_prefix(&KeyPrefix::Source(video(1))).await.unwrap(), 1, "{fault:?}");
        assert_eq!(store.list().await.unwrap(), Vec::<String>::new(), "{fault:?}");
        assert!(proxy.spoilt() > 10, "{fault:?}: {}", proxy.spoilt());
    });
    futures_util::future::join_all(rounds).await;
}

/// Bounded, and told from what the object itself is like.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_for_ever_ends_with_an_error() {
    let rounds = [Fault::Status(503), Fault::CutAnswer(10), Fault::Stall].map(|fault| async move {
        let (proxy, store) = spoilt(2).await;
        proxy.spoil_all(Some(fault));
        let began = tokio::time::Instant::now();
        let mut writer = store.writer(&source(1), 6_000_000).await.unwrap();
        let key = source(1);
        let (put, get, list, delete, part) = tokio::join!(
            store.put(&key, vec![Bytes::from_static(b"x")]),
            store.get(&key),
            store.list(),
            store.delete(&key),
            writer.write(Bytes::from(content(6_000_000))),
        );
        let errors = [put.err(), get.err(), list.err(), delete.err(), part.err()];
        for error in errors {
            let error = error.unwrap_or_else(|| panic!("{fault:?}"));
            assert!(error.is_outage(), "{fault:?}: {error:?}");
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{fault:?}: {:?}", began.elapsed());
    });
    futures_util::future::join_all(rounds).await;
}

/// What the other tests that kill the server rely on.
#[tokio::test]
async fn what_was_acknowledged_survives_a_killed_server() {
    let server = S3Server::start();
    let store = s3(&server.bucket());
    for number in 1..=30 {
        store.put(&source(number), vec![Bytes::from(content(100_000))]).await.unwrap();
        if number % 15 == 0 {
            server.kill();
            server.restart();
        }
    }
    for number in 1..=30 {
        assert_eq!(store.get(&source(number)).await.unwrap(), content(100_000), "{number}");
    }
}

#[test]
fn what_names_no_store_is_refused() {
    for url in ["", "file://", "/tmp/x", "ftp://x", "s3://", "s3:///prefix", "s3://a b", "s3://bucket//x"] {
        let refused = BlobStore::open(url, &S3::default()).unwrap_err();
        assert!(matches!(refused, BlobError::BadUrl { .. }), "{url}: {refused:?}");
    }
    let half = S3 { access_key_id: Some("id".to_owned()), ..S3::default() };
    assert!(matches!(BlobStore::open("s3://bucket", &half).unwrap_err(), BlobError::BadSettings { .. }));
}

/// Of a store that lies over another.
#[tokio::test]
async fn what_was_elsewhere_is_found_until_it_is_written_or_deleted() {
    let (_old_folder, old) = files();
    let bucket = S3Bucket::shared();
    let new = s3(&bucket);
    let store = new.clone().over(old.clone());
    let at = |store: &BlobStore| {
        let store = store.clone();
        async move { store.list().await.unwrap().len() }
    };
    for number in 1..=3 {
        old.put(&source(number), vec![Bytes::from(content(1000))]).await.unwrap();
    }
    assert_eq!(store.head(&source(1)).await.unwrap().len, 1000);
    assert_eq!(store.get(&source(1)).await.unwrap(), content(1000));
    assert_eq!(store.read(&source(1), 5..9).await.unwrap(), content(1000)[5..9]);
    assert_eq!(store.fingerprint(&source(1)).await.unwrap(), Stored::of([content(1000)]));
    let pieces: Vec<Bytes> = store.stream(&source(1), 1..999).await.unwrap().try_collect().await.unwrap();
    assert_eq!(pieces.concat(), content(1000)[1..999]);
    let mut copy = Vec::new();
    std::io::Read::read_to_end(&mut store.file(&source(1)).await.unwrap(), &mut copy).unwrap();
    assert_eq!(copy, content(1000));
    assert!(matches!(store.get(&source(9)).await.unwrap_err(), BlobError::NotFound { .. }));

    store.put(&source(1), vec![Bytes::from_static(b"new")]).await.unwrap();
    let mut writer = store.writer(&source(2), 3).await.unwrap();
    writer.write(Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(at(&old).await, 2, "until it appears");
    writer.finish().await.unwrap();
    assert_eq!((at(&new).await, at(&old).await), (2, 1), "what is written is here and nowhere else");
    assert_eq!(store.get(&source(1)).await.unwrap(), "new");
    assert_eq!(store.list().await.unwrap().len(), 3);
    assert_eq!(store.folders(&KeyPrefix::Sources).await.unwrap().len(), 3);

    // Copied, and not removed there.
    new.put(&source(3), vec![Bytes::from(content(1000))]).await.unwrap();
    assert_eq!(store.list().await.unwrap().len(), 3);
    store.delete(&source(3)).await.unwrap();
    old.put(&source(4), vec![Bytes::from_static(b"old")]).await.unwrap();
    assert_eq!(store.delete_prefix(&KeyPrefix::Source(video(4))).await.unwrap(), 1);
    assert_eq!((at(&new).await, at(&old).await), (2, 0));
    store.examine().await.unwrap();
}
