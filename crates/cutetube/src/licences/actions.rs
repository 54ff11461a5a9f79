//! Who gets which keys. Every request for a licence is decided here, and written down, whatever becomes of it.

use catalog::{
    VideoState,
    accounts::{self, Role, Standing, User},
    ids::{LicenceId, StreamId, VideoId},
    keys,
    licences::{self, Audience, Denial, NewEntry, Policy},
    videos::{self, Protection, Video, Visibility},
};
use packager::{ContentKey, KeyClass, KeyId};

use super::token::{PlaybackToken, TokenRefused, Viewing};
use crate::{
    AppState,
    accounts::Visitor,
    ambient,
    http::ClientAddress,
    keys::{KeyError, class, played},
};

/// A request for a licence, as far as all systems have it in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) system: &'static str,
    /// The playback token, if there was one.
    pub(super) token: Option<&'a str>,
    /// From where.
    pub(super) address: ClientAddress,
}

/// Somebody who may have keys of a video.
#[derive(Debug)]
pub(super) struct Entitled {
    pub(super) viewing: Viewing,
    pub(super) video: Video,
    /// Keys that may be given.
    pub(super) classes: Vec<KeyClass>,
    /// The rules of the video and the server.
    pub(super) policy: Policy,
}

/// Why there is no licence.
#[derive(Debug, thiserror::Error)]
pub(super) enum LicenceError {
    #[error("{}", sentence(*.0))]
    Denied(Denial),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

/// What a viewer of a protected video is given to play it with.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    pub(crate) token: PlaybackToken,
}

/// A pass for somebody who may see `video`; `None` when it needs none. Whether keys are given is decided when they are
/// asked for.
pub(crate) async fn pass(
    state: &AppState,
    visitor: &Visitor,
    video: &Video,
) -> catalog::Result<Option<Pass>> {
    pass_after(state, visitor, video, None).await
}

/// The same for somebody who has had a pass for this video: it stays one player. The token before may have ended.
pub(crate) async fn pass_after(
    state: &AppState,
    visitor: &Visitor,
    video: &Video,
    before: Option<&str>,
) -> catalog::Result<Option<Pass>> {
    if video.protection == Protection::None || video.state != VideoState::Ready {
        return Ok(None);
    }
    let user = visitor.0.as_ref().map(|caller| &caller.user);
    let policy = policy_for(&rules(state, video.id).await?, video, user);
    let now = state.clock.seconds();
    let before = before.and_then(|token| state.playback_tokens.player(token, now));
    let user_id = user.map(|user| user.id);
    let before = before.filter(|before| before.video == video.id && before.user == user_id);
    let viewing = Viewing {
        video: video.id,
        user: user_id,
        stream: before.map_or_else(|| ambient::id(StreamId::new), |before| before.stream),
        classes: classes(&policy).into_iter().map(class).collect(),
        max_height: policy.max_height,
    };
    let token = state.playback_tokens.issue(viewing, now);
    Ok(Some(Pass { token }))
}

/// Whether the holder of the token may have keys now, and which at most. A refusal is in the log when this returns.
pub(super) async fn entitle(state: &AppState, asked: &Asked<'_>) -> Result<Entitled, LicenceError> {
    let now = state.clock.seconds();
    let verified = match asked.token {
        Some(token) => state.playback_tokens.verify(token, now),
        None => Err(TokenRefused::Forged),
    };
    let viewing = match verified {
        Ok(viewing) => viewing,
        Err(TokenRefused::Forged) => return Err(deny(state, asked, None, Denial::NoToken).await),
        Err(TokenRefused::Expired(viewing)) => {
            return Err(deny(state, asked, Some(&viewing), Denial::Expired).await);
        }
    };
    let video = match videos::video(&state.db, viewing.video).await {
        Ok(video) => video,
        Err(catalog::Error::NoVideo(_)) => {
            return Err(deny(state, asked, Some(&viewing), Denial::NotVisible).await);
        }
        Err(error) => return Err(error.into()),
    };
    let user = match viewing.user {
        Some(user) => accounts::user(&state.db, user).await?,
        None => None,
    };
    let rules = rules(state, video.id).await?;
    let is_listed = match (&user, rules.audience) {
        (Some(user), Some(Audience::Entitled)) => licences::is_entitled(&state.db, video.id, user.id).await?,
        _ => false,
    };
    let user_is_gone = viewing.user.is_some() && user.is_none();
    let decided = match user_is_gone {
        true => Err(Denial::NotVisible),
        false => decide(&video, user.as_ref(), is_listed, &rules),
    };
    if let Err(denial) = decided {
        return Err(deny(state, asked, Some(&viewing), denial).await);
    }
    let policy = policy_for(&rules, &video, user.as_ref());
    let said: Vec<_> = viewing.classes.iter().filter_map(|class| played(*class)).collect();
    let classes = classes(&policy).into_iter().filter(|class| said.contains(class)).collect();
    Ok(Entitled { viewing, video, classes, policy })
}

