//! Lists of videos: what somebody may see of them, narrowed down, in one of several orders, page after page.

use std::{fmt, str::FromStr, time::Duration};

use db::{ColumnError, Db, Query, Timestamp};
use uuid::Uuid;

use crate::{
    Result, VideoState,
    ids::UserId,
    search::{Terms, Viewer},
    videos::{Video, Visibility},
};

/// Which videos of those that somebody may see. What is absent does not narrow it down.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Whose.
    pub owner: Option<UserId>,
    /// Where in their life.
    pub state: Option<VideoState>,
    /// Seen by whom.
    pub visibility: Option<Visibility>,
    /// With these words in title, tags, description or captions.
    pub terms: Option<Terms>,
    /// Uploaded at this moment or later.
    pub created_from: Option<Timestamp>,
    /// Uploaded before.
    pub created_before: Option<Timestamp>,
    /// At least so long.
    pub shortest: Option<Duration>,
    /// At most so long.
    pub longest: Option<Duration>,
    /// With captions of whatever language.
    pub has_captions: bool,
}

db::text_enum! {
    /// What comes first.
    pub enum Order {
        /// What was uploaded last.
        Newest = "newest",
        /// What was uploaded first.
        Oldest = "oldest",
        /// What takes longest to watch.
        Longest = "longest",
        /// What is watched soonest.
        Shortest = "shortest",
    }
}

/// Where a list goes on: after this video, in this order. Its text form is opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    order: Order,
    key: i64,
    id: Uuid,
}

/// The next videos, and where the list goes on if it does.
///
/// # Errors
/// Those of the database.
pub async fn browse(
    db: &Db,
    viewer: Viewer,
    filter: &Filter,
    place: Place,
    limit: u32,
) -> Result<(Vec<Video>, Option<Place>)> {
    let statement = match place.order {
        Order::Newest => NEWEST,
        Order::Oldest => OLDEST,
        Order::Longest => LONGEST,
        Order::Shortest => SHORTEST,
    };
    let found = filter.bind(db.read(statement), viewer);
    let found = found.bind(place.key).bind(place.id).bind(limit.saturating_add(1));
    let found = found.bind(filter.terms.as_ref().map(|terms| terms.for_database(db)));
    let found = if filter.terms.is_some() { found.planned_for_its_values() } else { found };
    let mut videos: Vec<Video> = found.all().await?;
    let length = usize::try_from(limit).unwrap_or(usize::MAX);
    let goes_on = videos.len() > length;
    videos.truncate(length);
    let next = videos.last().filter(|_| goes_on).map(|last| Place::after(place.order, last));
    Ok((videos, next))
}

impl Filter {
    /// From `$1` on: who looks, and everything that is asked for but words.
    pub(crate) fn bind<'a>(&self, query: Query<'a>, viewer: Viewer) -> Query<'a> {
        query
            .bind(viewer.user())
            .bind(viewer.sees_all())
            .bind(self.owner)
            .bind(self.state)
            .bind(self.visibility)
            .bind(self.created_from)
            .bind(self.created_before)
            .bind(self.shortest)
            .bind(self.longest)
            .bind(self.has_captions)
    }
}

impl Place {
    /// Before the first video.
    pub fn start(order: Order) -> Self {
        match order {
            Order::Newest | Order::Longest => Self { order, key: i64::MAX, id: Uuid::max() },
            Order::Oldest | Order::Shortest => Self { order, key: i64::MIN, id: Uuid::nil() },
        }
    }

    /// The order that it is a place in.
    pub fn order(self) -> Order {
        self.order
    }

    fn after(order: Order, video: &Video) -> Self {
        let key = match order {
            Order::Newest | Order::Oldest => video.created_at.unix_micros(),
            Order::Longest | Order::Shortest => {
                let duration = video.duration().unwrap_or_default();
                i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
            }
        };
        Self { order, key, id: video.id.uuid() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{:x}-{}", self.order, self.key.cast_unsigned(), self.id.simple())
    }
}

impl FromStr for Place {
    type Err = ColumnError;

