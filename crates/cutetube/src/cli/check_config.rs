//! `cutetube config check`

use clap::Args;

use super::{ConfigArgs, Environment, print};

/// Refuse what is wrong, else list every setting with its value and where that comes from; secrets are not shown.
#[derive(Debug, Args)]
pub(super) struct CheckConfig {
    #[command(flatten)]
    config: ConfigArgs,
}

impl CheckConfig {
    pub(super) fn run(self, env: Environment) -> anyhow::Result<()> {
        let config = self.config.load(env, Vec::new())?;
        let lines: Vec<String> = config.settings().iter().map(ToString::to_string).collect();
        print(&lines.join("\n"))
    }
}
