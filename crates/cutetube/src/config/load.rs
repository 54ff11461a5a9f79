//! Merging the sources of a configuration, and refusing keys that do not exist.

use std::path::{Path, PathBuf};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Serialized, Toml},
    value::{Dict, Map, Value},
};

use super::{Config, Origins};

/// Where a configuration comes from, besides the defaults.
#[derive(Debug, Default)]
pub struct Sources {
    /// A file that must exist. Without it, `cutetube.toml` in the working directory, if there is one.
    pub file: Option<PathBuf>,
    /// The environment; names without the prefix `CUTETUBE_` are passed over.
    pub env: Vec<(String, String)>,
    /// Dotted keys and values from the command line.
    pub flags: Vec<(&'static str, String)>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key that does not exist.
    #[error("there is no setting `{key}` ({origin})")]
    UnknownKey {
        /// As it was written, dotted.
        key: String,
        /// File or variable that holds it.
        origin: String,
        /// The existing key most like it, when one is like it at all.
        nearest: Option<String>,
    },
    /// A value that does not fit its key.
    #[error("`{key}` cannot be used ({origin}): {problem}")]
    BadValue {
        /// Dotted.
        key: String,
        /// File or variable that holds it.
        origin: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that cannot be read.
    #[error("cannot read `{}` ({origin})", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What names it.
        origin: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file that is not TOML.
    #[error("`{}` is not valid TOML: {problem}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// The parser's sentence, with the line.
        problem: String,
    },
}

impl ConfigError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            Self::UnknownKey { nearest: None, .. } => {
                Some("`cutetube config check` lists every setting with its value".to_owned())
            }
            Self::BadValue { .. } | Self::Unreadable { .. } | Self::NotToml { .. } => None,
        }
    }
}

/// `CUTETUBE_…` variables that are read elsewhere and are no settings.
pub const RESERVED_VARIABLES: [&str; 6] = [
    "CUTETUBE_CONFIG",
    "CUTETUBE_SERVER_URL",
    "CUTETUBE_CREDENTIAL",
    "CUTETUBE_PASSWORD",
    "CUTETUBE_TO_SECRET_ACCESS_KEY",
    "CUTETUBE_TO_SECRET_ACCESS_KEY_FILE",
];

const PREFIX: &str = "CUTETUBE_";
const FILE_SUFFIX: &str = "_FILE";
const DEFAULT_FILE: &str = "cutetube.toml";

/// Merges `sources` over the defaults.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let defaults = Serialized::defaults(Config::default());
    let known = known_tree(&defaults);
    let mut figment = Figment::from(&defaults);
    let mut origins = Origins::default();
    for layer in layers(sources, &known)? {
        refuse_unknown(&layer, &layer.values, &known, &mut Vec::new())?;
        origins.0.extend(keys(&layer.values).into_iter().map(|key| (key, layer.origin.clone())));
        figment = figment.merge(layer);
    }
    let mut config: Config = figment.extract().map_err(|error| bad_value(&error))?;
    match config.accounts_problem().or_else(|| config.outbound_problem()).or_else(|| config.drm_problem()) {
        Some((key, problem)) => {
            let written = figment.find_metadata(key).filter(|source| source.name != defaults.metadata().name);
            let origin = written.map_or_else(|| "not set".to_owned(), |source| source.name.to_string());
            Err(ConfigError::BadValue { key: key.to_owned(), origin, problem })
        }
        None => {
            config.origins = origins;
            Ok(config)
        }
    }
}

/// One source, as a tree of values that knows its name.
struct Layer {
    origin: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

fn layers(sources: &Sources, known: &Dict) -> Result<Vec<Layer>, ConfigError> {
    let mut layers = Vec::new();
    layers.extend(file_layer(sources.file.as_deref())?);
    for (name, value) in &sources.env {
        layers.extend(variable_layer(name, value, known)?);
    }
    for (key, value) in &sources.flags {
        layers.push(scalar_layer("a command-line flag".to_owned(), key, value, known));
    }
    Ok(layers)
}

fn file_layer(named: Option<&Path>) -> Result<Option<Layer>, ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let origin = "the configuration file".to_owned();
            return Err(ConfigError::Unreadable { path: path.to_owned(), origin, source });
        }
    };
    let data = Toml::string(&text)
        .data()
        .map_err(|error| ConfigError::NotToml { path: path.to_owned(), problem: error.to_string() })?;
    let values = data.into_values().next().unwrap_or_default();
    Ok(Some(Layer { origin: path.display().to_string(), values }))
}

