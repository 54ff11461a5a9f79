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

/// SQLite's index has its rows in the order that is wanted, and is read until there is enough.
macro_rules! newest_on_sqlite {
    () => {
        concat!(
            "SELECT videos.id FROM videos JOIN search_documents ON search_documents.video_id = videos.id
                 JOIN search_words ON search_words.rowid = search_documents.id
             WHERE search_words MATCH $11 AND ",
            narrowed!(),
            " ORDER BY search_words.rowid DESC LIMIT $12"
        )
    };
}

/// PostgreSQL's index has no order. What matches is either rare, and all of it is looked up and sorted, or frequent, and
/// documents are read from the newest on until there is enough. Which of the two is seen from what is there, and not left
/// to the planner, which has to plan for the value each time to guess it, for longer than the search takes:
///
/// 1. If enough of the latest documents match, these are the answer.
/// 2. If not, and few match in all, the answer is among those.
/// 3. If not, all documents are read.
///
/// A part whose condition is not met is not run. The function of the operator `@@` is used where the index is not to be.
macro_rules! newest_on_postgres {
    ($column:literal) => {
        concat!(
            "WITH latest AS MATERIALIZED (
                 SELECT document, videos.id AS video
                 FROM (SELECT id AS document, video_id, ",
            $column,
            " AS indexed FROM search_documents ORDER BY id DESC LIMIT 4 * CAST($12 AS BIGINT)) AS documents
                     JOIN videos ON videos.id = video_id
                 WHERE ts_match_vq(indexed, CAST($11 AS TSQUERY)) AND ",
            narrowed!(),
            " ORDER BY document DESC LIMIT CAST($12 AS BIGINT)
             ), few AS MATERIALIZED (
                 SELECT id AS document, video_id FROM search_documents
                 WHERE (SELECT count(*) FROM latest) < CAST($12 AS BIGINT) AND ",
            $column,
            " @@ CAST($11 AS TSQUERY) LIMIT 501
             )
             SELECT video FROM (
                 SELECT * FROM latest WHERE (SELECT count(*) FROM latest) = CAST($12 AS BIGINT)
                 UNION ALL (
                     SELECT document, videos.id AS video
                     FROM (SELECT * FROM few ORDER BY document DESC) AS documents
                         JOIN videos ON videos.id = video_id
                     WHERE (SELECT count(*) FROM few) BETWEEN 1 AND 500 AND ",
            narrowed!(),
            " ORDER BY document DESC LIMIT CAST($12 AS BIGINT)
                 ) UNION ALL (
                     SELECT search_documents.id AS document, videos.id AS video
                     FROM search_documents JOIN videos ON videos.id = video_id
                     WHERE (SELECT count(*) FROM few) > 500
                         AND ts_match_vq(",
            $column,
            ", CAST($11 AS TSQUERY)) AND ",
            narrowed!(),
            " ORDER BY search_documents.id DESC LIMIT CAST($12 AS BIGINT)
                 )
             ) AS found ORDER BY document DESC"
        )
    };
}

db::statements! {
    IN_TITLE { [sqlite { newest_on_sqlite!() } postgres { newest_on_postgres!("in_title") }] }
    IN_NAME { [sqlite { newest_on_sqlite!() } postgres { newest_on_postgres!("in_name") }] }
    IN_WRITING { [sqlite { newest_on_sqlite!() } postgres { newest_on_postgres!("in_writing") }] }
    ANYWHERE { [sqlite { newest_on_sqlite!() } postgres { newest_on_postgres!("words") }] }
}
