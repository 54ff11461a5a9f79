//! The configuration that is in force, for whoever runs the site.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{AppState, accounts::Admin};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(configuration))
}

/// Every setting of the node that answers, with its value and where that comes from. Secrets are not shown.
///
/// Administrators.
#[utoipa::path(
    get, path = "/api/v5/admin/configuration", tag = "administration", security(("bearer" = ["admin"])),
    responses(
        (status = 200, description = "All settings", body = ConfigurationResource),
        (status = 401, description = "Nobody is signed in", body = crate::http::Problem),
        (status = 403, description = "The caller is no administrator", body = crate::http::Problem),
    )
)]
async fn configuration(State(state): State<AppState>, _: Admin) -> Json<ConfigurationResource> {
    let settings = state.config.settings().into_iter().map(|setting| SettingResource {
        key: setting.key,
        value: setting.value,
        origin: setting.origin,
    });
    Json(ConfigurationResource { version: env!("CARGO_PKG_VERSION"), settings: settings.collect() })
}

/// What is in force.
#[derive(Serialize, ToSchema)]
struct ConfigurationResource {
    /// Of the program.
    version: &'static str,
    settings: Vec<SettingResource>,
}

#[derive(Serialize, ToSchema)]
struct SettingResource {
    /// Dotted, such as `server.public_url`.
    key: String,
    /// As TOML writes it; null where nothing is set.
    value: Option<String>,
    /// A file, a variable or a flag; null where it is as the program has it.
    origin: Option<String>,
}
