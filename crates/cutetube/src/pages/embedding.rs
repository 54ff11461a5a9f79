//! What other sites write to show a video in a page of theirs.

use crate::playback::BaseUrl;
use catalog::videos::Video;

/// Width and height of a player where nobody asks for others.
pub(super) const USUAL_SIZE: (u32, u32) = (640, 360);

/// An element of HTML that plays the video. It goes into pages of others as it is, so that what people typed is escaped.
pub(super) fn embed_code(base: &BaseUrl, video: &Video, (width, height): (u32, u32)) -> String {
    let (url, title) = (attribute(&base.embed(video.id)), attribute(video.title.as_str()));
    format!(
        "<iframe src=\"{url}\" width=\"{width}\" height=\"{height}\" title=\"{title}\" \
         allow=\"autoplay; encrypted-media; fullscreen; picture-in-picture\" allowfullscreen></iframe>"
    )
}

/// As the value of an attribute in double quotes (HTML Living Standard §13.1.2.3).
fn attribute(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_attribute() {
        let escaped = attribute("\"><script>alert('x')</script> & more");
        assert_eq!(escaped, "&quot;&gt;&lt;script&gt;alert('x')&lt;/script&gt; &amp; more");
    }
}
