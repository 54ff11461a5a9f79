//! Who may have an account, and how much may be kept for them.

use catalog::quotas::Limits;
use serde::{Deserialize, Serialize};

use super::{Config, Secret};

/// `accounts.*`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// Who may sign up.
    pub signup: Signup,
    /// Whether addresses are to be confirmed.
    pub verification: Verification,
    /// How much each person may have, unless an administrator decides otherwise for one.
    pub quota: Quota,
    /// Signs tokens and sessions, at least 32 bytes. Without it, one is made and kept in the data folder.
    pub signing_secret: Option<Secret>,
    /// How long an access token is accepted.
    pub access_minutes: u64,
    /// How long a refresh token and a browser session are accepted.
    pub refresh_days: u64,
    /// How long a link in a letter is good.
    pub link_minutes: u64,
}

/// `accounts.signup`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signup {
    /// Anybody.
    Open,
    /// Anybody, but an administrator lets them in.
    Approval,
    /// Whoever has an invitation.
    Invite,
    /// Nobody; accounts come from `cutetube user add`.
    Closed,
}

/// `accounts.verification`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verification {
    /// Addresses are taken as they are.
    Off,
    /// A letter asks for it.
    Offered,
    /// A letter asks for it, and nothing can be uploaded before.
    Required,
}

/// `accounts.quota.*`; 0 sets no limit.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Bytes of uploaded files.
    pub bytes: u64,
    /// Videos.
    pub videos: u64,
    /// Length of all videos together.
    pub minutes: u64,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            signup: Signup::Open,
            verification: Verification::Offered,
            quota: Quota::default(),
            signing_secret: None,
            access_minutes: 60,
            refresh_days: 30,
            link_minutes: 60,
        }
    }
}

impl Quota {
    /// As the catalogue counts.
    pub fn limits(&self) -> Limits {
        let limit = |number| Some(number).filter(|number| *number > 0);
        Limits { bytes: limit(self.bytes), videos: limit(self.videos), minutes: limit(self.minutes) }
    }
}

impl Config {
    /// The first setting of accounts that cannot work, and why.
    pub(super) fn accounts_problem(&self) -> Option<(&'static str, String)> {
        let said = |key| Some((key, "nothing would be accepted for any time at all".to_owned()));
        match &self.accounts {
            Accounts { access_minutes: 0, .. } => said("accounts.access_minutes"),
            Accounts { refresh_days: 0, .. } => said("accounts.refresh_days"),
            Accounts { link_minutes: 0, .. } => said("accounts.link_minutes"),
            _ => None,
        }
    }
}