fn variable_layer(name: &str, value: &str, known: &Dict) -> Result<Option<Layer>, ConfigError> {
    let Some(key) = name.strip_prefix(PREFIX) else { return Ok(None) };
    if RESERVED_VARIABLES.contains(&name) {
        return Ok(None);
    }
    let dotted = |key: &str| key.to_ascii_lowercase().replace("__", ".");
    if let Some(key) = key.strip_suffix(FILE_SUFFIX).map(dotted)
        && lookup(known, &key).is_some()
    {
        let (path, origin) = (PathBuf::from(value), name.to_owned());
        return match text_of_file(&path) {
            Ok(text) => Ok(Some(scalar_layer(origin, &key, &text, known))),
            Err(source) => Err(ConfigError::Unreadable { path, origin, source }),
        };
    }
    Ok(Some(scalar_layer(name.to_owned(), &dotted(key), value, known)))
}

/// A value that is kept in a file of its own, without the end of its last line.
pub(crate) fn text_of_file(path: &Path) -> std::io::Result<String> {
    Ok(std::fs::read_to_string(path)?.trim_end_matches(['\n', '\r']).to_owned())
}

/// Text stays text where the setting is text (a password of digits included), and is read as TOML elsewhere.
fn scalar_layer(origin: String, key: &str, text: &str, known: &Dict) -> Layer {
    let is_text = matches!(lookup(known, key), None | Some(Value::String(..) | Value::Empty(..)));
    let value = if is_text { Value::from(text) } else { text.parse().unwrap_or_else(|_| Value::from(text)) };
    let tree = key.rsplit('.').fold(value, |value, part| Value::from(Dict::from([(part.to_owned(), value)])));
    let values = tree.into_dict().unwrap_or_default();
    Layer { origin, values }
}

fn refuse_unknown(
    layer: &Layer,
    values: &Dict,
    known: &Dict,
    path: &mut Vec<String>,
) -> Result<(), ConfigError> {
    for (name, value) in values {
        path.push(name.clone());
        match (known.get(name), value) {
            (None, _) => return Err(unknown_key(layer, path)),
            (Some(Value::Dict(_, known)), Value::Dict(_, values)) => {
                refuse_unknown(layer, values, known, path)?;
            }
            (Some(_), _) => {}
        }
        path.pop();
    }
    Ok(())
}

fn unknown_key(layer: &Layer, path: &[String]) -> ConfigError {
    let key = path.join(".");
    let defaults = known_tree(&Serialized::defaults(Config::default()));
    let nearest = keys(&defaults)
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&key, &known), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known);
    ConfigError::UnknownKey { key, origin: layer.origin.clone(), nearest }
}

fn bad_value(error: &figment::Error) -> ConfigError {
    let origin = error.metadata.as_ref().map_or_else(|| "defaults".to_owned(), |data| data.name.to_string());
    ConfigError::BadValue { key: error.path.join("."), origin, problem: error.kind.to_string() }
}

fn known_tree(defaults: &Serialized<Config>) -> Dict {
    defaults
        .data()
        .ok()
        .and_then(|profiles| profiles.into_values().next())
        .expect("the defaults are plain data and serialise to one table")
}

fn lookup<'a>(tree: &'a Dict, dotted: &str) -> Option<&'a Value> {
    let (first, rest) = dotted.split_once('.').map_or((dotted, None), |(first, rest)| (first, Some(rest)));
    match (tree.get(first), rest) {
        (found, None) => found,
        (Some(Value::Dict(_, inner)), Some(rest)) => lookup(inner, rest),
        // A section that is not set does not say what is in it; a `_FILE` may fill it all the same.
        (Some(unset @ Value::Empty(..)), Some(_)) => Some(unset),
        _ => None,
    }
}

