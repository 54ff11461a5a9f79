//! `cutetube config check`

use clap::Args;
use figment::{
    Provider,
    providers::Serialized,
    value::{Dict, Value},
};

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
        let tree = Serialized::defaults(&config).data()?.into_values().next().unwrap_or_default();
        let mut lines = Vec::new();
        list("", &tree, &mut lines);
        print(&lines.join("\n"))
    }
}

fn list(prefix: &str, tree: &Dict, lines: &mut Vec<String>) {
    for (name, value) in tree {
        let key = format!("{prefix}{name}");
        match value {
            Value::Dict(_, inner) => list(&format!("{key}."), inner, lines),
            Value::Empty(..) => lines.push(format!("{key} is not set")),
            value => lines.push(format!("{key} = {}", shown(value))),
        }
    }
}

/// As it would be written in a TOML file.
fn shown(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Array(_, items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Dict(_, table) => {
            let pairs: Vec<_> =
                table.iter().map(|(key, value)| format!("{key} = {}", shown(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Bool(_, flag) => flag.to_string(),
        Value::Num(_, number) => {
            number.to_i128().map_or_else(|| format!("{:?}", number.to_f64()), |n| n.to_string())
        }
        Value::Char(_, letter) => format!("{letter:?}"),
        Value::Empty(..) => String::new(),
    }
}
