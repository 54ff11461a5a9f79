//! `/u/{name}`: what one person has published.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};

use catalog::pictures;

use super::{
    cards::{Card, cards},
    face::Face,
    failure::Failure,
    frame::{Frame, page},
    typed::{Typed, address},
};
use crate::{
    AppState,
    accounts::Visitor,
    playback::BaseUrl,
    texts::filters,
    videos::lookup::{self, Lookup, look_up},
};

const VIDEOS: u32 = 24;

#[derive(Template)]
#[template(path = "channel.html")]
struct ChannelPage {
    frame: Frame,
    face: Face,
    name: String,
    /// Whether it is the visitor's own.
    is_own: bool,
    cards: Vec<Card>,
    /// Where it goes on.
    next: Option<String>,
}

/// Anybody, for what is public; whose channel it is, for all of theirs that plays. A channel with nothing to be seen is
/// answered like none, so that nobody finds out here who has an account.
pub(super) async fn channel(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(name): Path<String>,
    typed: Typed,
) -> Result<Response, Failure> {
    let owner = lookup::channel(&state, &name).await?.ok_or_else(Failure::not_found)?;
    let is_own = visitor.0.as_ref().is_some_and(|caller| caller.user.id == owner.id);
    let after = typed.get("after").to_owned();
    let sought = Lookup { channel: Some(name.clone()), after, ..Lookup::default() };
    let (found, next) = look_up(&state, &visitor, &sought, VIDEOS).await?;
    if found.is_empty() && !is_own {
        return Err(Failure::not_found());
    }
    let path = BaseUrl::RELATIVE.channel(&owner.username);
    if name != owner.username.as_str() {
        return Ok(Redirect::permanent(&path).into_response());
    }
    let mut cards = cards(&state, &found).await?;
    // Every one of them would say the same.
    cards.iter_mut().for_each(|card| card.channel = None);
    let channel = ChannelPage {
        frame: Frame::new(&visitor),
        face: Face::new(&owner.username, pictures::of(&state.db, owner.id).await?.as_deref()),
        name: owner.username.to_string(),
        is_own,
        cards,
        next: next.map(|next| address(&path, &[("after", &next)])),
    };
    Ok(page(&state, StatusCode::OK, &channel))
}
