//! `cutetube openapi`

use clap::Args;

use super::print;
use crate::http;

/// Print the API's description, OpenAPI 3.1.
#[derive(Debug, Args)]
pub(super) struct OpenApi {}

impl OpenApi {
    #[expect(clippy::unused_self, reason = "every command runs itself")]
    pub(super) fn run(&self) -> anyhow::Result<()> {
        print(&http::openapi().to_pretty_json()?)
    }
}
