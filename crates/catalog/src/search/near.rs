//! Where terms have to be: the newest videos of each nearness.

use db::Statement;

use crate::browse::narrowed;

/// One of [`NEARNESS`].
pub(super) struct Near {
    /// Of SQLite's index, as a query names them.
    pub(super) columns: &'static str,
    /// The ids of videos, of `$11` at most `$12`; before them what narrows it down.
    pub(super) newest: Statement,
}

/// The nearest first. Each holds those before it.
pub(super) const NEARNESS: [Near; 4] = [
    Near { columns: "title", newest: IN_TITLE },
    Near { columns: "title tags", newest: IN_NAME },
    Near { columns: "title tags description", newest: IN_WRITING },
    Near { columns: "title tags description speech", newest: ANYWHERE },
];

/// The same statement over each of PostgreSQL's columns. One column with weights would not do: PostgreSQL guesses from a
/// column's words how many documents match, and so whether to read the newest until there are enough or to look all of
/// them up. SQLite has one index, whose rows come in its own order; what it is asked says where.
macro_rules! newest {
    ($($name:ident of $column:literal)+) => {
        db::statements! {
            $($name {
                "SELECT videos.id FROM videos JOIN search_documents ON search_documents.video_id = videos.id "
                [sqlite "JOIN search_words ON search_words.rowid = search_documents.id " postgres ""]
                "WHERE " [sqlite "search_words" postgres $column]
                [sqlite " MATCH $11" postgres " @@ CAST($11 AS TSQUERY)"]
                " AND " [sqlite narrowed postgres narrowed]
                " ORDER BY " [sqlite "search_words.rowid" postgres "search_documents.id"] " DESC LIMIT $12"
            })+
        }
    };
}

newest! {
    IN_TITLE of "search_documents.in_title"
    IN_NAME of "search_documents.in_name"
    IN_WRITING of "search_documents.in_writing"
    ANYWHERE of "search_documents.words"
}
