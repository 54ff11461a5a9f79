//! Accounts, videos and what is made of them: the types, the rules, the tables.
//!
//! What it deliberately does not do: it serves no HTTP, reads no blob, starts no process, hashes no password and
//! signs no token. It keeps no clock and rolls no dice: times are the database's, identifiers are made from a time
//! and random bytes that the caller brings.
//!
//! # The shape of the work
//!
//! ```text
//! videos::create ─▶ inspect ─▶ outputs::record_plan ─▶ encode × n, audio
//!                                     each ends with outputs::record ─▶ the last one enqueues publish
//!                                                                        └▶ outputs::publish
//! ```
//!
//! Every verb is one transaction that ends the job which led to it ([`jobs::Lease`]) and enqueues what follows, so
//! that after a crash at any moment the job, the rows and the next job agree. A verb that answers
//! [`Error::lease_lost`] has changed nothing: another worker has the job, and the work is to be thrown away.
//!
//! A video moves through [`VideoState`]s by a pure function; objects are recorded once and never changed, whichever
//! worker comes first; and the manifests follow from [`outputs::Contents`], never from "everything is done".

pub mod accounts;
pub mod administration;
pub mod audience;
pub mod browse;
pub mod captions;
pub mod chapters;
pub mod comments;
pub mod endings;
mod error;
pub mod events;
pub mod idempotency;
pub mod ids;
pub mod invites;
pub mod keys;
pub mod leaving;
pub mod letters;
pub mod licences;
pub mod likes;
pub mod names;
pub mod notices;
pub mod outputs;
pub mod pictures;
pub mod posters;
pub mod processes;
pub mod quality;
pub mod quotas;
pub mod rates;
pub mod remaking;
pub mod resumable;
pub mod scrubs;
pub mod search;
pub mod sessions;
mod stages;
mod state;
pub mod storage;
pub mod throttle;
pub mod tokens;
pub mod usage;
pub mod videos;
pub mod views;
pub mod work;

pub use error::{Error, Result};
pub use stages::{Stage, StageProgress};
pub use state::{Refused, VideoEvent, VideoState};

/// Every migration of the program, in the order in which databases have run them. Only ever appended to.
pub const MIGRATIONS: &[db::Migration] = &[
    jobs::QUEUE_MIGRATION,
    db::Migration { name: "catalog/0001_accounts", sql: include_str!("../migrations/0001_accounts.sql") },
    db::Migration { name: "catalog/0002_videos", sql: include_str!("../migrations/0002_videos.sql") },
    jobs::WORKERS_MIGRATION,
    db::Migration { name: "catalog/0004_storage", sql: include_str!("../migrations/0004_storage.sql") },
    db::Migration { name: "catalog/0003_events", sql: include_str!("../migrations/0003_events.sql") },
    db::Migration { name: "catalog/0030_rates", sql: include_str!("../migrations/0030_rates.sql") },
    db::Migration { name: "catalog/0010_api_tokens", sql: include_str!("../migrations/0010_api_tokens.sql") },
    db::Migration {
        name: "catalog/0011_account_standing",
        sql: include_str!("../migrations/0011_account_standing.sql"),
    },
    db::Migration { name: "catalog/0031_search", sql: include_str!("../migrations/0031_search.sql") },
    db::Migration {
        name: "catalog/0032_idempotency",
        sql: include_str!("../migrations/0032_idempotency.sql"),
    },
    db::Migration {
        name: "catalog/0040_content_keys",
        sql: include_str!("../migrations/0040_content_keys.sql"),
    },
    db::Migration { name: "catalog/0041_licences", sql: include_str!("../migrations/0041_licences.sql") },
    db::Migration { name: "catalog/0050_remaking", sql: include_str!("../migrations/0050_remaking.sql") },
    db::Migration { name: "catalog/0051_downloads", sql: include_str!("../migrations/0051_downloads.sql") },
    db::Migration {
        name: "catalog/0060_resumable_uploads",
        sql: include_str!("../migrations/0060_resumable_uploads.sql"),
    },
    db::Migration { name: "catalog/0061_quality", sql: include_str!("../migrations/0061_quality.sql") },
    db::Migration { name: "catalog/0062_views", sql: include_str!("../migrations/0062_views.sql") },
    db::Migration { name: "catalog/0063_comments", sql: include_str!("../migrations/0063_comments.sql") },
    db::Migration { name: "catalog/0064_captions", sql: include_str!("../migrations/0064_captions.sql") },
    db::Migration { name: "catalog/0067_people", sql: include_str!("../migrations/0067_people.sql") },
    db::Migration {
        name: "catalog/0068_storage_by_video",
        sql: include_str!("../migrations/0068_storage_by_video.sql"),
    },
    db::Migration { name: "catalog/0065_posters", sql: include_str!("../migrations/0065_posters.sql") },
    db::Migration { name: "catalog/0066_audience", sql: include_str!("../migrations/0066_audience.sql") },
    db::Migration { name: "catalog/0069_nearness", sql: include_str!("../migrations/0069_nearness.sql") },
];

#[cfg(test)]
mod tests;
