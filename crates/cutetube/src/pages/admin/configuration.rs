//! `/admin`: where everything for administrators is; and `/admin/configuration`: what is in force.

use askama::Template;
use axum::{Router, extract::State, http::StatusCode, response::Response, routing::get};

use super::Administrator;
use crate::{
    AppState,
    accounts::Visitor,
    config::Setting,
    pages::frame::{Frame, plain},
    texts::filters,
};

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/admin", get(overview)).route("/admin/configuration", get(configuration))
}

#[derive(Template)]
#[template(path = "admin.html")]
struct OverviewPage {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "admin_configuration.html")]
struct ConfigurationPage {
    frame: Frame,
    sections: Vec<Section>,
}

/// Settings whose keys begin alike.
struct Section {
    name: String,
    settings: Vec<Setting>,
}

async fn overview(Administrator(caller): Administrator) -> Response {
    plain(StatusCode::OK, &OverviewPage { frame: Frame::new(&Visitor(Some(caller))) })
}

async fn configuration(State(state): State<AppState>, Administrator(caller): Administrator) -> Response {
    let mut sections: Vec<Section> = Vec::new();
    for setting in state.config.settings() {
        let name = setting.key.split_once('.').map_or("general", |(section, _)| section).to_owned();
        match sections.iter_mut().find(|section| section.name == name) {
            Some(section) => section.settings.push(setting),
            None => sections.push(Section { name, settings: vec![setting] }),
        }
    }
    plain(StatusCode::OK, &ConfigurationPage { frame: Frame::new(&Visitor(Some(caller))), sections })
}
