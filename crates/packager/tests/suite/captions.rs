//! Captions as people bring them → WebVTT.

use packager::captions::Captions;
use proptest::prelude::*;

/// The WebVTT that is made of a file, or why there is none.
fn check(file: impl AsRef<[u8]>, expected: &str) {
    let made = Captions::parse(file.as_ref()).map(|captions| captions.to_webvtt());
    assert_eq!(made.unwrap_or_else(|error| error.to_string()), expected);
}

#[test]
fn webvtt_keeps_what_is_understood() {
    check(
        "\u{feff}WEBVTT - a title\r\nKind: captions\r\n\r\nSTYLE\r\n::cue { color: red }\r\n\r\nNOTE nobody reads this\r\n\r\n\
         first\r\n00:01.000 --> 00:02.500 align:start line:90% nonsense:1 position:x<y\r\n\
         <v Ada>Hello</v>, <i.loud>world</i>\r\n<script>alert(1)</script> &amp; 1 < 2\r\n\r\n\
         100:00:00.000 --> 100:00:01.000\r\nlate",
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.500 align:start line:90%\n<v Ada>Hello</v>, <i.loud>world</i>\n\
         alert(1) &amp; 1 &lt; 2\n\n100:00:00.000 --> 100:00:01.000\nlate\n",
    );
}

#[test]
fn subrip_becomes_webvtt() {
    check(
        "1\n00:00:05,500 --> 00:00:07,000 X1:0 X2:10\n{\\an8}<font color=\"#fff\">Second</font>\n<b>one</b>\n\n\
         2\n00:00:01,2 --> 00:00:03,04\nFirst --> really\n\n3\n00:00:09,000 --> 00:00:09,000\nnever seen\n\n\
         4\n00:00:10,000 --> 00:00:11,000\n<font></font>\n",
        "line 8: `First --> really` is not like `00:01:02.500 --> 00:01:05.000`",
    );
    check(
        "1\n00:00:05,500 --> 00:00:07,000 X1:0 X2:10\n{\\an8}<font color=\"#fff\">Second</font>\n<b>one</b>\n\n\
         2\n00:00:01,2 --> 00:00:03,04\nFirst -- > really\n\n3\n00:00:09,000 --> 00:00:09,000\nnever seen\n\n\
         4\n00:00:10,000 --> 00:00:11,000\n<font></font>\n",
        "WEBVTT\n\n00:00:01.200 --> 00:00:03.040\nFirst -- > really\n\n00:00:05.500 --> 00:00:07.000\nSecond\n<b>one</b>\n",
    );
}

#[test]
fn utf_16_is_read_and_what_is_no_text_is_refused() {
    let text = "WEBVTT\n\n00:01.000 --> 00:02.000\nÄ €\n";
    let little: Vec<u8> =
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    for file in [little, big] {
        check(file, "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nÄ €\n");
    }
    let encoding = "the file is not text in UTF-8: save it in that encoding";
    check(b"1\n00:00:01,000 --> 00:00:02,000\nM\xe4dchen\n", encoding);
    check([0xff, 0xfe, 0x41], encoding);
    check([0xff, 0xfe, 0x00, 0xd8], encoding);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let empty = "there is no caption in the file; it should be WebVTT (.vtt) or SubRip (.srt)";
    check("", empty);
    check("WEBVTT\n\nNOTE\nnothing\n", empty);
    check("hello", empty);
    check("WEBVTT\n\n00:02.000 --> 00:01.000\nx", "line 3: the caption ends before it begins");
    for times in ["1:2 --> 00:00:03.000", "00:61.000 --> 00:62.000", "00:00:01.0000 --> 00:00:02.000", "-->"]
    {
        check(
            format!("WEBVTT\n\nid\n{times}\nx"),
            &format!("line 4: `{times}` is not like `00:01:02.500 --> 00:01:05.000`"),
        );
    }
    let long = "x".repeat(5000);
    check(
        format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{long}"),
        "line 3: the caption is longer than 4096 bytes",
    );
    let many = "00:01.000 --> 00:02.000\nx\n\n".repeat(36_001);
    check(format!("WEBVTT\n\n{many}"), "there are more than `36000` captions in the file");
}

#[test]
fn what_is_read_has_no_tags() {
    let file = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ada Byron>Two <00:00:01.500>words</v>\n<i>&lt;b&gt; &amp;amp;&nbsp;x</i> 3 <4\n";
    let captions = Captions::parse(file.as_bytes()).unwrap();
    assert_eq!(captions.cues()[0].plain(), "Two words <b> &amp; x 3 <4");
    assert_eq!((captions.cues()[0].start_millis(), captions.cues()[0].end_millis()), (1000, 2000));
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(file in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "(WEBVTT\n\n)?([0-9]{1,2}:[0-5][0-9][.,][0-9]{3} --> [0-9]{2}:[0-5][0-9][.,][0-9]{3}( [a-z:%0-9-]{1,12})?\n[ -~äß€\t]{0,40}\n?[<>&/bi. {}\\\\-]{0,30}\n\n){1,4}"
            .prop_map(String::into_bytes),
    ]) {
        if let Ok(captions) = Captions::parse(&file) {
            let written = captions.to_webvtt();
            let again = Captions::parse(written.as_bytes());
            prop_assert_eq!(again.as_ref(), Ok(&captions), "{}", written);
            for cue in captions.cues() {
                prop_assert!(cue.start_millis() < cue.end_millis());
                prop_assert!(!cue.plain().contains('\n'));
            }
        }
    }
}
