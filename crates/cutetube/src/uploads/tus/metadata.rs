//! `Upload-Metadata`: the fields of an upload's form, as tus sends them.

use base64::{Engine, engine::general_purpose::STANDARD};
use catalog::{
    names::{ClaimedDuration, Description, FieldErrors, Refusal, SourceExtension, SourceName, Tags, Title},
    videos::Visibility,
};

use super::super::form::{Reception, Said};
use crate::http::Problem;

/// What an upload is called and is to be.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) said: Said,
    pub(super) name: SourceName,
    pub(super) extension: SourceExtension,
}

/// What the header says; keys that nobody knows are the client's own.
pub(super) fn parse(header: &str, reception: Reception) -> Result<Described, Problem> {
    let pairs = pairs(header).ok_or_else(|| {
        super::headers::bad(
            "`Upload-Metadata` is keys with a space and a value in Base64, and commas between them.",
        )
    })?;
    let mut errors = FieldErrors::default();
    let file_name = get(&pairs, "filename").unwrap_or_default();
    let extension = match SourceExtension::of_file(file_name) {
        Ok(extension) => Some(extension),
        Err(Refusal(sentence)) => {
            let kind = get(&pairs, "filetype").and_then(of_type).filter(|_| file_name.is_empty());
            if kind.is_none() {
                errors.add("filename", sentence);
            }
            kind
        }
    };
    let name = SourceName::of_file(file_name);
    let title = get(&pairs, "title").filter(|title| !title.trim().is_empty()).unwrap_or(name.as_str());
    let title = errors.keep("title", Title::parse(title));
    let typed = |key| get(&pairs, key).unwrap_or_default();
    let description = errors.keep("description", Description::parse(typed("description")));
    let tags = errors.keep("tags", Tags::parse_line(typed("tags")));
    let visibility = match typed("visibility").trim() {
        "" => Some(Visibility::Public),
        typed => errors.keep("visibility", Visibility::parse(typed)),
    };
    let duration = match typed("duration").trim() {
        "" => Some(None),
        typed => errors.keep("duration", ClaimedDuration::parse(typed)).map(Some),
    };
    let protection = match reception.protection(typed("protection")) {
        Ok(protection) => Some(protection),
        Err(rejection) => {
            errors.add("protection", rejection.sentence);
            None
        }
    };
    match (extension, title, description, tags, visibility, duration, protection) {
        (
            Some(extension),
            Some(title),
            Some(description),
            Some(tags),
            Some(visibility),
            Some(duration),
            Some(protection),
        ) => {
            let said = Said { title, description, tags, visibility, duration, protection };
            Ok(Described { said, name, extension })
        }
        _ => Err(Problem::invalid(&errors)),
    }
}

/// What the client calls the file's type, where it has no name.
fn of_type(kind: &str) -> Option<SourceExtension> {
    match kind {
        "video/mp4" => Some(SourceExtension::Mp4),
        "video/quicktime" => Some(SourceExtension::Mov),
        _ => None,
    }
}

fn get<'a>(pairs: &'a [(&str, String)], key: &str) -> Option<&'a str> {
    pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
}

/// Keys and values; `None` when this is no metadata.
fn pairs(header: &str) -> Option<Vec<(&str, String)>> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for pair in header.split(',').map(str::trim).filter(|_| !header.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = STANDARD.decode(value.trim()).ok()?;
        if key.is_empty() || pairs.iter().any(|(other, _)| *other == key) {
            return None;
        }
        // A client's own values need not be text.
        pairs.push((key, String::from_utf8_lossy(&value).into_owned()));
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use catalog::videos::Protection;

    use super::*;
    use crate::{config::Config, http::Pace, uploads::form::Protects};

    fn reception() -> Reception {
        let pace = Pace::of_uploads(&Config::default().limits);
        Reception { pace, protection: Protection::None, protects: Protects::No }
    }

    /// The fields in short, or what is wrong with which.
    fn check(pairs: &[(&str, &str)]) -> String {
        let pairs: Vec<_> =
            pairs.iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value))).collect();
        match parse(&pairs.join(","), reception()) {
            Ok(Described { said, name, extension }) => format!(
                "{}.{extension}: {:?} {:?} {} {}",
                name.as_str(),
                said.title.as_str(),
                said.description.as_str(),
                said.visibility,
                said.protection
            ),
            Err(problem) => {
                let said = serde_json::to_value(&problem).unwrap();
                let fields = said["errors"].as_array().into_iter().flatten();
                fields
                    .map(|error| format!("{}: {}", error["field"], error["detail"]))
                    .collect::<Vec<_>>()
                    .join("; ")
            }
        }
    }

    #[test]
    fn fields_are_those_of_the_form() {
        let said = [
            check(&[("filename", "our_holiday.MOV"), ("is_mine", "\u{1}")]),
            check(&[
                ("filename", "a.mp4"),
                ("title", "Ho ho"),
                ("description", "Two\nlines"),
                ("visibility", "private"),
            ]),
            check(&[("filetype", "video/quicktime")]),
            check(&[]),
            check(&[("filename", "a.txt"), ("filetype", "video/mp4")]),
            check(&[
                ("filename", "a.mp4"),
                ("title", "a\0b"),
                ("visibility", "secret"),
                ("protection", "cenc"),
            ]),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        our_holiday.mov: "our_holiday" "" public none
        a.mp4: "Ho ho" "Two\nlines" private none
        video.mov: "video" "" public none
        "filename": "Only .mp4 and .mov files are accepted."
        "filename": "Only .mp4 and .mov files are accepted."
        "protection": "This server has no master key to keep keys with (`drm.master_key`) and cannot protect videos. Choose `none`."; "title": "Control characters are not allowed."; "visibility": "Choose `public`, `unlisted` or `private`."
        "#);
    }

    #[test]
    fn what_is_no_metadata_is_refused() {
        for header in ["a ?", "a YQ==,a YQ==", ",", "a YQ== YQ=="] {
            assert!(pairs(header).is_none(), "{header}");
        }
        assert_eq!(pairs("is_mine,b YQ==").unwrap(), [("is_mine", String::new()), ("b", "a".to_owned())]);
        assert_eq!(pairs(""), Some(Vec::new()));
    }
}
