//! Proving that an address is one's own, and choosing another password with that. Nothing here knows HTTP.
//!
//! Whoever asks for a letter gets the same answer after the same work, whether there is an account or not: the letter is
//! a job, and only the job looks the address up.

use catalog::{
    accounts::{PasswordHash, User},
    ids::UserId,
    letters::{self, Confirmation, Letter, Purpose},
    names::{Email, FieldErrors},
};

use super::{
    actions::AccountError,
    code::Code,
    guessing::{self, Guess},
    password_rules::repeats,
    signup::SAYS_WHO,
    source::Source,
};
use crate::AppState;

/// Has a letter with a link sent to whoever has an account with this address.
pub(crate) async fn forgot(state: &AppState, email: Email, source: &Source) -> Result<(), AccountError> {
    // Each letter counts, whoever it is for.
    let _counted = guessing::attempt(state, Guess::Letter(email.as_str()), source).await?;
    Ok(letters::request(&state.db, Letter::Reset { email }).await?)
}

/// Sets another password with the code of such a letter, once. Every sign-in and every API token of the account ends.
pub(crate) async fn reset(
    state: &AppState,
    code: Option<Code>,
    password: String,
) -> Result<User, AccountError> {
    let code = code.ok_or_else(stale_code)?.hash();
    // Nobody makes the server hash passwords with codes that are none.
    if !letters::is_good(&state.db, Purpose::Reset, &code).await? {
        return Err(stale_code());
    }
    let hash = PasswordHash(state.passwords.hash(password).await?);
    let user = letters::reset(&state.db, &code, &hash).await?.ok_or_else(stale_code)?;
    tracing::info!(user.id = %user.id, "the password of account `{}` was reset", user.id);
    Ok(user)
}

/// Proves with the code of a letter that its address is the account's owner's, once.
pub(crate) async fn confirm(state: &AppState, code: Option<Code>) -> Result<User, AccountError> {
    let code = code.ok_or_else(stale_code)?.hash();
    match letters::confirm(&state.db, &code).await? {
        Confirmation::Confirmed(user) => {
            tracing::info!(user.id = %user.id, "the address of account `{}` is confirmed", user.id);
            Ok(user)
        }
        Confirmation::Taken => Err(field("code", "Another account has this address by now.")),
        Confirmation::Unknown => Err(stale_code()),
    }
}

/// Has the letter sent again that asks to confirm the address of an account.
pub(crate) async fn ask_again(state: &AppState, user: UserId, source: &Source) -> Result<(), AccountError> {
    let _counted = guessing::attempt(state, Guess::Letter(&user.to_string()), source).await?;
    Ok(letters::request(&state.db, Letter::Confirm { user }).await?)
}

/// Refuses a password that everybody can see.
pub(super) fn refuse_ones_name(user: &User, password: &str) -> Result<(), AccountError> {
    if repeats(password, user.username.as_str(), user.email.as_str()) {
        return Err(field("password", SAYS_WHO));
    }
    Ok(())
}

pub(crate) fn field(name: &str, sentence: &str) -> AccountError {
    let mut errors = FieldErrors::default();
    errors.add(name, sentence);
    AccountError::Fields(errors)
}

fn stale_code() -> AccountError {
    field("code", "This link was used already, or is too old. Ask for another letter.")
}
