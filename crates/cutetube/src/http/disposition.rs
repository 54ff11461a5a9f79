//! `Content-Disposition` (RFC 6266): what a file is called when somebody saves it.

use std::fmt::Write as _;

use axum::http::HeaderValue;

/// Shown where it is opened, saved as `name`.
pub(crate) fn inline(name: &str) -> HeaderValue {
    disposition("inline", name)
}

/// Saved as `name`.
pub(crate) fn attachment(name: &str) -> HeaderValue {
    disposition("attachment", name)
}

/// Whatever `name` is, it stays one value of one header: a form in ASCII for everybody, and the whole name in the
/// encoding of RFC 8187 where that says more.
fn disposition(kind: &str, name: &str) -> HeaderValue {
    let plain = plain(name);
    let mut text = format!("{kind}; filename=\"{plain}\"");
    if plain != name {
        text.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            match byte {
                byte if is_attr_char(byte) => text.push(char::from(byte)),
                byte => write!(text, "%{byte:02X}").expect("a string takes every text"),
            }
        }
    }
    HeaderValue::try_from(text).expect("made of characters that every header takes")
}

/// With `_` for what some client takes for syntax, an escape, or a folder.
fn plain(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || " .-_()+,&'".contains(c);
    let text: String = name.chars().map(|c| if kept(c) { c } else { '_' }).collect();
    match text.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None => text,
    }
}

/// RFC 8187 §3.2.1
fn is_attr_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_written_so_that_every_client_reads_them() {
        let names = [
            "holiday.mp4",
            "Our holiday (2).mov",
            "Zoë & Łukasz.mp4",
            "a\"; filename=\"b.exe",
            "a\r\nSet-Cookie: x=y",
            "..\\..\\x.mp4",
            ".hidden.mp4",
            "50%.mp4",
            "映画.mp4",
        ];
        let said: Vec<_> = names.map(|name| inline(name).to_str().unwrap().to_owned()).into();
        insta::assert_snapshot!(said.join("\n"));
    }

    proptest! {
        #[test]
        fn a_name_is_never_more_than_a_name(name in any::<String>()) {
            let value = attachment(&name);
            let text = value.to_str().unwrap();
            prop_assert!(text.bytes().all(|byte| (b' '..0x7f).contains(&byte)));
            prop_assert_eq!(text.matches('"').count(), 2);
            prop_assert_eq!(text.matches(';').count(), if text.contains("filename*") { 2 } else { 1 });
        }
    }
}
