//! What scripts read inside of a page: JSON in elements that browsers do not run, as the pages' policy wants it.

use std::collections::BTreeMap;

use crate::texts::Language;

/// The texts of an island, for `web/src/texts.ts`: those whose keys begin with `script-` and its name.
pub(super) fn texts(island: &str) -> String {
    let messages: BTreeMap<_, _> = Language::in_hand().messages(&format!("script-{island}-")).collect();
    unbreakable(&serde_json::to_string(&messages).unwrap_or_default())
}

/// The same JSON without characters that mean something in HTML: they only ever stand in strings, where they can be
/// written as escapes (RFC 8259 §7).
pub(super) fn unbreakable(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_it_ends_the_element() {
        let json = serde_json::to_string("</script><!--&amp;").unwrap();
        let unbreakable = unbreakable(&json);
        assert!(!unbreakable.contains(['<', '>', '&']), "{unbreakable}");
        assert_eq!(serde_json::from_str::<String>(&unbreakable).unwrap(), "</script><!--&amp;");
    }

    #[test]
    fn an_island_gets_its_own_texts_with_names_for_arguments() {
        let texts: BTreeMap<String, String> = serde_json::from_str(&texts("upload")).unwrap();
        assert_eq!(texts["script-upload-paused"], "Paused at {$percent} %.");
        assert!(texts.keys().all(|key| key.starts_with("script-upload-")), "{texts:?}");
    }
}