    fn from_str(text: &str) -> Result<Self, ColumnError> {
        let mut parts = text.splitn(3, '-');
        let parsed = (|| {
            let (order, key, id) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Self {
                order: order.parse().ok()?,
                key: u64::from_str_radix(key, 16).ok()?.cast_signed(),
                id: Uuid::try_parse(id).ok()?,
            })
        })();
        parsed.ok_or_else(|| ColumnError("this is no place in a list".to_owned()))
    }
}

/// What is seen, and what is asked for but words. The casts say to PostgreSQL what a NULL would be.
macro_rules! narrowed {
    () => {
        "videos.state <> 'deleting'
         AND ($2 OR owner_id = $1 OR (state = 'ready' AND visibility = 'public'))
         AND (CAST($3 AS UUID) IS NULL OR owner_id = $3)
         AND (CAST($4 AS TEXT) IS NULL OR state = $4)
         AND (CAST($5 AS TEXT) IS NULL OR visibility = $5)
         AND (CAST($6 AS BIGINT) IS NULL OR created_at >= $6)
         AND (CAST($7 AS BIGINT) IS NULL OR created_at < $7)
         AND (CAST($8 AS BIGINT) IS NULL OR coalesce(measured_duration, claimed_duration, 0) >= $8)
         AND (CAST($9 AS BIGINT) IS NULL OR coalesce(measured_duration, claimed_duration, 0) <= $9)
         AND (NOT $10 OR EXISTS (SELECT 1 FROM captions WHERE captions.video_id = videos.id))"
    };
}
pub(crate) use narrowed;

macro_rules! narrowed_on_sqlite {
    () => {
        concat!(
            narrowed!(),
            " AND (CAST($14 AS TEXT) IS NULL OR id IN
             (SELECT video_id FROM search_documents JOIN search_words ON search_words.rowid = search_documents.id
              WHERE search_words MATCH coalesce($14, '')))"
        )
    };
}

macro_rules! narrowed_on_postgres {
    () => {
        concat!(
            narrowed!(),
            " AND (CAST($14 AS TEXT) IS NULL OR id IN
             (SELECT video_id FROM search_documents WHERE words @@ CAST($14 AS TSQUERY)))"
        )
    };
}

db::statements! {
    NEWEST {
        "SELECT * FROM videos WHERE (created_at, id) < ($11, $12) AND " [sqlite narrowed_on_sqlite postgres narrowed_on_postgres]
        " ORDER BY created_at DESC, id DESC LIMIT $13"
    }
    OLDEST {
        "SELECT * FROM videos WHERE (created_at, id) > ($11, $12) AND " [sqlite narrowed_on_sqlite postgres narrowed_on_postgres]
        " ORDER BY created_at, id LIMIT $13"
    }
    LONGEST {
        "SELECT * FROM videos
         WHERE (coalesce(measured_duration, claimed_duration, 0), id) < ($11, $12) AND " [sqlite narrowed_on_sqlite postgres narrowed_on_postgres]
        " ORDER BY coalesce(measured_duration, claimed_duration, 0) DESC, id DESC LIMIT $13"
    }
    SHORTEST {
        "SELECT * FROM videos
         WHERE (coalesce(measured_duration, claimed_duration, 0), id) > ($11, $12) AND " [sqlite narrowed_on_sqlite postgres narrowed_on_postgres]
        " ORDER BY coalesce(measured_duration, claimed_duration, 0), id LIMIT $13"
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_place_is_refused() {
        for text in
            ["", "newest", "newest-1", "newest--", "best-1-00000000000000000000000000000000", "newest-x-0"]
        {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_place_is_found_again(
            order in prop::sample::select(Order::ALL), key in any::<i64>(), id in any::<u128>(),
        ) {
            let place = Place { order, key, id: Uuid::from_u128(id) };
            prop_assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        }
    }
}
