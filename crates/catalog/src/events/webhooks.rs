//! Webhooks: places that events are posted to.

use std::{fmt, time::Duration};

use db::{ColumnError, Db, FromColumn, Json, Timestamp, ToColumn, Tx};

use super::{EventKind, Scope};
use crate::{
    Error, Result,
    ids::{UserId, WebhookId},
};

/// A webhook to be made.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is; nobody's hears of everybody's videos.
    pub owner: Option<UserId>,
    /// Where events are posted to.
    pub url: String,
    /// Which events; none is all.
    pub kinds: Vec<EventKind>,
    /// What they are signed with.
    pub secret: Secret,
}

/// A place that events are posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is; nobody's hears of everybody's videos.
    pub owner: Option<UserId>,
    /// Where events are posted to.
    pub url: String,
    /// Which events; none is all.
    pub kinds: Vec<EventKind>,
    /// Whether anything is posted.
    pub enabled: bool,
    /// Why it was disabled, unless somebody asked for it.
    pub disabled_reason: Option<String>,
    /// Until when the secret before this one signs as well.
    pub previous_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What is to be changed about a webhook; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Where events are posted to.
    pub url: Option<String>,
    /// Which events; none is all.
    pub kinds: Option<Vec<EventKind>>,
    /// Whether anything is posted.
    pub enabled: Option<bool>,
}

/// What events are signed with, in the text form of Standard Webhooks: `whsec_` and base64. Its debug form does not
/// show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

/// The most webhooks that a person may have, and that there may be for everybody's videos.
pub const MOST: u32 = 20;

/// Makes a webhook.
///
/// # Errors
/// [`Error::TooManyWebhooks`]; [`Error::NoUser`] when the owner's account is gone.
pub async fn create(db: &Db, new: &NewWebhook) -> Result<Webhook> {
    let mut tx = db.begin().await?;
    let had: u32 = match new.owner {
        // Of two at once the second waits here, and counts the first.
        Some(owner) => {
            let known: Option<UserId> = tx.query(LOCK_OWNER).bind(owner).first_value().await?;
            tx.query(COUNT_OF_OWNER).bind(known.ok_or(Error::NoUser)?).value().await?
        }
        None => tx.query(COUNT_GLOBAL).value().await?,
    };
    if had >= MOST {
        return Err(Error::TooManyWebhooks(MOST));
    }
    let webhook = tx
        .query(CREATE)
        .bind(new.id)
        .bind(new.owner)
        .bind(&new.url)
        .bind(Json(&new.kinds))
        .bind(&new.secret)
        .one()
        .await?;
    tx.commit().await?;
    Ok(webhook)
}

/// One webhook.
///
/// # Errors
/// [`Error::NoWebhook`].
pub async fn webhook(db: &Db, id: WebhookId) -> Result<Webhook> {
    db.read(BY_ID).bind(id).first().await?.ok_or(Error::NoWebhook(id))
}

/// The webhooks of one person, or all, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list(db: &Db, scope: Scope) -> Result<Vec<Webhook>> {
    Ok(match scope {
        Scope::Owner(owner) => db.read(OF_OWNER).bind(owner),
        Scope::All => db.read(ALL),
    }
    .all()
    .await?)
}

/// Changes a webhook. One that is enabled again forgets why it was disabled.
///
/// # Errors
/// [`Error::NoWebhook`].
pub async fn change(db: &Db, id: WebhookId, change: &Change) -> Result<Webhook> {
    let changed = db
        .write(CHANGE)
        .bind(id)
        .bind(change.url.as_deref())
        .bind(change.kinds.as_ref().map(Json))
        .bind(change.enabled)
        .first()
        .await?;
    changed.ok_or(Error::NoWebhook(id))
}

/// Gives a webhook a new secret. The one before it signs as well for the time of `overlap`.
///
/// # Errors
/// [`Error::NoWebhook`].
pub async fn rotate(db: &Db, id: WebhookId, secret: &Secret, overlap: Duration) -> Result<Webhook> {
    let changed = db.write(ROTATE).bind(id).bind(secret).bind(overlap).first().await?;
    changed.ok_or(Error::NoWebhook(id))
}

