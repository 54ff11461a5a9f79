//! `/admin/storage`: who takes up how much of the store, for administrators.

use askama::Template;
use axum::{Router, extract::State, http::StatusCode, response::Response, routing::get};
use catalog::usage::{Order, OwnerUsage, PartUsage, VideoUsage};

use super::Administrator;
use crate::{
    AppState,
    accounts::Visitor,
    admin::usage::{self, LISTED},
    pages::{
        failure::Failure,
        frame::{Frame, plain},
        text,
        typed::{Typed, address},
    },
    playback::BaseUrl,
    texts::{Text, filters, text},
};

pub(super) fn routes() -> Router<AppState> {
    Router::new().route(PAGE, get(storage))
}

const PAGE: &str = "/admin/storage";

#[derive(Template)]
#[template(path = "admin_storage.html")]
struct StoragePage {
    frame: Frame,
    total: String,
    parts: Vec<PartRow>,
    owners: Vec<OwnerRow>,
    orders: Vec<OrderLink>,
    videos: Vec<VideoRow>,
    next: Option<String>,
}

/// A kind of object, and its bar in the plot.
struct PartRow {
    name: String,
    videos: u64,
    objects: u64,
    size: String,
    /// Of 1000 of all bytes.
    share: u64,
}

struct OwnerRow {
    name: String,
    path: String,
    videos: u64,
    source: String,
    media: String,
    total: String,
}

struct OrderLink {
    label: Text,
    path: String,
    is_chosen: bool,
}

struct VideoRow {
    title: String,
    path: String,
    owner: String,
    date: String,
    source: String,
    objects: u64,
    media: String,
}

async fn storage(
    State(state): State<AppState>,
    Administrator(caller): Administrator,
    typed: Typed,
) -> Result<Response, Failure> {
    let order = typed.choice("order").unwrap_or(Order::Media);
    let usage = usage::read(&state.db, order, typed.choice("after"), LISTED).await?;
    let all = usage.parts.iter().map(|part| part.bytes).fold(0, u64::saturating_add);
    let next = usage
        .next
        .map(|next| address(PAGE, &[("order", order.as_str()), ("after", &next.to_string())]) + "#videos");
    let page = StoragePage {
        frame: Frame::new(&Visitor(Some(caller))),
        total: text::size(all),
        parts: usage.parts.iter().map(|part| PartRow::new(part, all)).collect(),
        owners: usage.owners.iter().map(OwnerRow::new).collect(),
        orders: Order::ALL.iter().map(|other| OrderLink::new(*other, *other == order)).collect(),
        videos: usage.videos.iter().map(VideoRow::new).collect(),
        next,
    };
    Ok(plain(StatusCode::OK, &page))
}

impl PartRow {
    fn new(part: &PartUsage, all: u64) -> Self {
        let share = u128::from(part.bytes).saturating_mul(1000).checked_div(u128::from(all)).unwrap_or(0);
        Self {
            name: part.part.clone(),
            videos: part.videos,
            objects: part.objects,
            size: text::size(part.bytes),
            share: u64::try_from(share).unwrap_or(1000),
        }
    }
}

impl OwnerRow {
    fn new(owner: &OwnerUsage) -> Self {
        Self {
            name: owner.username.to_string(),
            path: format!("/admin/users/{}", owner.id),
            videos: owner.videos,
            source: text::size(owner.source_bytes),
            media: text::size(owner.bytes),
            total: text::size(owner.source_bytes.saturating_add(owner.bytes)),
        }
    }
}

impl OrderLink {
    fn new(order: Order, is_chosen: bool) -> Self {
        let label = match order {
            Order::Media => text("admin-storage-largest-media"),
            Order::Source => text("admin-storage-largest-files"),
            Order::Newest => text("admin-storage-newest"),
        };
        Self { label, path: address(PAGE, &[("order", order.as_str())]) + "#videos", is_chosen }
    }
}

impl VideoRow {
    fn new(video: &VideoUsage) -> Self {
        Self {
            title: video.title.to_string(),
            path: BaseUrl::RELATIVE.watch(video.id),
            owner: video.owner.to_string(),
            date: text::date(video.created_at),
            source: match video.kept_source_bytes() {
                0 => text("admin-storage-not-kept").to_string(),
                bytes => text::size(bytes),
            },
            objects: video.objects,
            media: text::size(video.bytes),
        }
    }
}
