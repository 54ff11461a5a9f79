//! The pages people see: HTML made here, from plain values; scripts only where a page must live.
//!
//! A page's struct is what its template shows, so that tests render pages without a server. Every form works without
//! scripts.

mod account;
mod admin;
mod cards;
mod channel;
mod discussion;
mod embedding;
mod face;
mod failure;
mod frame;
mod home;
mod machines;
mod metadata;
mod person;
mod recovery;
mod script;
mod search;
mod streams;
mod studio;
mod text;
mod typed;
mod upload;
mod watch;

use axum::{Router, extract::DefaultBodyLimit, middleware::from_fn, routing::get, routing::post};

use crate::{AppState, texts};

pub(crate) use failure::{malformed, not_found, too_many};

/// Pages that are answered at once.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(home::home))
        .route("/app/stream/", get(streams::streams))
        .route("/search", get(search::search))
        .route("/u/{name}", get(channel::channel))
        .route("/watch/{id}", get(watch::watch))
        .route("/embed/{id}", get(watch::embed))
        .route("/upload", get(upload::form))
        .route("/login", get(account::log_in_form).post(account::log_in))
        .route("/signup", get(account::sign_up_form).post(account::sign_up))
        .route("/logout", post(account::log_out))
        .route("/forgot", get(recovery::forgot_form).post(recovery::forgot))
        .route("/reset", get(recovery::reset_form).post(recovery::reset))
        .route("/verify", get(recovery::verify_form).post(recovery::verify))
        .route("/account", get(person::page))
        .route("/account/{deed}", post(person::act))
        .merge(face::routes())
        .merge(discussion::routes())
        .merge(studio::routes())
        .merge(machines::routes())
        .merge(admin::routes())
        .layer(from_fn(texts::negotiate))
}

/// The page that takes as long as an upload takes, with a body as long as uploads are.
pub(crate) fn upload_routes() -> Router<AppState> {
    Router::new()
        .route("/upload", post(upload::receive))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(texts::negotiate))
}
