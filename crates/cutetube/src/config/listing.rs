//! Every setting with its value and where that comes from, for people: on the command line, on a page, and in the API.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use super::Config;

/// Which source has set a dotted key. One that is not named is as the program has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(pub(super) BTreeMap<String, String>);

/// One setting, as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Dotted.
    pub key: String,
    /// As TOML writes it, a secret as `"…"`; absent where nothing is set.
    pub value: Option<String>,
    /// A file, a variable or a flag; absent where it is as the program has it.
    pub origin: Option<String>,
}

impl Config {
    /// All of them, by their keys. No secret is among their values.
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        let values = serde_json::to_value(self).expect("a configuration is plain data");
        list("", &values, &self.origins, &mut settings);
        settings
    }
}

fn list(key: &str, value: &Value, origins: &Origins, settings: &mut Vec<Setting>) {
    let Value::Object(table) = value else {
        let value = (!value.is_null()).then(|| value.to_string());
        settings.push(Setting { key: key.to_owned(), value, origin: origins.of(key) });
        return;
    };
    for (name, value) in table {
        let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        list(&key, value, origins, settings);
    }
}

impl Origins {
    /// Of a key, or of the table that it is in.
    fn of(&self, key: &str) -> Option<String> {
        let mut key = key;
        loop {
            if let Some(origin) = self.0.get(key) {
                return Some(origin.clone());
            }
            key = key.rsplit_once('.')?.0;
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {value}", self.key)?,
            None => write!(f, "{} is not set", self.key)?,
        }
        match &self.origin {
            Some(origin) => write!(f, "  # {origin}"),
            None => Ok(()),
        }
    }
}
