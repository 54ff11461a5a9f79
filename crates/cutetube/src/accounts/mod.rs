//! People: signing up, logging in, and who a request comes from.

pub(crate) mod actions;
pub(crate) mod api;
mod caller;
mod password;
mod signup;
mod token;

pub(crate) use api::device;
pub(crate) use caller::{Admin, Caller, Unauthenticated, Visitor, refuse_foreign_forms, session_cookie};
pub(crate) use password::Passwords;
pub(crate) use signup::{SignUp, parse_password};
pub(crate) use token::{TokenKind, Tokens};
