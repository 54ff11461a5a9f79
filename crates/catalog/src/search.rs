//! Finding videos by what is written about them: one function for SQLite's FTS5 and PostgreSQL's full text.
//!
//! The rules of language are here and not in the databases, so that both find the same: texts are split into
//! [`words`], which are folded to lower case without accents, and the databases index nothing but these. Nor do they
//! weigh what they find, which would take reading all of it: what is found nearer to the title is first, and of that
//! the newest, which both read from their indexes until there is enough.

mod facets;
pub(crate) mod near;
mod snippet;
mod words;

use std::collections::HashSet;

use db::{Db, Tx};

use crate::{
    Result,
    browse::Filter,
    ids::{UserId, VideoId},
    videos::{self, Video},
};

use facets::Facets;
pub use facets::Length;
use near::{NEARNESS, Near};
pub use snippet::{Piece, snippet};
use words::words;

/// What is looked for: words that all have to be there, the last of them as the beginning of one, unless white space
/// follows it. Whatever a person types can be looked for; quotes and operators are nothing special.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    whole: Vec<String>,
    beginning: Option<String>,
}

/// Who looks, and so what there is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// Everybody: what is listed and plays.
    Anybody,
    /// That, and everything of one's own.
    User(UserId),
    /// Everything.
    Admin,
}

/// More words than this are not looked at.
const MOST_TERMS: usize = 16;

impl Terms {
    /// What `typed` asks for; `None` when there is no word in it.
    pub fn parse(typed: &str) -> Option<Self> {
        let mut whole: Vec<String> = words(typed).map(|word| word.folded).take(MOST_TERMS).collect();
        let ends_a_word = typed.chars().next_back().is_some_and(char::is_whitespace);
        let beginning = if ends_a_word { None } else { whole.pop() };
        (!whole.is_empty() || beginning.is_some()).then_some(Self { whole, beginning })
    }

    /// Whether this folded word is one of those looked for.
    fn match_word(&self, word: &str) -> bool {
        self.whole.iter().any(|term| term == word)
            || self.beginning.as_ref().is_some_and(|beginning| word.starts_with(beginning))
    }

    /// As a query of FTS5: every term in quotes, of which terms have none.
    fn fts5(&self) -> String {
        let whole = self.whole.iter().map(|term| format!("\"{term}\""));
        whole.chain(self.beginning.iter().map(|term| format!("\"{term}\"*"))).collect::<Vec<_>>().join(" ")
    }

    /// As a `tsquery`: the same in its words.
    fn tsquery(&self) -> String {
        let whole = self.whole.iter().map(|term| format!("'{term}'"));
        whole.chain(self.beginning.iter().map(|term| format!("'{term}':*"))).collect::<Vec<_>>().join(" & ")
    }

    /// What words that are said have to be like, with a space on either side, for one of the terms to be among them.
    pub(crate) fn patterns(&self) -> Vec<String> {
        let whole = self.whole.iter().map(|term| format!("% {term} %"));
        whole.chain(self.beginning.iter().map(|term| format!("% {term}%"))).collect()
    }

    /// How many of the terms are among these folded words.
    pub(crate) fn hits(&self, words: &str) -> usize {
        let said: Vec<&str> = words.split(' ').collect();
        let whole = self.whole.iter().filter(|term| said.contains(&term.as_str())).count();
        let begins = |term: &&String| said.iter().any(|word| word.starts_with(term.as_str()));
        whole + self.beginning.iter().filter(begins).count()
    }

    /// As the value of a statement, which finds them anywhere.
    pub(crate) fn for_database(&self, db: &Db) -> String {
        let [.., anywhere] = &NEARNESS;
        match db.backend() {
            db::Backend::Sqlite => self.within(anywhere),
            db::Backend::Postgres => self.tsquery(),
        }
    }

    /// As a query of FTS5 for where they have to be.
    fn within(&self, near: &Near) -> String {
        format!("{{{}}} : ({})", near.columns, self.fts5())
    }
}

impl Viewer {
    pub(crate) fn user(self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Anybody | Self::Admin => None,
        }
    }

    pub(crate) fn sees_all(self) -> bool {
        self == Self::Admin
    }
}

