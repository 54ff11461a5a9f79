//! Language codes of MP4 as language tags of manifests.

/// The BCP 47 tag of an ISO 639-2 code as `mdhd` has it (14496-12 §8.4.2): the two-letter code where the language has
/// one, which BCP 47 demands (RFC 5646 §2.2.1). `None` for `und` and for what is no code.
pub fn language_tag(code: [u8; 3]) -> Option<String> {
    if code == *b"und" || !code.iter().all(u8::is_ascii_lowercase) {
        return None;
    }
    let code = std::str::from_utf8(&code).ok()?;
    let short = TWO_LETTERS.split_ascii_whitespace().find_map(|pair| pair.strip_prefix(code));
    Some(short.unwrap_or(code).to_owned())
}

/// Each ISO 639-2 code, terminological and bibliographic, followed by its ISO 639-1 code.
const TWO_LETTERS: &str = "\
    aaraa abkab afraf akaak albsq amham araar argan armhy asmas avaav aveae aymay azeaz bakba bambm \
    baqeu belbe benbn bisbi bodbo bosbs brebr bulbg burmy catca cescs chach chece chizh chucu chvcv \
    corkw cosco crecr cymcy czecs danda deude divdv dutnl dzodz ellel engen epoeo estet euseu eweee \
    faofo fasfa fijfj finfi frafr frefr fryfy fulff geoka gerde glagd glega glggl glvgv greel grngn \
    gujgu hatht hauha hebhe herhz hinhi hmoho hrvhr hunhu hyehy iboig iceis idoio iiiii ikuiu ileie \
    inaia indid ipkik islis itait javjv jpnja kalkl kankn kasks katka kaukr kazkk khmkm kikki kinrw \
    kirky komkv konkg korko kuakj kurku laolo latla lavlv limli linln litlt ltzlb lublu luglg macmk \
    mahmh malml maomi marmr mayms mkdmk mlgmg mltmt monmn mrimi msams myamy nauna navnv nblnr ndend \
    ndong nepne nldnl nnonn nobnb norno nyany ocioc ojioj orior ormom ossos panpa perfa plipi polpl \
    porpt pusps quequ rohrm ronro rumro runrn rusru sagsg sansa sinsi slksk slosk slvsl smese smosm \
    snasn sndsd somso sotst spaes sqisq srdsc srpsr sswss sunsu swasw swesv tahty tamta tattt telte \
    tgktg tgltl thath tibbo tirti tonto tsntn tsots tuktk turtr twitw uigug ukruk urdur uzbuz venve \
    vievi volvo welcy wlnwa wolwo xhoxh yidyi yoryo zhaza zhozh zulzu";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &[u8; 3], tag: Option<&str>) {
        assert_eq!(language_tag(*code).as_deref(), tag);
    }

    #[test]
    fn codes_become_the_shortest_tags() {
        check(b"eng", Some("en"));
        check(b"deu", Some("de"));
        check(b"ger", Some("de"));
        check(b"zho", Some("zh"));
        check(b"zul", Some("zu"));
        check(b"aar", Some("aa"));
        check(b"gsw", Some("gsw"));
        check(b"und", None);
        check(b"\0\0\0", None);
        check(b"```", None);
    }

    #[test]
    fn every_pair_is_a_pair() {
        assert!(TWO_LETTERS.split_ascii_whitespace().all(|pair| pair.len() == 5));
    }
}
