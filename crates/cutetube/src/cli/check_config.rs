//! `cutetube config check`

use clap::Args;
use serde_json::Value;

use super::{ConfigArgs, Environment, print};

/// Refuse what is wrong, else list every setting with its value; secrets are not shown.
#[derive(Debug, Args)]
pub(super) struct CheckConfig {
    #[command(flatten)]
    config: ConfigArgs,
}

impl CheckConfig {
    pub(super) fn run(self, env: Environment) -> anyhow::Result<()> {
        let config = self.config.load(env, Vec::new())?;
        let mut lines = Vec::new();
        list("", &serde_json::to_value(&config)?, &mut lines);
        print(&lines.join("\n"))
    }
}

fn list(key: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                list(&key, value, lines);
            }
        }
        Value::Null => lines.push(format!("{key} is not set")),
        value => lines.push(format!("{key} = {value}")),
    }
}
