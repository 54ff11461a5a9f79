//! Captions of the catalogue in a presentation, and as objects.

use catalog::captions::{Edition, Kind, Track};
use packager::{Presentation, TextKind, TextRendition};

use super::publish::Document;
use super::{Shelf, StageError};
use crate::blobs::{MediaObject, RenditionName};

/// The presentation with these captions and no others.
pub(crate) fn with_captions(
    presentation: Presentation,
    edition: &Edition,
) -> Result<Presentation, StageError> {
    let mut parts = presentation.into_parts();
    parts.text = edition.tracks.iter().map(|(track, content)| rendition(track, content)).collect();
    Presentation::new(parts).map_err(|error| StageError::retry("captions do not fit into a manifest", error))
}

/// Writes the files of captions. What has a number never changes: whoever writes it again writes the same.
pub(crate) async fn write(edition: &Edition, shelf: &Shelf) -> Result<Vec<Document>, StageError> {
    let mut documents = Vec::new();
    for (track, content) in &edition.tracks {
        let object = MediaObject::Text(RenditionName::text(track.number));
        let stored = shelf.put(object.clone(), vec![content.clone().into()]).await?;
        documents.push(Document { object, stored });
    }
    Ok(documents)
}

fn rendition(track: &Track, content: &str) -> TextRendition {
    TextRendition {
        id: RenditionName::text(track.number).as_str().to_owned(),
        language: track.language.to_string(),
        label: track.label.to_string(),
        kind: match track.kind {
            Kind::Subtitles => TextKind::Subtitles,
            Kind::Captions => TextKind::Captions,
        },
        bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
    }
}