/// Every dotted key of `tree`.
fn keys(tree: &Dict) -> Vec<String> {
    let mut all = Vec::new();
    for (name, value) in tree {
        match value {
            Value::Dict(_, inner) => all.extend(keys(inner).into_iter().map(|key| format!("{name}.{key}"))),
            _ => all.push(name.clone()),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn check(toml: &str, env: &[(&str, &str)]) -> Result<Config, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let path = file.path().to_owned();
        load(&Sources { file: Some(path.clone()), env, flags: Vec::new() }).map_err(|error| {
            let hint = error.hint().map(|hint| format!(" / {hint}")).unwrap_or_default();
            format!("{error}{hint}").replace(&path.display().to_string(), "FILE")
        })
    }

    #[test]
    fn later_sources_win() {
        let toml = "[server]\nlisten = \"0.0.0.0:1\"\n[limits]\nrate = \"off\"\n";
        let config = check(toml, &[("CUTETUBE_SERVER__LISTEN", "0.0.0.0:2"), ("PATH", "/bin")]).unwrap();
        assert_eq!(config.server.listen.port(), 2);
        assert_eq!(config.limits.rate, super::super::RateLimits::Off);
    }

    #[test]
    fn each_setting_says_where_it_comes_from() {
        let toml = "[server]\nlisten = \"0.0.0.0:1\"\n[limits]\nrate = \"off\"\n";
        let env = [
            ("CUTETUBE_SERVER__LISTEN", "0.0.0.0:2"),
            ("CUTETUBE_DATABASE__URL", "postgres://u:hunter2@h/d"),
        ];
        let settings = check(toml, &env).unwrap().settings();
        let of = |key: &str| {
            let found = settings.iter().find(|setting| setting.key == key).unwrap();
            found.to_string().split("  # /").next().unwrap().to_owned()
        };
        let said =
            ["server.listen", "limits.rate", "database.url", "limits.header_seconds", "smtp.host"].map(of);
        insta::assert_snapshot!(said.join("\n"), @r#"
        server.listen = "0.0.0.0:2"  # CUTETUBE_SERVER__LISTEN
        limits.rate = "off"
        database.url = "…"  # CUTETUBE_DATABASE__URL
        limits.header_seconds = 30
        smtp.host is not set
        "#);
    }

    #[test]
    fn text_of_digits_stays_text_and_numbers_are_numbers() {
        let env =
            [("CUTETUBE_ACCOUNTS__SIGNING_SECRET", "0012345"), ("CUTETUBE_LIMITS__UPLOAD_BYTES", "1000")];
        let config = check("", &env).unwrap();
        assert_eq!(config.accounts.signing_secret.unwrap().expose(), "0012345");
        assert_eq!(config.limits.upload_bytes, 1000);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_before_anything_starts() {
        let host = ("CUTETUBE_SMTP__HOST", "mail.example.org");
        let from = ("CUTETUBE_SMTP__FROM", "Videos <videos@example.org>");
        let said = [
            check("", &[host]),
            check("", &[("CUTETUBE_SMTP__FROM", "videos")]),
            check("", &[host, from, ("CUTETUBE_SMTP__USERNAME", "videos")]),
            check("[smtp]\nevents = [\"video.danced\"]", &[]),
            check("", &[("CUTETUBE_AMQP__URL", "amqp://user:secret@host:port")]),
            check("[amqp]\nexchange = \"\"", &[]),
            check("", &[("CUTETUBE_EVENTS__ALLOW_PRIVATE_NETWORKS", "10.0.0.0/33")]),
            check("[events]\nallow_private_networks = 7", &[]),
            check("[events]\nkeep_days = 0", &[]),
        ]
        .map(|answer| answer.unwrap_err());
        insta::assert_snapshot!(said.join("\n"), @"
        `smtp.from` cannot be used (not set): `smtp.host` needs an address to send from
        `smtp.from` cannot be used (CUTETUBE_SMTP__FROM): this is no address like `Videos <videos@example.org>`
        `smtp.password` cannot be used (not set): `smtp.username` and `smtp.password` go together
        `smtp.events.0` cannot be used (FILE): `video.danced` is no EventKind
        `amqp.url` cannot be used (CUTETUBE_AMQP__URL): this is no URL like `amqp://user:password@host:5672/vhost`
        `amqp.exchange` cannot be used (FILE): an exchange has a name of 1 to 127 bytes
        `events.allow_private_networks` cannot be used (CUTETUBE_EVENTS__ALLOW_PRIVATE_NETWORKS): `10.0.0.0/33` is no network like `10.0.0.0/8`
        `events.allow_private_networks` cannot be used (FILE): invalid type: found signed int `7`, expected true, false, or a list of networks like `10.0.0.0/8`
        `events.keep_days` cannot be used (FILE): events are kept for a day at least
        ");
        let networks = [("CUTETUBE_EVENTS__ALLOW_PRIVATE_NETWORKS", r#"["10.0.0.0/8", "fd00::/8"]"#)];
        let config = check("", &networks).unwrap();
        assert!(
            matches!(config.events.allow_private_networks, super::super::PrivateNetworks::Only(two) if two.len() == 2)
        );
        let one = check("", &[("CUTETUBE_EVENTS__ALLOW_PRIVATE_NETWORKS", "10.0.0.0/8")]).unwrap();
        assert!(matches!(one.events.allow_private_networks, super::super::PrivateNetworks::Only(_)));
        assert!(check("", &[host, from]).is_ok());
    }

    #[test]
    fn a_secret_can_come_from_a_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"postgres://u:p@h/d\n").unwrap();
        let path = file.path().display().to_string();
        let config = check("", &[("CUTETUBE_DATABASE__URL_FILE", &path)]).unwrap();
        assert_eq!(config.database_url().expose(), "postgres://u:p@h/d");
        assert_eq!(format!("{:?}", config.database_url()), "Secret(…)");
    }

    #[test]
    fn what_is_in_a_section_that_is_not_set_can_come_from_a_file() {
        let unset = Value::Empty(figment::value::Tag::Default, figment::value::Empty::None);
        let section = Dict::from([("widevine".to_owned(), unset)]);
        let known = Dict::from([("drm".to_owned(), Value::from(section))]);
        assert!(lookup(&known, "drm.widevine.headers").is_some());
        assert!(lookup(&known, "drm.fairplay.headers").is_none());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"X-Token: 1\n").unwrap();
        let path = file.path().display().to_string();
        let layer = variable_layer("CUTETUBE_DRM__WIDEVINE__HEADERS_FILE", &path, &known).unwrap().unwrap();
        let values = lookup(&layer.values, "drm.widevine.headers").and_then(Value::as_str);
        assert_eq!(values, Some("X-Token: 1"));
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest() {
        let said = [
            check("[databse]\nurl = \"x\"", &[]),
            check("[server]\nlisen = \"x\"", &[]),
            check("", &[("CUTETUBE_STORAGE__URI", "x")]),
            check("zebra = 1", &[]),
        ]
        .map(|answer| answer.unwrap_err());
        insta::assert_snapshot!(said.join("\n"), @"
        there is no setting `databse` (FILE) / did you mean `database.url`?
        there is no setting `server.lisen` (FILE) / did you mean `server.listen`?
        there is no setting `storage.uri` (CUTETUBE_STORAGE__URI) / did you mean `storage.url`?
        there is no setting `zebra` (FILE) / `cutetube config check` lists every setting with its value
        ");
    }

    #[test]
    fn bad_values_name_their_key_and_origin() {
        let said = [
            check("[server]\nlisten = \"here\"", &[]),
            check("", &[("CUTETUBE_ROLE", "boss")]),
            check("", &[("CUTETUBE_LADDER__CRF", "400")]),
            check("[server", &[]),
        ]
        .map(|answer| answer.unwrap_err());
        insta::assert_snapshot!(said.join("\n"), @"
        `server.listen` cannot be used (FILE): invalid socket address syntax
        `role` cannot be used (CUTETUBE_ROLE): unknown variant: found `boss`, expected `one of `all`, `web`, `worker``
        `ladder.crf` cannot be used (CUTETUBE_LADDER__CRF): invalid value unsigned int `400`, expected u8
        `FILE` is not valid TOML: TOML parse error at line 1, column 8
          |
        1 | [server
          |        ^
        invalid table header
        expected `.`, `]`
        ");
    }
}
