//! Bytes of an upload, as they come: into objects of a few megabytes, each recorded when it is in the store.
//!
//! So whatever ends a request early, the client, the network or a killed process, costs what is not in the store yet and no
//! more. Bytes with a checksum are the exception: they are recorded when all of them are there and right, or not at all.

use axum::{
    body::{Body, BodyDataStream},
    http::StatusCode,
};
use bytes::Bytes;
use catalog::{
    ids::UploadId,
    resumable::{self, Piece, Terms},
};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use super::{headers::Checksum, problems, turn::Held};
use crate::{
    AppState, ambient,
    blobs::{BlobWriter, StorageKey},
    http::{Pace, Problem, Progress, TooSlow, log_internal},
    uploads::{sniff, v5},
};

/// What a piece has at most: it is one request to an S3 server, and what a killed process loses.
const PIECE_BYTES: u64 = 4 << 20;

/// What a request brings.
pub(super) struct Incoming {
    pub(super) body: Body,
    /// How many bytes there may be.
    pub(super) most: u64,
    /// How many there are, if the request says so.
    pub(super) declared: Option<u64>,
    pub(super) checksum: Option<Checksum>,
}

/// Adds what comes behind the first `start` bytes. Answers how many bytes there are then; when it fails, what was recorded
/// stays.
pub(super) async fn receive(
    state: &AppState,
    held: &mut Held,
    start: u64,
    incoming: Incoming,
    terms: &Terms,
    sniffing: Sniffing,
) -> Result<u64, Problem> {
    let pace = Pace::of_uploads(&state.config.limits);
    let Incoming { body, most, declared, checksum } = incoming;
    let source = Source {
        body: body.into_data_stream(),
        rest: Bytes::new(),
        pace,
        progress: pace.start(),
        most,
        declared,
    };
    let mut reception =
        Reception { state, held, terms, source, checksum, at: start, unrecorded: Vec::new(), sniffing };
    let received = reception.run().await;
    for piece in std::mem::take(&mut reception.unrecorded) {
        discard(state, &piece.object_key).await;
    }
    received
}

/// Whether a file has to begin as videos do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sniffing {
    AtItsBegin,
    Not,
}

struct Reception<'a> {
    state: &'a AppState,
    held: &'a mut Held,
    terms: &'a Terms,
    source: Source,
    checksum: Option<Checksum>,
    /// Where the next recorded byte goes.
    at: u64,
    /// In the store, and not recorded.
    unrecorded: Vec<Piece>,
    sniffing: Sniffing,
}

/// Where the reading of a piece ended.
enum End {
    /// It is as long as it may be.
    Full,
    /// There is no more.
    Body,
    /// There should be more.
    Broken(Problem),
}

impl Reception<'_> {
    async fn run(&mut self) -> Result<u64, Problem> {
        loop {
            let (piece, end) = self.piece().await?;
            self.unrecorded.extend(piece);
            if self.checksum.is_none() {
                self.record().await?;
            }
            match end {
                End::Full => {}
                End::Body => break,
                End::Broken(problem) => return Err(problem),
            }
        }
        if let Some(checksum) = self.checksum.take() {
            if !checksum.agrees() {
                return Err(mismatch());
            }
            self.record().await?;
        }
        Ok(self.at)
    }

    /// The next piece, if any byte comes.
    async fn piece(&mut self) -> Result<(Option<Piece>, End), Problem> {
        let mut open: Option<(StorageKey, BlobWriter)> = None;
        let end = loop {
            let room = PIECE_BYTES - open.as_ref().map_or(0, |(_, writer)| writer.len());
            if room == 0 {
                break End::Full;
            }
            let bytes = match self.source.next(self.state, room).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break End::Body,
                // What comes too much says that the rest is wrong as well.
                Err(Broken::TooLong) => return Err(problems::too_long()),
                Err(Broken::Early(problem)) => break End::Broken(problem),
            };
            self.sniff(&bytes).await?;
            if let Some(checksum) = &mut self.checksum {
                checksum.add(&bytes);
            }
            let (_, writer) = match &mut open {
                Some(open) => open,
                None => open.insert(open_piece(self.state, self.held.turn().upload).await?),
            };
            let written = self.held.during(writer.write(bytes)).await.map_err(problems::of_catalog)?;
            written.map_err(problems::of_store)?;
            self.held.heard().await.map_err(problems::of_catalog)?;
        };
        let Some((key, writer)) = open else { return Ok((None, end)) };
        let stored = self.held.during(writer.finish()).await.map_err(problems::of_catalog)?;
        let stored = stored.map_err(problems::of_store)?;
        Ok((Some(Piece { object_key: key.to_string(), bytes: stored.len }), end))
    }

    /// Looks at the first bytes of a file, when they come together.
    async fn sniff(&mut self, bytes: &Bytes) -> Result<(), Problem> {
        let sniffing = std::mem::replace(&mut self.sniffing, Sniffing::Not);
        let head = bytes.get(..sniff::SNIFF_BYTES).filter(|_| sniffing == Sniffing::AtItsBegin);
        let Some(Err(rejection)) = head.map(sniff::first_bytes) else { return Ok(()) };
        let refused = resumable::refuse(&self.state.db, self.held.turn(), &rejection.sentence).await;
        refused.map_err(problems::of_catalog)?;
        Err(v5::problem(rejection))
    }

    async fn record(&mut self) -> Result<(), Problem> {
        if self.unrecorded.is_empty() {
            return Ok(());
        }
        let turn = self.held.turn();
        let appended = resumable::append(&self.state.db, turn, self.at, &self.unrecorded, self.terms).await;
        if let Err(error) = &appended
            && error.is_transient()
        {
            // It may be recorded: a sweep finds out.
            self.unrecorded.clear();
        }
        self.at = appended.map_err(problems::of_catalog)?;
        self.unrecorded.clear();
        Ok(())
    }
}

