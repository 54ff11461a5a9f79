//! People and how they prove who they are.

use std::fmt;

use db::{Db, Json, Timestamp, Tx};

use crate::{
    Error, Result,
    ids::{SessionId, UserId},
    invites,
    letters::{self, Letter},
    names::{Email, FieldErrors, PersonName, Username},
    sessions,
};

mod standing;

pub use standing::{Decision, Filter, decide, page};

#[cfg(test)]
pub(crate) use standing::STATEMENTS as STANDING_STATEMENTS;

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// The name to sign in with.
    pub username: Username,
    /// The address to sign in with, and to reach the person at.
    pub email: Email,
    /// First name.
    pub first_name: PersonName,
    /// Last name.
    pub last_name: PersonName,
    /// The hash of the password.
    pub password_hash: PasswordHash,
    /// What the person may do.
    pub role: Role,
}

db::row! {
    /// A person with an account.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct User {
        /// The account's id.
        pub id: UserId,
        /// The name to sign in with.
        pub username: Username,
        /// The address to sign in with, and to reach the person at.
        pub email: Email,
        /// First name.
        pub first_name: PersonName,
        /// Last name.
        pub last_name: PersonName,
        /// What the person may do.
        pub role: Role,
        /// Whether the account may be used.
        pub standing: Standing,
        /// When somebody proved that the address is theirs.
        pub verified_at: Option<Timestamp>,
        /// When the account was made.
        pub created_at: Timestamp,
    }
}

db::text_enum! {
    /// What a person may do. Each role may do what the ones before it may.
    pub enum Role {
        /// Watch.
        Viewer = "viewer",
        /// Upload, and manage what is their own.
        Creator = "creator",
        /// Manage everything.
        Admin = "admin",
    }
}

db::text_enum! {
    /// Whether an account may be used.
    pub enum Standing {
        /// It may.
        Active = "active",
        /// An administrator has not let it in yet.
        Waiting = "waiting",
        /// An administrator has shut it.
        Suspended = "suspended",
        /// It is going, and goes when the last of its videos has gone.
        Leaving = "leaving",
    }
}

/// How somebody comes to have an account.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    /// Whether it may be used at once.
    pub standing: Standing,
    /// The invitation that makes it; what the account may do is then the invitation's to say.
    pub invite: Option<invites::CodeHash>,
    /// Whether the address is to be proved.
    pub address: Address,
}

/// Whether the address of a new account is to be proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// A letter asks for it.
    ToBeProved,
    /// It is taken as it is.
    Taken,
}

/// A password's hash in its text form (PHC). Its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

/// A person, and what their password is checked against.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The person.
    pub user: User,
    /// The hash of their password.
    pub password_hash: PasswordHash,
}

/// Makes an account.
///
/// # Errors
/// [`Error::Fields`] naming `username`, `email` or both when another account has them, in whatever case.
pub async fn create_user(db: &Db, new: &NewUser) -> Result<User> {
    let unasked = Admission { standing: Standing::Active, invite: None, address: Address::Taken };
    admit_user(db, new, &unasked).await
}

/// Makes an account for somebody who asked for it.
///
/// # Errors
/// As [`create_user`]; [`Error::NoInvite`] when the invitation makes no account any more.
pub async fn admit_user(db: &Db, new: &NewUser, admission: &Admission) -> Result<User> {
    let mut tx = db.begin().await?;
    // First, so that whoever has none learns nothing about names.
    let role = match &admission.invite {
        Some(code) => invites::take(&mut tx, code).await?,
        None => new.role,
    };
    let user = insert(&mut tx, new, role, admission.standing).await?;
    if admission.address == Address::ToBeProved {
        letters::post(&mut tx, Letter::Confirm { user: user.id }).await?;
    }
    tx.commit().await?;
    Ok(user)
}

async fn insert(tx: &mut Tx, new: &NewUser, role: Role, standing: Standing) -> Result<User> {
    let taken: Vec<Taken> = tx.query(TAKEN).bind(new.username.key()).bind(new.email.key()).all().await?;
    if !taken.is_empty() {
        let has = |which: fn(&Taken) -> bool| taken.iter().any(which);
        return Err(taken_fields(has(|row| row.username), has(|row| row.email)));
    }
    tx.query(CREATE)
        .bind(new.id)
        .bind(&new.username)
        .bind(new.username.key())
        .bind(&new.email)
        .bind(new.email.key())
        .bind(&new.first_name)
        .bind(&new.last_name)
        .bind(&new.password_hash.0)
        .bind(role)
        .bind(standing)
        .one()
        .await
        // Somebody else came between the look and the insert.
        .map_err(|error| match error.unique_constraint() {
            Some("users_username_key_key") => taken_fields(true, false),
            Some("users_email_key_key") => taken_fields(false, true),
            _ => error.into(),
        })
}