/// Videos that match, the best first: those with all terms in the title, then in the title or the tags, then also in
/// the description, then in what is said; of equals the newest is first. `skip` of them are left out. Of `filter`
/// everything counts but its terms.
///
/// # Errors
/// Those of the database; never for what `terms` are.
pub async fn search(
    db: &Db,
    viewer: Viewer,
    terms: &Terms,
    filter: &Filter,
    limit: u32,
    skip: u32,
) -> Result<Vec<Video>> {
    let most = skip.saturating_add(limit);
    let [skipped, wanted] = [skip, most].map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let facets = Facets::of(viewer, filter);
    let mut found: Vec<VideoId> = Vec::new();
    for near in &NEARNESS {
        let matching = match db.backend() {
            db::Backend::Sqlite => terms.within(near) + &facets.fts5(),
            db::Backend::Postgres => terms.tsquery() + &facets.tsquery(),
        };
        let newest =
            filter.bind(db.read(near.newest), viewer).bind(matching).bind(most).planned_for_its_values();
        let known: HashSet<VideoId> = found.iter().copied().collect();
        found.extend(newest.values::<VideoId>().await?.into_iter().filter(|video| !known.contains(video)));
        if found.len() >= wanted {
            break;
        }
    }
    found.truncate(wanted);
    let found = found.get(skipped..).unwrap_or_default();
    let mut videos = videos::some(db, found).await?;
    videos.sort_by_key(|video| found.iter().position(|id| *id == video.id));
    Ok(videos)
}

/// Makes a video found by what is written about it now.
pub(crate) async fn index(tx: &mut Tx, video: &Video) -> Result<()> {
    let tags: Vec<&str> = video.tags.iter().collect();
    tx.query(INDEX)
        .bind(video.id)
        .bind(folded(video.title.as_str()))
        .bind(folded(&tags.join(" ")))
        .bind(folded(video.description.as_str()))
        .execute()
        .await?;
    Ok(())
}

/// Indexes up to `limit` videos that were uploaded before there was an index, and answers how many there were.
///
/// # Errors
/// Those of the database.
pub async fn catch_up(db: &Db, limit: u32) -> Result<usize> {
    let missing: Vec<VideoId> = db.read(MISSING).bind(limit).values().await?;
    for id in &missing {
        let mut tx = db.begin().await?;
        if let Some(video) = tx.query(LOCK).bind(*id).first::<Video>().await? {
            index(&mut tx, &video).await?;
        }
        tx.commit().await?;
    }
    Ok(missing.len())
}

/// The words that a text is found by.
pub(crate) fn folded(text: &str) -> String {
    words(text).map(|word| word.folded).collect::<Vec<_>>().join(" ")
}

db::statements! {
    INDEX {
        "INSERT INTO search_documents (video_id, title, tags, description, facets)
         SELECT video_id, $2, $3, $4, facets FROM search_facets WHERE video_id = $1
         ON CONFLICT (video_id) DO UPDATE SET title = excluded.title, tags = excluded.tags,
             description = excluded.description, facets = excluded.facets"
    }
    MISSING {
        "SELECT id FROM videos WHERE NOT EXISTS (SELECT 1 FROM search_documents WHERE video_id = videos.id)
         LIMIT $1"
    }
    LOCK { "SELECT * FROM videos WHERE id = $1" FOR_UPDATE }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_typed_is_words() {
        let check = |typed: &str, fts5: &str, tsquery: &str| {
            let terms = Terms::parse(typed).unwrap();
            assert_eq!((terms.fts5().as_str(), terms.tsquery().as_str()), (fts5, tsquery), "{typed:?}");
        };
        check("Big BUNNY", r#""big" "bunny"*"#, "'big' & 'bunny':*");
        check("bunny ", r#""bunny""#, "'bunny'");
        check(
            r#""AND" OR NEAR(a, b)*"#,
            r#""and" "or" "near" "a" "b"*"#,
            "'and' & 'or' & 'near' & 'a' & 'b':*",
        );
        check("Höhle", r#""hohle"*"#, "'hohle':*");
        assert_eq!(Terms::parse(" \"*-' "), None);
        assert_eq!(Terms::parse(""), None);
    }

    proptest! {
        #[test]
        fn no_term_can_leave_its_quotes(typed in ".{0,300}") {
            if let Some(terms) = Terms::parse(&typed) {
                prop_assert!(terms.whole.iter().chain(&terms.beginning).count() <= MOST_TERMS);
                for term in terms.whole.iter().chain(&terms.beginning) {
                    prop_assert!(!term.is_empty() && term.chars().count() <= words::LONGEST);
                    prop_assert!(!term.contains(['"', '\'', '\\', '\0']));
                }
            }
        }
    }
}