/// The body of a request.
struct Source {
    body: BodyDataStream,
    /// What has come and was not taken.
    rest: Bytes,
    pace: Pace,
    progress: Progress,
    most: u64,
    declared: Option<u64>,
}

enum Broken {
    TooLong,
    Early(Problem),
}

impl Source {
    /// At least one byte, and at most `room`; `None` at the end.
    async fn next(&mut self, state: &AppState, room: u64) -> Result<Option<Bytes>, Broken> {
        while self.rest.is_empty() {
            match self.read(state).await? {
                Some(bytes) => self.rest = bytes,
                None => return Ok(None),
            }
        }
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(self.rest.len());
        Ok(Some(self.rest.split_to(room)))
    }

    async fn read(&mut self, state: &AppState) -> Result<Option<Bytes>, Broken> {
        let start = Instant::now();
        let read = tokio::select! {
            read = timeout(self.pace.patience, self.body.next()) => read,
            () = state.cut_off.cancelled() => {
                let sentence = "The server is restarting. What has come is kept: go on in a moment.";
                return Err(Broken::Early(Problem::new(StatusCode::SERVICE_UNAVAILABLE, sentence)));
            }
        };
        let stalled = || {
            let sentence = "The upload stalled. What has come is kept: ask how much that is, and go on.";
            Broken::Early(Problem::new(StatusCode::REQUEST_TIMEOUT, sentence))
        };
        let early = || {
            let sentence = "The request ended early. What has come is kept: ask how much that is, and go on.";
            Broken::Early(Problem::new(StatusCode::BAD_REQUEST, sentence))
        };
        let bytes = match read.map_err(|_| stalled())? {
            Some(Ok(bytes)) => bytes,
            Some(Err(_)) => return Err(early()),
            None if self.declared.is_some_and(|left| left > 0) => return Err(early()),
            None => return Ok(None),
        };
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.most = self.most.checked_sub(len).ok_or(Broken::TooLong)?;
        self.declared = self.declared.map(|left| left.saturating_sub(len));
        self.progress.note(start.elapsed(), bytes.len()).map_err(|TooSlow| stalled())?;
        Ok(Some(bytes))
    }
}

/// Removes an object that nobody needs. One that stays is found by a sweep.
pub(super) async fn discard(state: &AppState, object: &str) {
    if let Ok(key) = object.parse()
        && let Err(error) = state.blobs.delete(&key).await
    {
        log_internal(&error);
    }
}

/// An object with a name unlike any other, so that whoever lost their turn overwrites nothing.
async fn open_piece(state: &AppState, upload: UploadId) -> Result<(StorageKey, BlobWriter), Problem> {
    let key = StorageKey::Piece { upload, name: u64::from_be_bytes(ambient::random()) };
    let writer = state.blobs.writer(&key, PIECE_BYTES).await.map_err(problems::of_store)?;
    Ok((key, writer))
}

fn mismatch() -> Problem {
    let status = StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST);
    Problem::new(status, "The bytes are not those of the checksum. Nothing of them is kept: send them again.")
}