/// Removes a webhook and what is known of its deliveries. Jobs on their way to it find that it is gone.
///
/// # Errors
/// [`Error::NoWebhook`].
pub async fn delete(db: &Db, id: WebhookId) -> Result<()> {
    match db.write(DELETE).bind(id).execute().await? {
        0 => Err(Error::NoWebhook(id)),
        _ => Ok(()),
    }
}

/// Stops posting to a webhook, and says why.
pub(super) async fn disable(tx: &mut Tx, id: WebhookId, reason: &str) -> Result<()> {
    tx.query(DISABLE).bind(id).bind(reason).execute().await?;
    Ok(())
}

/// Those that want to hear of an event of `owner`.
pub(super) async fn listening(tx: &mut Tx, owner: UserId, kind: EventKind) -> Result<Vec<Webhook>> {
    let enabled: Vec<Webhook> = tx.query(ENABLED).bind(owner).all().await?;
    Ok(enabled.into_iter().filter(|webhook| webhook.wants(kind)).collect())
}

/// Where to post to, and what to sign with: the secret, and the one before it while that still counts.
pub(super) async fn target(db: &Db, id: WebhookId) -> Result<Option<Target>> {
    Ok(db.read(TARGET).bind(id).first().await?)
}

db::row! {
    /// What a delivery needs of a webhook.
    pub(super) struct Target {
        pub(super) url: String,
        pub(super) enabled: bool,
        pub(super) secret: Secret,
        pub(super) previous: Option<Secret>,
    }
}

impl Webhook {
    pub(super) fn wants(&self, kind: EventKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl ToColumn for Secret {
    type Stored = String;

    fn to_stored(&self) -> Result<String, ColumnError> {
        self.0.to_stored()
    }
}

impl FromColumn for Secret {
    type Stored = String;

    fn from_stored(stored: String) -> Result<Self, ColumnError> {
        Ok(Self(stored))
    }
}

db::statements! {
    LOCK_OWNER { "SELECT id FROM users WHERE id = $1" FOR_UPDATE }
    COUNT_OF_OWNER { "SELECT count(*) FROM webhooks WHERE owner_id = $1" }
    COUNT_GLOBAL { "SELECT count(*) FROM webhooks WHERE owner_id IS NULL" }
    CREATE {
        "INSERT INTO webhooks (id, owner_id, url, kinds, secret, enabled, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, true, " NOW ", " NOW ")
         RETURNING *"
    }
    BY_ID { "SELECT * FROM webhooks WHERE id = $1" }
    OF_OWNER { "SELECT * FROM webhooks WHERE owner_id = $1 ORDER BY created_at, id" }
    ALL { "SELECT * FROM webhooks ORDER BY created_at, id" }
    ENABLED { "SELECT * FROM webhooks WHERE enabled AND (owner_id = $1 OR owner_id IS NULL) ORDER BY created_at, id" }
    CHANGE {
        "UPDATE webhooks SET url = COALESCE($2, url), kinds = COALESCE($3, kinds), enabled = COALESCE($4, enabled),
             disabled_reason = CASE WHEN COALESCE($4, enabled) THEN NULL ELSE disabled_reason END, updated_at = " NOW "
         WHERE id = $1 RETURNING *"
    }
    ROTATE {
        "UPDATE webhooks SET previous_secret = secret, previous_until = " NOW " + $3, secret = $2, updated_at = " NOW "
         WHERE id = $1 RETURNING *"
    }
    DELETE { "DELETE FROM webhooks WHERE id = $1" }
    DISABLE { "UPDATE webhooks SET enabled = false, disabled_reason = $2, updated_at = " NOW " WHERE id = $1" }
    TARGET {
        "SELECT url, enabled, secret, CASE WHEN previous_until > " NOW " THEN previous_secret END AS previous
         FROM webhooks WHERE id = $1"
    }
}

impl db::FromRow for Webhook {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            owner: row.get("owner_id")?,
            url: row.get("url")?,
            kinds: row.get::<Json<_>>("kinds")?.0,
            enabled: row.get("enabled")?,
            disabled_reason: row.get("disabled_reason")?,
            previous_until: row.get("previous_until")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}