/// The account that signs in with this e-mail address or user name, in whatever case.
///
/// # Errors
/// Those of the database.
pub async fn find_by_credential(db: &Db, credential: &str) -> Result<Option<Credentials>> {
    // Nothing longer can be a name or an address, and text with NUL cannot be asked for.
    if credential.len() > 200 || credential.contains('\0') {
        return Ok(None);
    }
    Ok(db.read(BY_CREDENTIAL).bind(credential.trim().to_lowercase()).first().await?)
}

/// One account.
///
/// # Errors
/// Those of the database.
pub async fn user(db: &Db, id: UserId) -> Result<Option<User>> {
    Ok(db.read(BY_ID).bind(id).first().await?)
}

/// Several accounts at once, for lists; those that do not exist are left out.
///
/// # Errors
/// Those of the database.
pub async fn users(db: &Db, ids: &[UserId]) -> Result<Vec<User>> {
    Ok(db.read(BY_IDS).bind(Json(ids)).all().await?)
}

/// How many accounts there are.
///
/// # Errors
/// Those of the database.
pub async fn count(db: &Db) -> Result<u64> {
    Ok(db.read(COUNT).value().await?)
}

/// Gives an account another role.
///
/// # Errors
/// [`Error::NoUser`] when it does not exist.
pub async fn set_role(db: &Db, id: UserId, role: Role) -> Result<User> {
    db.write(SET_ROLE).bind(id).bind(role).first().await?.ok_or(Error::NoUser)
}

/// Gives an account another password. All its sign-ins end but `kept`, and its owner is told.
///
/// # Errors
/// [`Error::NoUser`] when it does not exist.
pub async fn set_password(db: &Db, id: UserId, hash: &PasswordHash, kept: Option<SessionId>) -> Result<()> {
    let mut tx = db.begin().await?;
    if tx.query(SET_PASSWORD).bind(id).bind(&hash.0).execute().await? == 0 {
        return Err(Error::NoUser);
    }
    sessions::close_others(&mut tx, id, kept).await?;
    letters::post(&mut tx, Letter::PasswordChanged { user: id }).await?;
    tx.commit().await?;
    Ok(())
}

/// What somebody's password is checked against.
///
/// # Errors
/// [`Error::NoUser`] when the account does not exist.
pub async fn password_hash(db: &Db, id: UserId) -> Result<PasswordHash> {
    let hash: Option<String> = db.read(PASSWORD).bind(id).first_value().await?;
    hash.map(PasswordHash).ok_or(Error::NoUser)
}

/// Gives a person another name.
///
/// # Errors
/// [`Error::NoUser`] when the account does not exist.
pub async fn rename(db: &Db, id: UserId, first_name: &PersonName, last_name: &PersonName) -> Result<User> {
    db.write(RENAME).bind(id).bind(first_name).bind(last_name).first().await?.ok_or(Error::NoUser)
}

db::statements! {
    TAKEN {
        "SELECT username_key = $1 AS username, email_key = $2 AS email FROM users
         WHERE username_key = $1 OR email_key = $2"
    }
    CREATE {
        "INSERT INTO users (id, username, username_key, email, email_key, first_name, last_name, password_hash, role,
                            standing, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, " NOW ")
         RETURNING *"
    }
    /// A user name has no `@` and an address has one, so at most one row answers.
    BY_CREDENTIAL {
        "SELECT * FROM users WHERE username_key = $1 OR email_key = $1"
    }
    BY_ID { "SELECT * FROM users WHERE id = $1" }
    BY_IDS {
        "SELECT * FROM users WHERE id IN " [
            sqlite "(SELECT unhex(value, '-') FROM json_each($1))"
            postgres "(SELECT CAST(jsonb_array_elements_text(CAST($1 AS JSONB)) AS UUID))"
        ]
    }
    COUNT { "SELECT count(*) FROM users" }
    SET_ROLE { "UPDATE users SET role = $2 WHERE id = $1 RETURNING *" }
    PASSWORD { "SELECT password_hash FROM users WHERE id = $1" }
    RENAME { "UPDATE users SET first_name = $2, last_name = $3 WHERE id = $1 RETURNING *" }
    SET_PASSWORD { "UPDATE users SET password_hash = $2 WHERE id = $1" }
}

db::row! {
    struct Taken { username: bool, email: bool }
}

impl db::FromRow for Credentials {
    fn from_row(row: &db::Row) -> db::Result<Self> {
        Ok(Self { user: User::from_row(row)?, password_hash: PasswordHash(row.get("password_hash")?) })
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(…)")
    }
}

fn taken_fields(username: bool, email: bool) -> Error {
    let mut errors = FieldErrors::default();
    if username {
        errors.add("username", "A user with that username already exists.");
    }
    if email {
        errors.add("email", "A user with that email already exists.");
    }
    Error::Fields(errors)
}