/// The keys with these ids, of those that the holder may have. What the holder may not have is left out; when nothing is
/// left, the request is refused.
pub(super) async fn keys(
    state: &AppState,
    asked: &Asked<'_>,
    entitled: &Entitled,
    wanted: &[KeyId],
) -> Result<Vec<ContentKey>, LicenceError> {
    let rows = keys::of_video(&state.db, entitled.video.id).await?;
    let all = state.keys.read(&rows)?;
    let of_video = |id: &KeyId| all.content().iter().find(|(_, key)| key.id == *id);
    let Some(found) =
        wanted.iter().map(of_video).collect::<Option<Vec<_>>>().filter(|found| !found.is_empty())
    else {
        return Err(deny(state, asked, Some(&entitled.viewing), Denial::OtherVideo).await);
    };
    let given: Vec<_> = found.into_iter().filter(|(class, _)| entitled.classes.contains(class)).collect();
    if given.is_empty() {
        return Err(deny(state, asked, Some(&entitled.viewing), Denial::Resolution).await);
    }
    let classes: Vec<_> = given.iter().map(|(class, _)| **class).collect();
    grant(state, asked, entitled, &classes).await?;
    Ok(given.into_iter().map(|(_, key)| key.clone()).collect())
}

/// Counts the stream and writes the licence into the log, before it is given.
pub(super) async fn grant(
    state: &AppState,
    asked: &Asked<'_>,
    entitled: &Entitled,
    given: &[KeyClass],
) -> Result<(), LicenceError> {
    let Entitled { viewing, policy, .. } = entitled;
    let granted = entry(asked, Some(viewing), None, given);
    let is_granted = match viewing.counted().zip(policy.max_streams) {
        None => {
            licences::log(&state.db, &granted).await?;
            true
        }
        Some((stream, most)) => {
            let lasts = policy.licence_duration.unwrap_or_default();
            licences::play(&state.db, &stream, Some(most), lasts, &granted).await?
        }
    };
    if !is_granted {
        return Err(deny(state, asked, Some(viewing), Denial::TooManyStreams).await);
    }
    state.metrics.licence(asked.system, None);
    Ok(())
}

/// Writes a refusal into the log, and answers it. That it could not be written is no reason to let anybody pass.
pub(super) async fn deny(
    state: &AppState,
    asked: &Asked<'_>,
    viewing: Option<&Viewing>,
    denial: Denial,
) -> LicenceError {
    state.metrics.licence(asked.system, Some(denial));
    match licences::log(&state.db, &entry(asked, viewing, Some(denial), &[])).await {
        Ok(()) => LicenceError::Denied(denial),
        Err(error) => error.into(),
    }
}

/// The rules of a video, and those of the server where it has none.
pub(crate) async fn rules(state: &AppState, video: VideoId) -> catalog::Result<Policy> {
    Ok(licences::policy(&state.db, video).await?.or(state.config.drm.policy.rules()))
}

/// What a player hears of why it gets no licence, and shows.
pub(super) fn sentence(denial: Denial) -> &'static str {
    match denial {
        Denial::NoToken => {
            "This request has no playback token, or one that is not ours. Reload the page and play again."
        }
        Denial::Expired => "This page has been open for too long. Reload it and play again.",
        Denial::OtherVideo => "The playback token is not for this video. Reload the page and play again.",
        Denial::NotVisible => "This video cannot be watched any more.",
        Denial::NotSignedIn => "Log in to watch this video.",
        Denial::NotEntitled => {
            "Your account is not on the list of those who may watch this video. Ask its owner for access."
        }
        Denial::TooManyStreams => {
            "Your account plays as many videos as it may at once. Stop another one and reload the page."
        }
        Denial::Resolution => {
            "You may watch this video in a lower resolution only. Reload the page and play again."
        }
        Denial::Malformed => "This is not a licence request as players send them.",
        Denial::Vendor => "The licence server does not answer as it should. Try again in a minute.",
    }
}

/// Who may watch. Owner and administrators always may.
fn decide(video: &Video, user: Option<&User>, is_listed: bool, rules: &Policy) -> Result<(), Denial> {
    if video.state != VideoState::Ready || user.is_some_and(|user| user.standing != Standing::Active) {
        return Err(Denial::NotVisible);
    }
    if user.is_some_and(|user| manages(video, user)) {
        return Ok(());
    }
    if video.visibility == Visibility::Private {
        return Err(Denial::NotVisible);
    }
    match (rules.audience.unwrap_or(Audience::Viewers), user) {
        (Audience::Viewers, _) | (Audience::Accounts, Some(_)) => Ok(()),
        (Audience::Accounts | Audience::Entitled, None) => Err(Denial::NotSignedIn),
        (Audience::Entitled, Some(_)) if is_listed => Ok(()),
        (Audience::Entitled, Some(_)) => Err(Denial::NotEntitled),
    }
}

/// The rules as they are for somebody: whoever manages a video sees all of it.
fn policy_for(rules: &Policy, video: &Video, user: Option<&User>) -> Policy {
    match user.is_some_and(|user| manages(video, user)) {
        true => Policy { max_height: None, max_streams: None, ..*rules },
        false => *rules,
    }
}

fn manages(video: &Video, user: &User) -> bool {
    video.owner == user.id || user.role == Role::Admin
}

/// Which keys pictures of this size need.
fn classes(policy: &Policy) -> Vec<KeyClass> {
    let largest = policy.max_height.map_or(KeyClass::Hd, |height| KeyClass::of_picture(u32::MAX, height));
    KeyClass::ALL.into_iter().filter(|class| *class <= largest).collect()
}

fn entry(
    asked: &Asked<'_>,
    viewing: Option<&Viewing>,
    refusal: Option<Denial>,
    given: &[KeyClass],
) -> NewEntry {
    NewEntry {
        id: ambient::id(LicenceId::new),
        video: viewing.map(|viewing| viewing.video),
        user: viewing.and_then(|viewing| viewing.user),
        stream: viewing.map(|viewing| viewing.stream),
        system: asked.system,
        refusal,
        classes: given.iter().copied().map(class).collect(),
        address: asked.address.to_string(),
    }
}
