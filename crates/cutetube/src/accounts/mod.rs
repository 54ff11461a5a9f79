//! People: signing up, logging in, who a request comes from, and what they decide about their account.

pub(crate) mod actions;
pub(crate) mod api;
mod caller;
mod code;
pub(crate) mod guessing;
mod password;
mod password_rules;
pub(crate) mod picture;
pub(crate) mod profile;
pub(crate) mod recovery;
mod signup;
mod source;
mod token;

pub(crate) use caller::{
    Admin, Caller, Manager, Reader, SignedInCaller, Unauthenticated, Uploader, Visitor, bearer, is_foreign,
    refuse_foreign_forms, session_cookie,
};
pub(crate) use code::Code;
pub(crate) use password::Passwords;
pub(crate) use password_rules::parse_password;
pub(crate) use signup::SignUp;
pub(crate) use source::Source;
#[cfg(test)]
pub(crate) use token::Subject;
pub(crate) use token::{TokenKind, Tokens, hs256_only};
