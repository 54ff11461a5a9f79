//! `/api/v5/me/letters`: which e-mails one gets.

use std::collections::BTreeSet;

use axum::{Json, extract::State};
use catalog::notices::{self, Topic};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    AppState,
    accounts::{Reader, SignedInCaller},
    http::{Body, Problem},
};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(read, change))
}

/// Which e-mails one gets.
///
/// Whoever is signed in; tokens with the scope `read`. Letters about the safety of the account, such as that its password
/// was changed, come in any case.
#[utoipa::path(
    get, path = "/api/v5/me/letters", tag = "accounts", security(("bearer" = ["read"])),
    responses(
        (status = 200, description = "What there are letters about", body = Letters),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "The token is not for this", body = Problem),
    )
)]
async fn read(State(state): State<AppState>, Reader(caller): Reader) -> Result<Json<Letters>, Problem> {
    let unwanted = notices::unwanted(&state.db, caller.user.id).await?;
    Ok(Json(Letters::new(&unwanted)))
}

/// Choose which e-mails one gets.
///
/// Whoever is signed in. What the body does not name stays. It holds at once, also for letters that are on their way.
#[utoipa::path(
    patch, path = "/api/v5/me/letters", tag = "accounts", security(("bearer" = [])), request_body = LettersChange,
    responses(
        (status = 200, description = "What there are letters about", body = Letters),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 403, description = "A page of another site asked, or an API token", body = Problem),
        (status = 415, description = "The body does not say it is JSON", body = Problem),
        (status = 422, description = "A field is of another type, or there is no such letter", body = Problem),
    )
)]
async fn change(
    State(state): State<AppState>,
    caller: SignedInCaller,
    Body(body): Body<LettersChange>,
) -> Result<Json<Letters>, Problem> {
    let before = notices::unwanted(&state.db, caller.user.id).await?;
    let is_unwanted = |topic: &Topic| match body.wanted(*topic) {
        Some(wanted) => !wanted,
        None => before.contains(topic),
    };
    let unwanted: BTreeSet<Topic> = Topic::ALL.iter().copied().filter(is_unwanted).collect();
    notices::choose(&state.db, caller.user.id, &unwanted).await?;
    Ok(Json(Letters::new(&unwanted)))
}

/// What one gets letters about.
#[derive(Serialize, ToSchema)]
pub(super) struct Letters {
    /// A video of one's own plays.
    video_ready: bool,
    /// A video of one's own will not play.
    video_failed: bool,
    /// What else becomes of one's videos, where this site tells of it.
    video_progress: bool,
    /// Somebody says something below a video of one's own.
    comment: bool,
    /// Somebody answers one's comment.
    reply: bool,
    /// What became of a comment that one has reported.
    report: bool,
}

/// What is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LettersChange {
    #[schema(example = true)]
    video_ready: Option<bool>,
    #[schema(example = true)]
    video_failed: Option<bool>,
    #[schema(example = false)]
    video_progress: Option<bool>,
    #[schema(example = false)]
    comment: Option<bool>,
    #[schema(example = true)]
    reply: Option<bool>,
    #[schema(example = true)]
    report: Option<bool>,
}

impl Letters {
    pub(super) fn new(unwanted: &BTreeSet<Topic>) -> Self {
        let wanted = |topic| !unwanted.contains(&topic);
        Self {
            video_ready: wanted(Topic::Ready),
            video_failed: wanted(Topic::Failed),
            video_progress: wanted(Topic::Progress),
            comment: wanted(Topic::Comment),
            reply: wanted(Topic::Reply),
            report: wanted(Topic::Report),
        }
    }
}

impl LettersChange {
    fn wanted(&self, topic: Topic) -> Option<bool> {
        match topic {
            Topic::Ready => self.video_ready,
            Topic::Failed => self.video_failed,
            Topic::Progress => self.video_progress,
            Topic::Comment => self.comment,
            Topic::Reply => self.reply,
            Topic::Report => self.report,
        }
    }
}
