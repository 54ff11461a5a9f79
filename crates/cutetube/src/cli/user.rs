//! `cutetube user …`

use anyhow::{Context, bail};
use catalog::{
    accounts::{self, Role},
    names::{Email, PersonName, Refusal, Username},
};
use clap::{Args, Subcommand, ValueEnum};

use super::{Advised, ConfigArgs, Environment, print, search_path};
use crate::{
    AppState,
    accounts::{
        SignUp,
        actions::{self, AccountError},
        parse_password,
    },
    telemetry,
};

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Make an account, also while sign-up is closed
    Add(AddUser),
    /// Let an account do more, or less
    Promote(PromoteUser),
}

#[derive(Debug, Args)]
pub(super) struct AddUser {
    /// The name to log in with
    username: String,
    /// Address to log in with, too
    #[arg(long)]
    email: String,
    /// The password; the variable keeps it out of the list of processes
    #[arg(long, env = "CUTETUBE_PASSWORD", hide_env_values = true)]
    password: String,
    /// First name [default: the user name]
    #[arg(long)]
    first_name: Option<String>,
    /// Last name [default: the user name]
    #[arg(long)]
    last_name: Option<String>,
    /// What the account may do
    #[arg(long, value_enum, default_value = "creator")]
    role: RoleName,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(super) struct PromoteUser {
    /// E-mail address or user name
    credential: String,
    /// What the account may do from now on
    #[arg(long, value_enum, default_value = "admin")]
    role: RoleName,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    /// Watch
    Viewer,
    /// Upload, and manage what is their own
    Creator,
    /// Manage everything
    Admin,
}

impl User {
    pub(super) async fn run(self, env: Environment) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.run(env).await,
            Self::Promote(promote) => promote.run(env).await,
        }
    }
}

impl AddUser {
    async fn run(self, env: Environment) -> anyhow::Result<()> {
        let state = open(self.config, env).await?;
        let first_name = self.first_name.unwrap_or_else(|| self.username.clone());
        let last_name = self.last_name.unwrap_or_else(|| self.username.clone());
        let form = SignUp {
            username: parse("user name", &self.username, Username::parse)?,
            email: parse("e-mail address", &self.email, Email::parse)?,
            password: parse("password", &self.password, parse_password)?,
            first_name: parse("first name", &first_name, PersonName::parse)?,
            last_name: parse("last name", &last_name, PersonName::parse)?,
            invite: None,
        };
        match actions::add(&state, form, self.role.into()).await {
            Ok(user) => print(&format!("{} ({}) is {}", user.username, user.email, user.role)),
            Err(AccountError::Fields(errors)) => bail!("the account was not made: {errors}"),
            Err(error) => Err(error).context("the account was not made"),
        }
    }
}

impl PromoteUser {
    async fn run(self, env: Environment) -> anyhow::Result<()> {
        let state = open(self.config, env).await?;
        let found = accounts::find_by_credential(&state.db, &self.credential).await?;
        let Some(found) = found else {
            let sentence = format!("there is no account `{}`", self.credential);
            return Err(Advised::new(sentence, "`cutetube user add` makes one").into());
        };
        let user = accounts::set_role(&state.db, found.user.id, self.role.into()).await?;
        print(&format!("{} ({}) is {}", user.username, user.email, user.role))
    }
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::Creator => Self::Creator,
            RoleName::Admin => Self::Admin,
        }
    }
}

async fn open(config: ConfigArgs, env: Environment) -> anyhow::Result<AppState> {
    let search_path = search_path(&env);
    let config = config.load(env, Vec::new())?;
    telemetry::init(&config.log)?;
    AppState::open(config, &search_path).await
}

fn parse<T>(what: &str, typed: &str, parse: fn(&str) -> Result<T, Refusal>) -> anyhow::Result<T> {
    parse(typed).map_err(|refusal| anyhow::anyhow!("the {what} was refused: {refusal}"))
}
