//! Events on their way out: to webhooks, to people by e-mail, to a message broker; and what may be known and asked
//! about them.

mod actions;
pub(crate) mod api;
mod broker;
mod courier;
mod letters;
mod mail;
mod message;
mod network;
mod notices;
pub(crate) mod probe;
mod purge;
mod resources;
mod signature;
mod webhook;

pub(crate) use actions::{ReplayOrder, replay_unasked};
pub(crate) use courier::Courier;
