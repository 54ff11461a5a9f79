//! People and how they prove who they are.

use std::fmt;

use db::{Db, Json, Timestamp};

use crate::{
    Error, Result,
    ids::UserId,
    names::{Email, FieldErrors, PersonName, Username},
};

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
    let mut tx = db.begin().await?;
    let taken: Vec<Taken> = tx.query(TAKEN).bind(new.username.key()).bind(new.email.key()).all().await?;
    if !taken.is_empty() {
        let has = |which: fn(&Taken) -> bool| taken.iter().any(which);
        return Err(taken_fields(has(|row| row.username), has(|row| row.email)));
    }
    let user = tx
        .query(CREATE)
        .bind(new.id)
        .bind(&new.username)
        .bind(new.username.key())
        .bind(&new.email)
        .bind(new.email.key())
        .bind(&new.first_name)
        .bind(&new.last_name)
        .bind(&new.password_hash.0)
        .bind(new.role)
        .one()
        .await
        // Somebody else came between the look and the insert.
        .map_err(|error| match error.unique_constraint() {
            Some("users_username_key_key") => taken_fields(true, false),
            Some("users_email_key_key") => taken_fields(false, true),
            _ => error.into(),
        })?;
    tx.commit().await?;
    Ok(user)
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

/// Gives an account another password.
///
/// # Errors
/// [`Error::NoUser`] when it does not exist.
pub async fn set_password(db: &Db, id: UserId, hash: &PasswordHash) -> Result<()> {
    match db.write(SET_PASSWORD).bind(id).bind(&hash.0).execute().await? {
        0 => Err(Error::NoUser),
        _ => Ok(()),
    }
}

db::statements! {
    TAKEN {
        "SELECT username_key = $1 AS username, email_key = $2 AS email FROM users
         WHERE username_key = $1 OR email_key = $2"
    }
    CREATE {
        "INSERT INTO users (id, username, username_key, email, email_key, first_name, last_name, password_hash, role,
                            created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, " NOW ")
         RETURNING id, username, email, first_name, last_name, role, created_at"
    }
    /// A user name has no `@` and an address has one, so at most one row answers.
    BY_CREDENTIAL {
        "SELECT id, username, email, first_name, last_name, role, created_at, password_hash FROM users
         WHERE username_key = $1 OR email_key = $1"
    }
    BY_ID { "SELECT id, username, email, first_name, last_name, role, created_at FROM users WHERE id = $1" }
    BY_IDS {
        "SELECT id, username, email, first_name, last_name, role, created_at FROM users WHERE id IN " [
            sqlite "(SELECT unhex(value, '-') FROM json_each($1))"
            postgres "(SELECT CAST(jsonb_array_elements_text(CAST($1 AS JSONB)) AS UUID))"
        ]
    }
    COUNT { "SELECT count(*) FROM users" }
    SET_ROLE {
        "UPDATE users SET role = $2 WHERE id = $1
         RETURNING id, username, email, first_name, last_name, role, created_at"
    }
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
