//! `cutetube events …`

use std::time::Duration;

use catalog::{
    events::deliveries::Which,
    ids::{EventId, WebhookId},
};
use clap::{Args, Subcommand};
use db::Timestamp;

use super::{ConfigArgs, Environment, print, search_path};
use crate::{
    AppState, ambient,
    events::{ReplayOrder, replay_unasked},
    telemetry,
};

#[derive(Debug, Subcommand)]
pub(super) enum Events {
    /// Deliver events of the log again, to webhooks and the message broker; a running server does it
    Replay(Replay),
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The event with this id
    #[arg(long, value_name = "ID", conflicts_with = "since", required_unless_present = "since")]
    event: Option<EventId>,
    /// All events that are not older than this: `90m`, `36h`, `7d`
    #[arg(long, value_name = "AGE", value_parser = age)]
    since: Option<Duration>,
    /// To this webhook only
    #[arg(long, value_name = "ID")]
    webhook: Option<WebhookId>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Events {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        match self {
            Self::Replay(replay) => replay.run(env).await,
        }
    }
}

impl Replay {
    async fn run(self, env: Environment) -> anyhow::Result<()> {
        let search_path = search_path(&env);
        let config = self.config.load(env, Vec::new())?;
        telemetry::init(&config.log)?;
        let state = AppState::open(config, &search_path).await?;
        let since = || {
            let then = ambient::unix_time().saturating_sub(self.since.unwrap_or_default());
            Timestamp::from_unix_micros(i64::try_from(then.as_micros()).unwrap_or(i64::MAX))
        };
        let which = self.event.map_or_else(|| Which::Since(since()), Which::One);
        let events = replay_unasked(&state, ReplayOrder { which, webhook: self.webhook }).await?;
        print(&format!("{events} events are delivered again"))
    }
}

fn age(text: &str) -> Result<Duration, String> {
    let unit = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(24 * 3600),
        _ => None,
    };
    let parsed = text.char_indices().next_back().and_then(|(at, last)| {
        let number: u64 = text.get(..at)?.parse().ok()?;
        number.checked_mul(unit(last)?).map(Duration::from_secs)
    });
    parsed.ok_or_else(|| "write a number and `s`, `m`, `h` or `d`, like `36h`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn ages_have_a_number_and_a_unit() {
        let seconds = |text| age(text).ok().map(|age| age.as_secs());
        assert_eq!(
            [seconds("90s"), seconds("90m"), seconds("36h"), seconds("7d")],
            [Some(90), Some(5400), Some(129_600), Some(604_800)]
        );
        for wrong in
            ["", "d", "7", "-1d", "1.5h", "7w", "99999999999999999999d", "18446744073709551615d", "7ü"]
        {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
